"""The bytes of a research file, taken in bounded pieces: a header that lies cannot exhaust the memory."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from imaging.errors import InputError, UnreadableFile

__all__ = ["MAX_SAMPLES", "Payload", "declared_bytes", "opened"]

MAX_SAMPLES = 2**30  # 1024³: a CT of twice the usual matrix with a slice at every millimetre of a metre
DEFLATE_MAX_RATIO = 1032  # the most that deflate can shrink (Source: zlib technical details, 1032:1)
# Beyond the first, an honest image is never emptier than the second; only masks are, and those are bytes a voxel. As in
# imaging.dicom: what inflates further is an empty image or a bomb.
INFLATED_ALWAYS, INFLATED_RATIO = 512 * 2**20, 100
GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952


def declared_bytes(sizes: Sequence[int], bytes_per_sample: int, *, where: str) -> int:
    """How many bytes a header claims.

    Raises
    ------
    InputError
        An extent is not positive (BAD_HEADER), or there are more samples than any image has (DECLARED_SIZE_TOO_LARGE).

    Examples
    --------
    >>> declared_bytes((4, 3, 2), 2, where="x.nii")
    48
    """
    if not sizes or min(sizes) < 1:
        raise InputError(
            f"the extents {tuple(sizes)} are impossible; each is at least 1", code="BAD_HEADER", where=where
        )
    samples = math.prod(sizes)
    if samples > MAX_SAMPLES:
        raise InputError(
            f"the header claims {samples} samples; files of more than {MAX_SAMPLES} are not read",
            code="DECLARED_SIZE_TOO_LARGE",
            where=where,
        )
    return samples * bytes_per_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A file being read from front to back.

    Parameters
    ----------
    stream
        Yields plain bytes, inflated on the way where the file is compressed.
    stored
        How many bytes there are on disk.
    compressed
        Whether the stream inflates them.
    where
        The file's name, for messages.
    """

    stream: BinaryIO
    stored: int
    compressed: bool
    where: str

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, checked against the file's size before they are allocated.

        Raises
        ------
        InputError
            The file cannot hold that many (DECLARED_SIZE_TOO_LARGE), would inflate beyond any honest one
            (INFLATE_LIMIT), or ends early (TRUNCATED_PIXEL_DATA).
        UnreadableFile
            The compressed stream is damaged (DAMAGED_COMPRESSION).
        """
        if self.compressed and count > self.stored * DEFLATE_MAX_RATIO:
            raise InputError(
                f"{count} bytes are declared; {self.stored} compressed bytes cannot hold them",
                code="DECLARED_SIZE_TOO_LARGE",
                where=self.where,
            )
        if self.compressed and count > max(INFLATED_ALWAYS, self.stored * INFLATED_RATIO):
            raise InputError(
                f"{self.stored} compressed bytes would inflate to {count}", code="INFLATE_LIMIT", where=self.where
            )
        there = self.stored if not self.compressed and count > self.stored else None
        content = b"" if there is not None else self._read(count)
        if len(content) < count:
            raise InputError(
                f"{count} bytes are declared and only {there or len(content)} are there",
                code="TRUNCATED_PIXEL_DATA",
                where=self.where,
            )
        return content

    def line(self, limit: int) -> bytes:
        """The bytes up to and with the next newline, at most ``limit``."""
        return self.stream.readline(limit)

    def inflating(self) -> Payload:
        """The rest of this file, read as one gzip stream."""
        unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=self.stream, mode="rb"))
        return Payload(stream=unpacked, stored=self.stored, compressed=True, where=self.where)

    def _read(self, count: int) -> bytes:
        try:
            return self.stream.read(count)
        except EOFError as error:
            raise InputError("the compressed data ends early", code="TRUNCATED_PIXEL_DATA", where=self.where) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFile(
                "the compressed data is damaged", code="DAMAGED_COMPRESSION", where=self.where
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[Payload]:
    """The file as a payload; one that is gzip as a whole (``.nii.gz``) is inflated, whatever its name.

    Raises
    ------
    UnreadableFile
        It is not there, is a folder, or may not be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "x.gz")
    ...     _ = file.write_bytes(gzip.compress(b"abcdef"))
    ...     with opened(file) as payload:
    ...         payload.take(2), payload.take(3)
    (b'ab', b'cde')
    """
    try:
        stream = path.open("rb")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UnreadableFile("the file is not there or may not be read", where=path.name) from error
    with stream:
        plain = Payload(stream=stream, stored=path.stat().st_size, compressed=False, where=path.name)
        is_gzip = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        stream.seek(0)
        yield plain.inflating() if is_gzip else plain
