"""The bytes of a file, wherever they lie: on a disk, or as a member of a zip archive.

A member's path is the archive's with the member's name below it. Nothing is unpacked to a disk.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from imaging.dicom.archive import open_member
from imaging.errors import UnreadableFile

__all__ = ["open_bytes", "size_of"]

# The opening of a pipe that nobody writes to would never end; Windows changes line ends unless told not to.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_bytes(path: Path) -> BinaryIO:
    """A regular file, or a zip archive's member, open for unbuffered reading.

    Raises
    ------
    UnreadableFile
        NOT_A_FILE, or what keeps a member from being read.
    OSError
        The file may not be read.

    Examples
    --------
    >>> open_bytes(Path("."))
    Traceback (most recent call last):
    imaging.errors.UnreadableFile: not a regular file
    """
    try:
        descriptor = os.open(path, FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return _open_member(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe or a device would block or never end
        os.close(descriptor)
        raise UnreadableFile("not a regular file", code="NOT_A_FILE", where=str(path))
    return cast(BinaryIO, io.FileIO(descriptor))


def size_of(stream: BinaryIO) -> int:
    """How many bytes the stream holds; it stands at its beginning afterwards."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _open_member(path: Path) -> BinaryIO:
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    if archive is None:
        raise UnreadableFile("not a regular file", code="NOT_A_FILE", where=str(path))
    return open_member(archive, path.relative_to(archive).as_posix())
