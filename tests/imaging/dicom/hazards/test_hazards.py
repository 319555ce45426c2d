"""Every hazard of the table, in CT and MR: none silently wrong, each with its outcome and its code."""

from __future__ import annotations

import pytest

from tests.imaging.dicom.both_ways import assert_both_ways_agree
from tests.imaging.dicom.hazards import (  # noqa: F401  they fill the table
    enhanced_cases,
    file_cases,
    geometry_cases,
    pixel_cases,
    volume_cases,
)
from tests.imaging.dicom.hazards.judge import Outcome, judge
from tests.imaging.dicom.hazards.table import MORE, TABLE

ATTACKS = {"h00_declared_huge", "h01_deflate_bomb", "h05_deep_sequence"}
CASES = [(entry, modality) for entry in (*TABLE, *MORE) for modality in entry.flavours]


@pytest.mark.parametrize(("entry", "modality"), CASES, ids=[f"{entry.name}-{modality}" for entry, modality in CASES])
def test_a_hazard_ends_as_the_table_says(entry, modality, tmp_path):
    truths = entry.files(tmp_path / "study", modality)
    assert_both_ways_agree([tmp_path / "study"])
    found = judge([tmp_path / "study"], truths)
    assert found.outcome is not Outcome.SILENT, found.detail
    assert found.outcome in entry.accepted, (found.outcome, found.codes, found.detail)
    told = found.codes | found.notes
    if found.outcome is Outcome.LOAD:
        assert not found.codes, found.codes
    else:
        assert entry.codes <= told, (found.outcome, sorted(told), found.detail)
        assert found.codes <= entry.codes, (found.outcome, sorted(found.codes), found.detail)
    assert found.outcome == entry.ours, (found.outcome, found.detail)


def test_the_table_has_every_case_and_enough_of_them_are_loaded():
    names = [entry.name for entry in TABLE]
    assert len(set(names)) == len(names) == 55
    loadable = [entry for entry in TABLE if entry.is_loadable]
    assert len([entry for entry in loadable if entry.name not in ATTACKS]) == 42
    # Each promise below is what the test above holds the loader to.
    assert sum(entry.ours in {"load", "warn", "split", "skip"} for entry in loadable) >= 41
