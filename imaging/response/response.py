"""A response category is never alone: it names its criterion, what it speaks about, why, and from which figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Category", "Response"]


class Category(StrEnum):
    """What became of the disease, in the words of RECIST."""

    CR = "CR"  # complete response
    PR = "PR"  # partial response
    SD = "SD"  # stable disease
    PD = "PD"  # progressive disease
    NE = "NE"  # not evaluable
    NON_CR_NON_PD = "non-CR/non-PD"  # non-target disease persists without unequivocal progression


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One category of one criterion.

    Parameters
    ----------
    criterion
        Its published name.
    category
        The result.
    scope
        What it speaks about: "one lesion", "target lesions", "overall".
    reasons
        Sentences, the deciding one first.
    inputs
        The figures behind it, unrounded; plain values for a document.
    source
        Where the rule is published.

    Examples
    --------
    >>> Response(criterion="RECIST 1.1", category=Category.SD, scope="target lesions", reasons=("no change",)).category
    <Category.SD: 'SD'>
    """

    criterion: str
    category: Category
    scope: str
    reasons: tuple[str, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
