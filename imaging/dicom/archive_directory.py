"""The directory of a zip archive, read within bounds.

An archive may be hostile: a few bytes that inflate to terabytes, a million empty members, members that share their
bytes, names that lead out of the folder. So the directory is read by hand, no further than the limits go, and what it
declares is checked before a byte is inflated (PKWARE APPNOTE 4.3).
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from imaging.errors import UnreadableFile

__all__ = ["DEFLATED", "LOCAL_HEADER", "Directory", "Member", "is_archive", "read_directory"]

LOCAL_HEADER, ENTRY, END, END_64, LOCATOR_64 = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_FIELDS, LOCATOR_FIELDS = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")
END_64_FIELDS, ENTRY_FIELDS = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4s6H3L5H2L")
LONGEST_COMMENT = 2**16
STORED, DEFLATED = 0, 8
ENCRYPTED, UTF_8 = 0x0001, 0x0800  # flags
SIZES_64 = 0x0001  # the extra field that holds sizes of 64 bits
FULL_16, FULL_32 = 2**16 - 1, 2**32 - 1  # "look into the fields of 64 bits"
MOST_MEMBERS = 100_000  # a patient's life of CT slices
LARGEST_DIRECTORY = 32 * 2**20  # bytes
LARGEST_MEMBER = 512 * 2**20  # bytes, as for a deflated file
LARGEST_RATIO = 100  # images deflate 2:1 to 10:1
RATIO_ALWAYS = 64 * 2**20  # bytes that an archive may always inflate to: empty images deflate 1000:1
UNSAFE_NAME = re.compile(r"[\x00-\x1f\\:]|^/|(^|/)\.{1,2}(/|$)|//")
LONGEST_NAME = 1024
REMEMBERED = 4  # directories


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive; ``code`` says why it may not be opened, "" if it may."""

    name: str
    method: int
    header_offset: int
    compressed: int
    size: int
    checksum: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Directory:
    """All members of an archive, and those that a name leads to."""

    members: tuple[Member, ...]
    by_name: dict[str, Member]


def is_archive(start: bytes) -> bool:
    r"""Whether a file that begins with these bytes may be a zip archive.

    Examples
    --------
    >>> is_archive(b"PK\x03\x04\x14\x00"), is_archive(b"DICM")
    (True, False)
    """
    return start[:4] in (LOCAL_HEADER, END)


def read_directory(archive: Path) -> Directory:
    """The files of an archive in the order of its directory; folders are left out.

    Raises
    ------
    UnreadableFile
        ZIP_LIMIT: more members, a larger directory or more inflated bytes than an honest archive has. UNREADABLE_ZIP:
        the directory is damaged, or the archive is one of several volumes.
    """
    try:
        about = archive.stat()
        return _read_directory(str(archive), about.st_size, about.st_mtime_ns)
    except UnreadableFile:
        raise
    except (struct.error, OSError, ValueError) as error:
        message = f"the directory cannot be read ({type(error).__name__})"
        raise UnreadableFile(message, code="UNREADABLE_ZIP", where=str(archive)) from None


@lru_cache(REMEMBERED)
def _read_directory(archive: str, size: int, _changed: int) -> Directory:
    with io.FileIO(archive) as stream:
        count, length, offset = _end(stream, size)
        if count > MOST_MEMBERS or length > LARGEST_DIRECTORY:
            raise UnreadableFile(f"{count} members are too many", code="ZIP_LIMIT", where=archive)
        stream.seek(offset)
        directory = stream.read(length)
    found = tuple(_entries(directory, size))
    if len(found) > MOST_MEMBERS:
        raise UnreadableFile(f"{len(found)} members are too many", code="ZIP_LIMIT", where=archive)
    inflated, compressed = sum(member.size for member in found), sum(member.compressed for member in found)
    if inflated > max(LARGEST_RATIO * size, RATIO_ALWAYS) or compressed > size:  # members may share their bytes
        message = f"{inflated} bytes are declared in an archive of {size}"
        raise UnreadableFile(message, code="ZIP_LIMIT", where=archive)
    by_name = dict[str, Member]()
    for member in found:
        by_name.setdefault(member.name, member)
    return Directory(found, by_name)


def _end(stream: io.FileIO, size: int) -> tuple[int, int, int]:
    """How many members there are, how long the directory is, and where it begins."""
    tail_at = max(size - END_FIELDS.size - LONGEST_COMMENT, 0)
    stream.seek(tail_at)
    tail = stream.read()
    at = tail.rfind(END)
    if at < 0:
        raise ValueError("no end of a directory")
    _, disk, first_disk, _, count, length, offset, _ = END_FIELDS.unpack_from(tail, at)
    if FULL_16 in (count, disk) or FULL_32 in (length, offset):
        _, _, end_at, _ = LOCATOR_FIELDS.unpack_from(tail, at - LOCATOR_FIELDS.size)
        stream.seek(end_at)
        fields = END_64_FIELDS.unpack(stream.read(END_64_FIELDS.size))
        if fields[0] != END_64:
            raise ValueError("no end of a directory of 64 bits")
        disk, first_disk, count, length, offset = fields[4], fields[5], *fields[7:]
    if disk or first_disk or offset + length > size:
        raise ValueError("not one whole archive")
    return count, length, offset


def _entries(directory: bytes, size: int) -> Iterator[Member]:
    at, number = 0, 0
    names = set[str]()
    while at + ENTRY_FIELDS.size <= len(directory):
        fields = ENTRY_FIELDS.unpack_from(directory, at)
        signature, _, _, flags, method, _, _, checksum, compressed, inflated, *lengths = fields[:13]
        if signature != ENTRY:
            raise ValueError("no directory entry")
        name_at = at + ENTRY_FIELDS.size
        extra_at = name_at + lengths[0]
        at = extra_at + lengths[1] + lengths[2]
        name = directory[name_at:extra_at].decode("utf-8" if flags & UTF_8 else "cp437", "replace")
        inflated, compressed, offset = _sizes(
            directory[extra_at : extra_at + lengths[1]], inflated, compressed, fields[-1]
        )
        number += 1
        if name.endswith("/") and not inflated:
            continue
        code = _fault(name, flags, method, inflated, compressed) or ("DUPLICATE_MEMBER" if name in names else "")
        if offset + compressed > size:
            code = "UNREADABLE_ZIP"
        names.add(name)
        # A name that may not be shown or joined to a path is replaced by the entry's number.
        shown = f"#{number}" if code in ("UNSAFE_NAME", "DUPLICATE_MEMBER") else name
        yield Member(shown, method, offset, compressed, inflated, checksum, code)


def _sizes(extra: bytes, inflated: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, those that are full taken from the extra field of 64 bits."""
    values, at = [inflated, compressed, offset], 0
    if FULL_32 not in values:
        return inflated, compressed, offset
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == SIZES_64:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at))
            values = [next(wide, value) if value == FULL_32 else value for value in values]
        at += length
    return values[0], values[1], values[2]


def _fault(name: str, flags: int, method: int, inflated: int, compressed: int) -> str:
    if len(name) > LONGEST_NAME or not name or UNSAFE_NAME.search(name):
        return "UNSAFE_NAME"
    if flags & ENCRYPTED:
        return "ENCRYPTED_MEMBER"
    if method not in (STORED, DEFLATED):
        return "UNSUPPORTED_ZIP_METHOD"
    if inflated > LARGEST_MEMBER or inflated > max(LARGEST_RATIO * compressed, RATIO_ALWAYS):
        return "ZIP_LIMIT"
    return ""
