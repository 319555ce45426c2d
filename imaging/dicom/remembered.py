"""What a function makes of a header, computed once for headers that are alike.

The slices of a series say the same of their scanner, sequence and patient, hundreds of times. A function of elements
depends on nothing but the elements that it looks at, and which one it looks at next depends on those it has seen. So
its results are kept in a tree: a node is the element that it looks at, a branch the bytes that stood there. A header
that leads to a leaf has, byte by byte, all that the function would look at, and its result is that leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from imaging.dicom.elements import Elements
from imaging.dicom.walk import CutElements, Place

__all__ = ["Remembered"]

T = TypeVar("T")
MOST_RESULTS = 1024  # then all is forgotten: a folder of that many different series is no folder of slices
LONGEST_VALUE = 2048  # bytes; sequences of functional groups differ in every file
HEADER = 8  # bytes before a value that hold its VR and length, or its tag and length


class Remembered(Generic[T]):
    r"""A pure function of elements that remembers its results.

    Examples
    --------
    >>> from imaging.dicom.walk import walk_header
    >>> def modality(elements):
    ...     print("looked at")
    ...     return elements.text(0x00080060)
    >>> remembered, window = Remembered(modality), b"\x08\x00\x60\x00CS\x02\x00CT"
    >>> cut = lambda: Elements(walk_header(window, 0, is_implicit=False, file_size=len(window)).elements)
    >>> remembered(cut()), remembered(cut())
    looked at
    ('CT', 'CT')
    """

    def __init__(self, function: Callable[[Elements], T]) -> None:
        self._function = function
        self._root: list[Any] = []  # of a node: the tag, and branches by bytes; of a leaf: the result
        self._results = 0

    def __call__(self, elements: Elements) -> T:
        cut = elements.parsed
        if type(cut) is not CutElements:
            return self._function(elements)
        node, places, window = self._root, cut.places, cut.window
        while len(node) == 2:
            place = places.get(node[0])
            node = node[1].get(None if place is None else window[place[1] - HEADER : place[2]])
            if node is None:
                return self._learned(cut)
        return node[0] if node else self._learned(cut)

    def _learned(self, cut: CutElements) -> T:
        watched = _Watched(cut.places)
        result = self._function(Elements(CutElements(cut.window, watched, is_implicit=cut.is_implicit)))
        values = [
            (tag, None if place is None else cut.window[place[1] - HEADER : place[2]])
            for tag, place in watched.seen.items()
        ]
        if any(value is not None and len(value) > LONGEST_VALUE for _, value in values):
            return result
        if self._results >= MOST_RESULTS:
            self._root, self._results = [], 0
        node = self._root
        for tag, value in values:
            if not node:
                node += [tag, {}]
            node = node[1].setdefault(value, [])
        if not node:
            node.append(result)
            self._results += 1
        return result


class _Watched(dict[int, Place]):
    """Places that write down which of them are asked for, in the order of the first time."""

    def __init__(self, places: dict[int, Place]) -> None:
        super().__init__(places)
        self.seen: dict[int, Place | None] = {}

    def get(self, tag: int, default: Any = None) -> Any:
        self.seen[tag] = super().get(tag)
        return super().get(tag, default)

    def __contains__(self, tag: object) -> bool:
        if isinstance(tag, int):
            self.seen[tag] = super().get(tag)
        return super().__contains__(tag)

    def __getitem__(self, tag: int) -> Place:
        self.seen[tag] = super().get(tag)
        return super().__getitem__(tag)

    def __iter__(self) -> Iterator[int]:
        raise TypeError("a function that looks at all elements cannot be remembered")
