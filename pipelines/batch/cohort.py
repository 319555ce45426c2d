"""All done cases together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.batch.batch_document import Row

__all__ = ["write_cohort"]


def write_cohort(workspace: Path, rows: Sequence[Row]) -> None:
    """Write nothing yet."""
