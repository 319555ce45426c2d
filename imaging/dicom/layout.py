"""Where the elements of a header stand, for headers that are laid out alike.

Neighbouring slices mostly differ in the values of their elements, not in the lengths of them. Then every element of the
one begins where it begins in the other. Whether that is so is seen in two steps without a loop: all beginnings are cut
out of the header at the places that they have in the other, and are compared.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

__all__ = ["Layout", "Place", "layout_of"]

Place = tuple[bytes | None, int, int]  # VR (None if implicit), where the value begins and ends
LONGEST_COMPARED = 4096  # bytes of sequences of undefined length, whose inside decides where they end


class Layout(NamedTuple):
    """A header's elements and where they stand; ``beginnings`` are all bytes that decide it."""

    start: int
    is_implicit: bool
    end: int
    cut: Struct
    beginnings: tuple[bytes, ...]
    places: dict[int, Place]
    pixel_element: int

    def fits(self, window: bytes, start: int, *, is_implicit: bool) -> bool:
        """Whether a header that begins at ``start`` is laid out like this."""
        return (
            start == self.start
            and is_implicit == self.is_implicit
            and len(window) >= self.end
            and self.cut.unpack_from(window, start) == self.beginnings
        )


def layout_of(
    window: bytes, start: int, places: dict[int, Place], pixel_element: int, *, is_implicit: bool
) -> Layout | None:
    """The layout of a header that ends in pixel data; None if too much of it decides where its elements stand."""
    fields, at, compared = [], start, 0
    for vr, value_at, value_end in places.values():
        is_delimited = (vr is None or vr == b"SQ") and window[value_at - 4 : value_at] == b"\xff\xff\xff\xff"
        if is_delimited:
            compared += value_end - value_at
            fields.append(f"{value_end + 8 - at}s")
            at = value_end + 8
        else:
            fields.append(f"{value_at - at}s{value_end - value_at}x")
            at = value_end
    if compared > LONGEST_COMPARED or at != pixel_element:
        return None
    width = 4 if is_implicit else 6
    cut = Struct("<" + "".join(fields) + f"{width}s")
    return Layout(start, is_implicit, at + width, cut, cut.unpack_from(window, start), places, pixel_element)
