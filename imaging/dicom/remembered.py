"""What a function makes of a header, computed once for headers that are alike.

The slices of a series say the same of their scanner, sequence and patient, hundreds of times. A function of elements
depends on nothing but the elements that it looks at, and which one it looks at next depends on those it has seen. So
its results are kept in a tree: a node is the element that it looks at, a branch the bytes that stood there. A header
that leads to a leaf has, byte by byte, all that the function would look at, and its result is that leaf. Headers whose
elements stand at the same places as in the one before are compared with it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Any, Generic, NamedTuple, TypeVar

from imaging.dicom.elements import Elements
from imaging.dicom.layout import Place
from imaging.dicom.walk import CutElements

__all__ = ["Remembered", "Watched"]

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
        self._root: list[Any] = []  # of a node: the tag, and the branches by bytes; a leaf is a tuple
        self._results = 0
        self._latest: _Latest[T] | None = None
        self._places: dict[int, Place] = {}  # of the latest header

    def __call__(self, elements: Elements) -> T:
        cut = elements.parsed
        if type(cut) is not CutElements or type(cut.places) is Watched:  # who watches is to see all that is looked at
            return self._function(elements)
        places, window = cut.places, cut.window
        latest = self._latest
        if latest is not None and places is latest.places and latest.cut.unpack_from(window) == latest.values:
            return latest.result
        node: Any = self._root
        while type(node) is list and node:
            place = places.get(node[0])
            node = node[1].get(None if place is None else window[place[1] - HEADER : place[2]])
        result, looked_at = node if type(node) is tuple else self._learned(cut)
        if places is self._places:  # laid out like the one before, so a third one may come
            self._latest = _latest(places, window, looked_at, result)
        self._places = places
        return result  # type: ignore[no-any-return]

    def _learned(self, cut: CutElements) -> tuple[T, tuple[int, ...]]:
        watched = Watched(cut.places)
        result = self._function(Elements(CutElements(cut.window, watched, is_implicit=cut.is_implicit)))
        leaf = result, tuple(watched.seen)
        values = [
            (tag, None if place is None else cut.window[place[1] - HEADER : place[2]])
            for tag, place in watched.seen.items()
        ]
        if not values or any(value is not None and len(value) > LONGEST_VALUE for _, value in values):
            return leaf
        if self._results >= MOST_RESULTS:
            self._root, self._results = [], 0
        node, branch = self._root, None
        for tag, branch in values:
            if not node:
                node += [tag, {}]
            elif node[0] != tag:  # it looked elsewhere first where it saw the same: not a function of elements alone
                return leaf
            parent, node = node, node[1].setdefault(branch, [])
        parent[1][branch] = leaf
        self._results += 1
        return leaf


class _Latest(NamedTuple, Generic[T]):
    """The latest result, and all that was looked at for it, as it stands in headers with these places."""

    places: dict[int, Place]
    cut: Struct
    values: tuple[bytes, ...]
    result: T


def _latest(places: dict[int, Place], window: bytes, looked_at: Sequence[int], result: T) -> _Latest[T]:
    spans = sorted((place[1] - HEADER, place[2]) for tag in looked_at if (place := places.get(tag)) is not None)
    fields, at = [], 0
    for begin, end in spans:
        fields.append(f"{begin - at}x{end - begin}s")
        at = end
    cut = Struct("<" + "".join(fields))
    return _Latest(places, cut, cut.unpack_from(window), result)


class Watched(dict[int, Place]):
    """Places that write down which of them are asked for, in the order of the first time."""

    def __init__(self, places: dict[int, Place]) -> None:
        super().__init__(dict.items(places))  # not by looking up, should they be watched already
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
