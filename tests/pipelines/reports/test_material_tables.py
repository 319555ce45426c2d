"""Where material lies that is in neither lesion nor bone, in words."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.reports.material_tables import _leak_sentence, material_sentences, materials_table
from pipelines.reports.wording import fill_sentence, recovery_sentence


def leak(compartment: str, ml: float, away_mm: float | None, *, neural: bool = False) -> dict[str, Any]:
    away = None if away_mm is None else {"value": away_mm}
    return {"compartment": compartment, "volume_ml": {"value": ml}, "distance_mm": away, "neural": neural}


def test_each_leak_is_told_with_where_it_lies() -> None:
    leaks = [
        leak("sacral_foramen_ant_S1_L", 0.15, 0.0, neural=True),
        leak("presacral", 0.25, 4.2),
        leak("within extraosseous tumour", 1.2, None),
    ]
    assert _leak_sentence(leaks).replace("\N{NO-BREAK SPACE}", " ") == (
        "In canal or foramina: sacral foramen ant S1 L 0.15 mL. In tumour outside bone: 1.20 mL. "
        "Outside lesion and bone: presacral 0.25 mL, 4.2 mm from canal or foramen."
    )
    assert _leak_sentence([]) == ""


def test_what_is_not_certain_of_a_row_is_not_worded_as_if_it_were() -> None:
    row = {
        "kind": "cement",
        "volume_ml": {"value": 6.4},
        "injected": [{"procedure": "P1", "agent": "pmma", "ml": 7.0}],
        "fill_fraction": {"value": 0.129, "unit": "1"},
    }
    unsure = row | {"findings": [{"code": "INJECTED_NOT_CERTAIN"}]}
    assert recovery_sentence(row).startswith("imaged 6.4 of 7.0")
    assert recovery_sentence(unsure) == "which injected amount to compare with is not certain"
    assert "contoured before treatment" in fill_sentence(row)
    assert "contoured after treatment" in fill_sentence(row | {"findings": [{"code": "LESION_OUTLINED_LATE"}]})


@pytest.mark.parametrize(
    ("neural_ml", "code", "cell", "sentence"),
    [
        (None, "NO_NEURAL_MODEL", "—", ""),
        (None, "NEURAL_NOT_EXCLUDED", "cannot be excluded", "Material in canal and foramina cannot be excluded."),
        (0.0, "LOW_PLATEAU", "0.0 mL", ""),
        (0.3, "NEURAL_NOT_EXCLUDED", "0.30 mL", "More material in canal and foramina cannot be excluded."),
    ],
)
def test_none_in_canal_and_foramina_is_a_figure_and_what_cannot_be_excluded_is_told_in_words(
    document: dict[str, Any], neural_ml: float | None, code: str, cell: str, sentence: str
) -> None:
    told = (
        None
        if neural_ml is None
        else {"value": neural_ml, "unit": "mL", "method": "", "interval95": [0.0, 0.02 + neural_ml]}
    )
    finding = {"code": code, "severity": "warning", "message": "", "where": ""}
    row = document["materials"][0] | {"neural_ml": told, "findings": [finding], "leaks": []}
    document |= {"materials": [row]}
    told_in = " ".join(material_sentences(document))
    (cells,) = materials_table(document).rows
    assert cells[7].text.replace("\N{NO-BREAK SPACE}", " ") == cell
    assert (cells[7].detail == "0–0.02") == (neural_ml == 0)
    assert sentence in told_in
    assert ("canal and foramina" in told_in) == bool(sentence)
