"""Damage, drawn from a seed: the same seed does the same damage on every machine and in every version of Python.

Half of it knows nothing of what it damages (bits, bytes, cuts, copies); the other half knows the places where readers
trust: tags and lengths of DICOM elements, numbers in text, the insides of a gzip stream.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random

__all__ = ["Mutation", "mutated"]

Mutation = Callable[[bytearray, Random, bytes], bytearray]

MAX_DAMAGES = 6
LONGEST = 2**20  # bytes of a mutated input; copies of copies must not grow without end
WORDS = (0, 1, 2, 3, 7, 8, 15, 16, 64, 127, 255, 256, 4095, 32767, 32768, 65534, 65535)
LONG_WORDS = (0, 1, 12, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
TEXTS = (
    b"", b"0", b"-0", b"-1", b"1e308", b"-1e308", b"1e-320", b"1e999", b"nan", b"inf", b"-Infinity", b"1,5", b"1.2.3",
    b"0x10", b"1_000", b"99999999999999999999", b"\\", b"\\\\\\", b"0\\0\\0\\0\\0\\0", b"1\\0\\0\\0\\1\\0", b"\xff\xfe",
    b"\x1b$B", b"'", b'"', b"[[[[", b"{", b"=1+1", b"../../x", b"\x00\x00", b"true", b"null", b"9" * 400, b"A" * 5000,
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
GZIP = b"\x1f\x8b"
# The starts of elements that decide how a file is read: group (little endian), element, then a VR or a length.
ELEMENT = re.compile(rb"[\x02\x08\x10\x18\x20\x28\x40\x62\x06\xe0\xfe][\x00\x30\x7f\x52\xff]..(?:[A-Z]{2}|.\x00)", re.S)


def mutated(content: bytes, random: Random, *, other: bytes = b"") -> bytes:
    """The content after one to a few damages.

    Parameters
    ----------
    other
        Another input of the kind, from which pieces may be taken.
    """
    if content.startswith(GZIP) and random.random() < 0.7:
        try:
            return gzip.compress(mutated(gzip.decompress(content), random, other=other), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            pass  # an input that a fuzzer made: damaged already
    damaged = bytearray(content)
    for _ in range(1 + int(random.random() ** 2 * MAX_DAMAGES)):
        damaged = random.choice(MUTATIONS)(damaged, random, other)[:LONGEST]
    return bytes(damaged)


def _place(content: Sequence[int], random: Random) -> int:
    """Headers decide most, so half of all damage falls on the first kilobyte."""
    size = len(content)
    return random.randrange(min(size, 1024) if random.random() < 0.5 else size) if size else 0


def _flip(content: bytearray, random: Random, _: bytes) -> bytearray:
    for _number in range(random.choice((1, 1, 1, 4, 32))):
        if content:
            content[_place(content, random)] ^= 1 << random.randrange(8)
    return content


def _overwrite(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _place(content, random)
    content[at : at + random.choice((1, 2, 4, 16))] = random.randbytes(random.choice((1, 2, 4, 16)))
    return content


def _zero(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _place(content, random)
    end = min(at + random.choice((4, 64, 512, len(content))), len(content))
    content[at:end] = bytes(end - at)
    return content


def _cut(content: bytearray, random: Random, _: bytes) -> bytearray:
    return content[: _place(content, random)]


def _remove(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _place(content, random)
    del content[at : at + random.choice((1, 2, 8, 100, 1000))]
    return content


def _repeat(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _place(content, random)
    piece = content[at : at + random.choice((4, 20, 200))]
    content[at:at] = piece * random.choice((1, 1, 2, 100))
    return content


def _splice(content: bytearray, random: Random, other: bytes) -> bytearray:
    if not other:
        return content
    start = _place(other, random)
    at = _place(content, random)
    content[at : at + random.choice((0, 8, 200))] = other[start : start + random.choice((8, 100, 2000))]
    return content


def _word(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _place(content, random)
    order = random.choice("<<<>")
    if random.random() < 0.5:
        content[at : at + 2] = struct.pack(f"{order}H", random.choice(WORDS))
    else:
        content[at : at + 4] = struct.pack(f"{order}I", random.choice(LONG_WORDS))
    return content


def _number(content: bytearray, random: Random, _: bytes) -> bytearray:
    """Another number or none where text holds one."""
    found = [match.span() for match in NUMBER.finditer(content)][:2000]
    if found:
        start, end = random.choice(found)
        content[start:end] = random.choice(TEXTS)
    return content


def _element_length(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _some_element(content, random)
    if at is not None:
        is_long = bytes(content[at + 4 : at + 6]) in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        if is_long:
            content[at + 8 : at + 12] = struct.pack("<I", random.choice(LONG_WORDS))
        else:
            content[at + 6 : at + 8] = struct.pack("<H", random.choice(WORDS))
    return content


def _element_kind(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _some_element(content, random)
    if at is not None:
        kinds = (b"SQ", b"UN", b"OB", b"DS", b"IS", b"US", b"SS", b"FD", b"AT", b"UI", b"PN", b"??", b"OW", b"UV")
        content[at + 4 : at + 6] = random.choice(kinds)
    return content


def _element_text(content: bytearray, random: Random, _: bytes) -> bytearray:
    """Another value of the right length in its field: the header stays whole, the value is absurd."""
    at = _some_element(content, random)
    if at is not None and at + 8 <= len(content):
        length = struct.unpack_from("<H", content, at + 6)[0]
        text = random.choice(TEXTS)
        text += b" " * (len(text) % 2)
        if 0 < length <= 2000 and at + 8 + length <= len(content):
            content[at + 6 : at + 8 + length] = struct.pack("<H", len(text)) + text
    return content


def _element_away(content: bytearray, random: Random, _: bytes) -> bytearray:
    at = _some_element(content, random)
    if at is not None and at + 8 <= len(content):
        del content[at : at + 8 + min(struct.unpack_from("<H", content, at + 6)[0], 2000)]
    return content


def _some_element(content: bytearray, random: Random) -> int | None:
    found = [match.start() for match in ELEMENT.finditer(bytes(content[: 2**16]))]
    return random.choice(found) if found else None


MUTATIONS: tuple[Mutation, ...] = (
    _flip, _overwrite, _zero, _cut, _remove, _repeat, _splice, _word, _number, _number,
    _element_length, _element_kind, _element_text, _element_text, _element_away,
)  # fmt: skip
