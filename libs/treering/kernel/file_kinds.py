"""What a file is that is neither a regular file nor a folder, in words."""

from __future__ import annotations

import stat

KINDS = {
    stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device", stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link",
}  # fmt: skip


def kind_of(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "something else")
