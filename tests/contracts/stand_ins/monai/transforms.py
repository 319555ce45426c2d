"""``Compose``, and the loading of files, which the adapter must leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class LoadImaged:
    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("the image is already here")


class Compose:
    def __init__(self, transforms: list[Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
        self.transforms = transforms

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        for transform in self.transforms:
            item = transform(item)
        return item
