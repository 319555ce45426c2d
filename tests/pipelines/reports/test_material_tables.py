"""Where material lies that is in neither lesion nor bone, in words."""

from __future__ import annotations

from typing import Any

from pipelines.reports.material_tables import _leak_sentence
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
