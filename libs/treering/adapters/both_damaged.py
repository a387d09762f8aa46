"""What to do when neither the log nor its second copy is whole: neither can then be made from the other."""

from __future__ import annotations

from treering.adapters.log_copy import CopyDamaged, LogCopy
from treering.adapters.log_scrub import scrub_copy
from treering.kernel.disk import CannotWrite

BACKUP = (
    "put a backup back: `treering --home NEW restore BACKUP` makes an installation of it in an empty folder; keep this "
    "home as it is for whoever looks into it"
)
BOTH = "Neither can be made from the other"


async def copy_too(copy: LogCopy) -> str:
    """What to say, of a damaged stream, about its copy: "" when the stream can be made from it again."""
    try:
        await scrub_copy(copy)
    except CopyDamaged as damage:
        where = f"at position {damage.position}" if damage.position else "and cannot be read"
        return f"Its second copy {copy.path} is damaged too, {where}. {BOTH}: {BACKUP}"
    except CannotWrite:
        return ""
    return ""
