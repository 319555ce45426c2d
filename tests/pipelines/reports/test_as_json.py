from __future__ import annotations

import json
import os
from typing import Any

import pytest

from pipelines.reports.as_json import as_json, json_text
from pipelines.reports.report import report_from


def test_the_document_comes_back_as_it_went_in(document: dict[str, Any]) -> None:
    text = as_json(report_from(document, {}))
    assert json.loads(text) == document
    assert list(json.loads(text)) == list(document)
    assert text == json_text(document)
    assert text.endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"volume_ml": number})


def test_letters_are_written_as_they_are() -> None:
    assert "Kreuzbein, 右" in json_text({"name": "Kreuzbein, 右"})


def test_a_name_that_is_no_utf_8_is_escaped_and_comes_back() -> None:
    name = os.fsdecode(b"R\xf6ntgen")
    text = json_text({"path": name})
    assert text.encode() == b'{\n  "path": "R\\udcf6ntgen"\n}\n'
    assert json.loads(text) == {"path": name}
