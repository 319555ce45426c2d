"""What lies round a lesion as a row of the case document, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imaging.formats.record import quantity_from_record, quantity_record
from imaging.lesions.surroundings import ForamenDistance, Surroundings

__all__ = ["surroundings_from_record", "surroundings_record"]


def surroundings_record(surroundings: Surroundings) -> dict[str, Any]:
    """Every figure under its name, null where it is unknown."""
    foramina = surroundings.foramina
    return {
        "canal_mm": quantity_record(surroundings.canal),
        "foramina_mm": None
        if foramina is None
        else [
            {"name": row.name, "distance_mm": quantity_record(row.distance_mm), "reason": row.reason}
            for row in foramina
        ],
        "extraosseous_ml": quantity_record(surroundings.extraosseous),
        "breach": surroundings.breach,
        "reason": surroundings.reason,
    }


def surroundings_from_record(row: Mapping[str, Any]) -> Surroundings:
    """The surroundings in a document of ours; unknown where an older one does not tell them."""
    foramina = row.get("foramina_mm")
    return Surroundings(
        canal=quantity_from_record(row.get("canal_mm")),
        foramina=None
        if foramina is None
        else tuple(
            ForamenDistance(
                name=each["name"], distance_mm=quantity_from_record(each["distance_mm"]), reason=each["reason"]
            )
            for each in foramina
        ),
        extraosseous=quantity_from_record(row.get("extraosseous_ml")),
        breach=row.get("breach"),
        reason=row.get("reason"),
    )
