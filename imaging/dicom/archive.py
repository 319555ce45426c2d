"""Members of a zip archive, read where they lie, in memory and no further than is asked for."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from imaging.dicom.archive_directory import DEFLATED, LOCAL_HEADER, Member, read_directory
from imaging.errors import UnreadableFile

__all__ = ["MemberStream", "open_member"]

LOCAL_NAME_LENGTHS, LOCAL_LENGTH = struct.Struct("<26x2H"), 30
PART = 2**18  # bytes that are read at once; they inflate to 256 MiB at most, and never beyond the member's size


def open_member(archive: Path, name: str) -> BinaryIO:
    """One member, inflated as far as it is read and never further than its directory entry declares.

    Raises
    ------
    UnreadableFile
        NOT_A_FILE for a name that is not there, ZIP_LIMIT, UNREADABLE_ZIP, or the member's own code.
    """
    found = read_directory(archive).by_name.get(name)
    where = f"{archive}/{name}"
    if found is None:
        raise UnreadableFile("not a member of the archive", code="NOT_A_FILE", where=where)
    if found.code:
        raise UnreadableFile("the member may not be opened", code=found.code, where=where)
    source = io.FileIO(archive)
    try:
        source.seek(found.header_offset)
        header = source.read(LOCAL_LENGTH)
        if header[:4] != LOCAL_HEADER or len(header) < LOCAL_LENGTH:
            raise UnreadableFile("no member stands where the directory says", code="UNREADABLE_ZIP", where=where)
        source.seek(sum(LOCAL_NAME_LENGTHS.unpack_from(header)), os.SEEK_CUR)
    except BaseException:
        source.close()
        raise
    return cast(BinaryIO, MemberStream(source, found, where))


class MemberStream(io.RawIOBase):
    """A member's bytes; what has been inflated is kept, so that it can be read again."""

    def __init__(self, source: io.FileIO, member: Member, where: str) -> None:
        super().__init__()
        self._source, self._member, self.name = source, member, where  # the general parser asks streams for a name
        self._machine = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
        self._kept = bytearray()
        self._left, self._at, self._checksum = member.compressed, 0, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._member.size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        end = min(self._at + len(target), self._member.size)
        while len(self._kept) < end:
            self._grow()
        count = max(end - self._at, 0)
        with memoryview(self._kept) as kept:
            target[:count] = kept[self._at : self._at + count]
        self._at += count
        return count

    def close(self) -> None:
        self._source.close()
        super().close()

    def _grow(self) -> None:
        """Inflate one part more."""
        part = self._source.read(min(self._left, PART))
        self._left -= len(part)
        try:
            room = self._member.size + 1 - len(self._kept)
            grown = self._machine.decompress(part, room) if self._machine else part
        except zlib.error:
            raise self._damaged() from None
        if not part and not grown:
            raise self._damaged()  # it ends before its size
        self._checksum = zlib.crc32(grown, self._checksum)
        self._kept += grown
        is_full = len(self._kept) == self._member.size
        if len(self._kept) > self._member.size or (is_full and self._checksum != self._member.checksum):
            raise self._damaged()

    def _damaged(self) -> UnreadableFile:
        return UnreadableFile("the member does not hold what the archive says", code="UNREADABLE_ZIP", where=self.name)
