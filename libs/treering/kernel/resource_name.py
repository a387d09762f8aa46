"""The name of a resource as a field of a message. It stands apart from the rule for names, which the command line needs
before anything that decodes messages."""

from __future__ import annotations

from typing import Annotated

from treering.kernel.bounds import Name, rule
from treering.kernel.subjects import NAME_CHARACTERS_MAX

ResourceName = Annotated[Name, rule(maxLength=NAME_CHARACTERS_MAX)]  # what ``checked_name`` is asked about
