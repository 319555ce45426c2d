"""What an earlier run fixed is read back, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imaging.errors import RecordError
from imaging.lesions.match import Basis
from imaging.segmentation import LesionId
from pipelines.case.document import SCHEMA, read_earlier
from pipelines.case.identity import Remembered
from pipelines.workspace import CaseFolder


def observation(**changes: Any) -> dict[str, Any]:
    return {"method": "imported", "mask_sha256": "a", "identity": identity(), **changes}


def identity(*lesions: str, basis: str = "overlap", since: str | None = "T0") -> dict[str, Any]:
    """What was said of a mask, the machine's word first."""
    return {"basis": basis, "since": since, "history": [{"lesion": lesion} for lesion in lesions or ("L1",)]}


def document(*observations: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "timepoints": [
            {"id": "T0", "series": [{"series_uid": "1.2"}]},
            {"id": "T4", "series": [], "lost": [{"series_uid": "1.3"}]},
        ],
        "lesions": [{"id": "L1", "tracking_uid": "2.25.1", "observations": list(observations)}],
    }


def kept(folder: Path, content: dict[str, Any]) -> CaseFolder:
    (folder / "case.json").write_text(json.dumps(content))
    return CaseFolder(folder)


def test_exams_keep_their_ids_though_nothing_of_them_could_be_read(tmp_path: Path) -> None:
    assert read_earlier(kept(tmp_path, document())).timepoint_ids == {"1.2": "T0", "1.3": "T4"}


def test_drawn_masks_keep_the_lesions_that_the_machine_took_them_for_whatever_readers_said(tmp_path: Path) -> None:
    rows = [
        observation(),
        observation(mask_sha256="b", identity=identity("L2", "L1", basis="reader", since=None)),
        observation(mask_sha256="c", method="propagated"),
    ]
    earlier = read_earlier(kept(tmp_path, document(*rows)))
    assert earlier.lesions == {
        "a": Remembered(LesionId("L1"), "2.25.1", Basis.OVERLAP),
        "b": Remembered(LesionId("L2"), "", Basis.PLACED),
    }


def test_where_there_was_no_run_nothing_is_fixed(tmp_path: Path) -> None:
    earlier = read_earlier(CaseFolder(tmp_path))
    assert (earlier.timepoint_ids, earlier.lesions) == ({}, {})


@pytest.mark.parametrize(
    "damage",
    [
        {"timepoints": None},
        {"lesions": [{"id": "L1"}]},
        {
            "lesions": [
                {"id": "L1", "tracking_uid": "1", "observations": [observation(identity=identity(basis="whim"))]}
            ]
        },
        {"timepoints": ["T0"]},
        {"schema": "osteotrace.case/99"},
    ],
)
def test_a_damaged_document_is_refused_by_name(damage: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"case\.json"):
        read_earlier(kept(tmp_path, {**document(), **damage}))
