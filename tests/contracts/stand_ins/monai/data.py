"""``MetaTensor``: an array that knows its affine."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


class MetaTensor(Tensor):
    affine: Any
    meta: dict[str, Any]

    def __new__(cls, array: Any, *, affine: Any, meta: dict[str, Any]) -> MetaTensor:
        self = np.asarray(array).view(cls)
        self.affine, self.meta = affine, meta
        return self

    def __array_finalize__(self, other: Any) -> None:
        self.affine, self.meta = getattr(other, "affine", None), getattr(other, "meta", {})

    def with_channel(self) -> MetaTensor:
        return self[None]

    def as_tensor(self) -> Tensor:
        return self.view(Tensor)
