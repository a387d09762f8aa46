"""Masks secrets in the files below a folder, in place: logs that a job wrote beside its console."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from treering.adapters.masking import MaskedStream, Masker
from treering.adapters.regular_files import open_regular
from treering.adapters.tree_walk import readable
from treering.kernel.meter import tick
from treering.kernel.refusal import Refused

BLOCK_BYTES = 1024 * 1024


def mask_files(folder: Path, masker: Masker, masked: Path) -> None:
    """Mask every regular file below ``folder`` but for the one that is masked already. What cannot be read is passed
    over: nobody else reads it either. Blocks; raises ``Stopped``, and OSError where there is no room."""
    for place, _, names in os.walk(folder):
        tick(0)
        for name in names:
            path = Path(place, name)
            if path != masked:
                with suppress(Refused), readable(name, folder.name):
                    mask_file(path, masker)


def mask_file(path: Path, masker: Masker) -> None:
    """A new file in the place of the old one, which may have other names elsewhere."""
    new = path.with_name(f".{uuid4().hex}")
    stream = MaskedStream(masker)
    try:
        with open_regular(path) as source, new.open("xb") as target:
            while block := source.read(BLOCK_BYTES):
                tick(len(block))
                target.write(stream.feed(block))
            target.write(stream.flush())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
