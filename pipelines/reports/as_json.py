"""The case document as text, and the one way in which JSON is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.reports.report import Report

__all__ = ["as_json", "json_text"]


def json_text(document: Mapping[str, Any]) -> str:
    """The document as canonical JSON: its own key order, two spaces, UTF-8 characters as they are, a final newline.

    Bytes of a file's name that are no UTF-8 (Python's surrogates) are escaped, so that the text is valid and the name
    can be had back.

    Raises
    ------
    ValueError
        If a number is not finite: unknown is null, never NaN.

    Examples
    --------
    >>> print(json_text({"case_id": "HCC-001", "volume_ml": None}), end="")
    {
      "case_id": "HCC-001",
      "volume_ml": null
    }
    """
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(report: Report) -> str:
    """The case document that the report was made from, in canonical form."""
    return json_text(report.document)
