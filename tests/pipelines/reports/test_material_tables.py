"""Where material lies that is in neither lesion nor bone, in words."""

from __future__ import annotations

from typing import Any

from pipelines.reports.material_tables import _leak_sentence


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
