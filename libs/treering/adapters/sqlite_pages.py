"""Page checksums for SQLite files: a page that changed on the disk is refused, never read as truth.

SQLite itself does not notice a changed page. Its checksum VFS (https://sqlite.org/cksumvfs.html) keeps eight bytes at
the end of each page, written with it and compared when it comes from the disk, indexes and the write-ahead log
included; a page that differs is ``SQLITE_IOERR_DATA``. It is an extension that the package apsw ships compiled. Many
Pythons cannot load extensions, so it is given to SQLite by its C interface; from then on every connection of the
process goes through it. A file takes part when its pages have room for the checksums, which ``create`` makes.

Where that cannot be done (a Python whose SQLite cannot be found, a system without the package) ``load`` says False:
files are then read as before, and ``treering doctor`` says so.
"""

from __future__ import annotations

import ctypes
import re
import sqlite3
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path

CHECKSUM_BYTES = 8
ENABLE_LOAD_EXTENSION = 1005  # SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION
RESERVE_BYTES = 38  # SQLITE_FCNTL_RESERVE_BYTES
EXTENSIONS = {"darwin": "dylib", "win32": "dll"}
loading = threading.Lock()


def load() -> bool:
    """Make all SQLite connections of this process check pages; False where that is not possible. Safe to say twice."""
    with loading:
        return loaded()


@cache
def loaded() -> bool:
    library, extension = find_library(), find_extension()
    if library is None or extension is None:
        return False
    db = open_raw(library, ":memory:")
    try:
        was = ctypes.c_int()
        library.sqlite3_db_config(db, ENABLE_LOAD_EXTENSION, ctypes.c_int(1), ctypes.byref(was))
        return int(library.sqlite3_load_extension(db, str(extension).encode(), None, None)) == sqlite3.SQLITE_OK
    finally:
        library.sqlite3_close(db)


def create(path: Path) -> None:
    """Make an empty database file whose pages have checksums; does nothing where pages cannot be checked.

    ``path`` must not exist. Raises sqlite3.OperationalError when it cannot be written.
    """
    library = find_library()
    if library is None or not load():
        return
    db = open_raw(library, str(path))
    try:
        reserved = ctypes.c_int(CHECKSUM_BYTES)
        code = library.sqlite3_file_control(db, None, RESERVE_BYTES, ctypes.byref(reserved))
        code = code or library.sqlite3_exec(db, b"VACUUM", None, None, None)  # writes the first page
        if code:
            raise failed(code, f"cannot make {path}: {library.sqlite3_errmsg(db).decode()}")
    finally:
        library.sqlite3_close(db)


def are_checked(db: sqlite3.Connection) -> bool:
    """Whether the pages of this connection's file have checksums that are compared."""
    row = db.execute("PRAGMA checksum_verification").fetchone()
    return row is not None and str(row[0]) == "1"


def open_raw(library: ctypes.CDLL, path: str) -> ctypes.c_void_p:
    db = ctypes.c_void_p()
    code = library.sqlite3_open(path.encode(), ctypes.byref(db))
    if code:
        library.sqlite3_close(db)
        raise failed(code, f"cannot open {path}: SQLite says {code}")
    return db


def failed(code: int, why: str) -> sqlite3.OperationalError:
    """With its code, as Python's module would raise it: the code tells a full disk from damage."""
    error = sqlite3.OperationalError(why)
    error.sqlite_errorcode = code
    return error


@cache
def find_library() -> ctypes.CDLL | None:
    """The very SQLite that Python's module uses: another copy would have a list of its own of what is loaded."""
    for name in (*mapped_libraries(), str(getattr(sys.modules.get("_sqlite3"), "__file__", ""))):
        try:
            library = ctypes.CDLL(name)
            library.sqlite3_libversion.restype = ctypes.c_char_p
            if library.sqlite3_libversion().decode() != sqlite3.sqlite_version:
                continue
            return declared(library)
        except (OSError, AttributeError):  # not there, or without the functions
            continue
    return None


def mapped_libraries() -> list[str]:
    """The files named libsqlite3 that this process has in memory; none where /proc does not tell."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return []
    return sorted(set(re.findall(r"/\S*libsqlite3\S*", maps)))


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    library.sqlite3_load_extension.argtypes = [pointer, text, text, pointer]
    library.sqlite3_file_control.argtypes = [pointer, text, ctypes.c_int, pointer]
    library.sqlite3_exec.argtypes = [pointer, text, pointer, pointer, pointer]
    library.sqlite3_errmsg.restype = text
    library.sqlite3_errmsg.argtypes = library.sqlite3_close.argtypes = [pointer]
    return library


def find_extension() -> Path | None:
    """The compiled extension in the package apsw, which is not imported: that would load its own SQLite."""
    spec = find_spec("apsw")
    for folder in spec.submodule_search_locations or [] if spec else []:
        file = Path(folder) / "sqlite_extra_binaries" / f"cksumvfs.{EXTENSIONS.get(sys.platform, 'so')}"
        if file.is_file():
            return file
    return None
