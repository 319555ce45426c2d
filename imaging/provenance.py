"""Who made what, from what: digests, identifiers that derive from content, and the record of origin.

Nothing here looks at a clock or draws a random number: the same content always has the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Provenance", "array_sha256", "sha256_hex", "uid_from"]


def sha256_hex(content: bytes) -> str:
    """The content's SHA-256 as 64 hexadecimal digits.

    Examples
    --------
    >>> sha256_hex(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def array_sha256(array: NDArray[Any]) -> str:
    """A digest of shape, type and samples, independent of strides and byte order.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.arange(6).reshape(2, 3)
    >>> array_sha256(a) == array_sha256(np.asfortranarray(a))
    True
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return sha256_hex(f"{little.dtype.str}{little.shape}".encode() + little.tobytes())


def uid_from(*parts: str) -> str:
    """A DICOM UID that is a function of its parts alone (UUID-derived root 2.25, PS3.5 B.2).

    Examples
    --------
    >>> uid_from("case", "L1") == uid_from("case", "L1"), uid_from("case", "L1") == uid_from("cas", "eL1")
    (True, False)
    >>> len(uid_from("a")) <= 64
    True
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a value came to be.

    Parameters
    ----------
    agent
        A person ("reader-1") or an algorithm ("graph-cut").
    version
        The algorithm's version; empty for a person.
    parameters
        What it was told.
    inputs
        Digests or UIDs of what it was made from.
    """

    agent: str
    version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
