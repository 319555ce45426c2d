"""A stream out of which the general parser reads no more than an honest header holds.

That parser makes an object of every element and loads every value before the pixel data. A sparse file may declare a
value of gigabytes there, and deflated or not, a million empty elements fit into little space.
"""

from __future__ import annotations

import io

from imaging.errors import UnreadableFile

__all__ = ["HEADER_LIMIT", "BoundedReader"]

HEADER_LIMIT = 64 * 2**20  # bytes before the pixel data
MOST_READS = 2**17  # an element takes two; vendors' headers have a few thousand, in all their sequences together


class BoundedReader(io.BufferedReader):
    """A buffered stream that refuses to go on beyond what an honest header holds.

    Examples
    --------
    >>> BoundedReader(io.BytesIO(b"DICM")).read(2**30)
    Traceback (most recent call last):
    imaging.errors.UnreadableFile: a header of more than 67108864 bytes or 65536 elements
    """

    def __init__(self, raw: io.RawIOBase | io.BytesIO) -> None:
        super().__init__(raw)  # it reads from buffers as well
        self._bytes, self._reads = 0, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any stream.

        Raises
        ------
        UnreadableFile
            DECLARED_SIZE_TOO_LARGE.
        """
        self._reads += 1
        self._bytes += size if size is not None and size >= 0 else 0
        if self._bytes > HEADER_LIMIT or self._reads > MOST_READS:
            message = f"a header of more than {HEADER_LIMIT} bytes or {MOST_READS // 2} elements"
            raise UnreadableFile(message, code="DECLARED_SIZE_TOO_LARGE")
        return super().read(size)
