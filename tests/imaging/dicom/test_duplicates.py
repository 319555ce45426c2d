"""Copies of many frames cost what reading their files costs."""

from __future__ import annotations

from imaging.dicom import duplicates
from imaging.dicom.scan import scan
from tests.imaging.dicom.hazards.enhanced_cases import groups_of, multiframe
from tests.imaging.dicom.hazards.series import Plan, write


def test_a_file_is_opened_once_however_many_of_its_frames_have_copies(tmp_path, monkeypatch):
    plan, opened = Plan(modality="MR", count=12), []
    frames = plan.series()
    image = multiframe(frames, [groups_of(frame, n + 1) for n, frame in enumerate(frames)], "MR")
    write([image], tmp_path / "one")
    image.InstanceNumber = 2  # so that the files differ, and their values are compared
    write([image], tmp_path / "two")

    def counted(path):
        opened.append(path)
        return unwatched(path)

    unwatched = duplicates.open_dicom
    monkeypatch.setattr(duplicates, "open_dicom", counted)
    (record,) = scan([tmp_path]).volumes
    assert record.grid.shape[0] == 12
    assert "DUPLICATE_INSTANCE" in {finding.code for finding in record.findings}
    assert len(opened) == 2
