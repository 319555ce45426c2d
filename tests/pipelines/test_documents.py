"""The documents of the commands: what they show of where things lie."""

from __future__ import annotations

import math
import zipfile

import numpy as np
import pytest

from imaging.dicom.scan import scan
from imaging.geometry import Grid
from imaging.measurement.measure import measure_segment
from imaging.segmentation import Segment
from imaging.volume import Modality, Volume
from pipelines import documents
from pipelines.documents import scan_document


def shown(*paths) -> list[tuple[str, str]]:
    document = scan_document(scan(paths), key=b"", scanned=paths)
    return [(row["path"], row["code"]) for row in document["skipped"]]


def test_what_was_skipped_is_named_by_its_way_from_what_was_scanned(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        (tmp_path / "ZZPHI^MARKER" / folder / "deep").mkdir(parents=True)
        (tmp_path / "ZZPHI^MARKER" / folder / "deep" / "note.txt").write_text("no image at all, but a note")
    home = tmp_path / "ZZPHI^MARKER"
    assert shown(home / "one") == [("deep/note.txt", "NOT_DICOM")]
    assert shown(home / "one", home / "two") == [
        ("one/deep/note.txt", "NOT_DICOM"),
        ("two/deep/note.txt", "NOT_DICOM"),
    ]
    assert shown(home / "one" / "deep" / "note.txt") == [("note.txt", "NOT_DICOM")]
    assert shown(home / "gone") == [("gone", "NOT_A_FILE")]
    monkeypatch.chdir(home)
    assert shown(type(home)("one")) == [("deep/note.txt", "NOT_DICOM")]


@pytest.mark.parametrize("named", ["folder", "archive"])
def test_members_of_archives_are_named_below_them(named, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/note.txt", "no image at all, but a note")
    path = tmp_path if named == "folder" else tmp_path / "x.zip"
    assert shown(path) == [("x.zip/a/note.txt" if named == "folder" else "a/note.txt", "NOT_DICOM")]


def test_a_measured_segment_tells_where_its_axes_lie_and_each_figure_s_method_and_code() -> None:
    mask = np.pad(np.ones((8, 12, 14), bool), 8)
    grid = Grid.from_spacing(mask.shape, (1.0, 1.0, 1.0))
    image = Volume(samples=np.where(mask, 90, 10).astype(np.int16), grid=grid, modality=Modality.CT)
    measured = measure_segment(Segment(mask=mask, grid=grid), volume=image)
    record = documents.measurement_record(measured)
    assert record["long_axis_slice"] == measured.long_axis_slice == 8
    for axis in ("long", "short"):
        first, last = record[f"{axis}_axis_endpoints_lps_mm"]
        assert math.dist(first, last) == pytest.approx(record[f"{axis}_axis_mm"]["value"])
        assert first[2] == last[2] == grid.points([[8, 0, 0]])[0, 2]
    assert record["volume_partial_ml"]["value"] == pytest.approx(record["volume_ml"]["value"])
    figures = {name: value for name, value in record.items() if isinstance(value, dict) and "value" in value}
    assert len(figures) == len(documents.NAMES)
    uncoded = {name for name, figure in (figures | record["intensity"]).items() if "code" not in figure}
    assert uncoded == {"who_product_mm2"}
    assert all(figure["method"] for figure in (figures | record["intensity"]).values())


def test_why_there_is_no_volume_by_shares_stands_among_the_findings() -> None:
    mask = np.ones((3, 4, 4), bool)
    grid = Grid.from_spacing(mask.shape, (1.0, 1.0, 1.0))
    image = Volume(samples=np.zeros(mask.shape, np.int16), grid=grid, modality=Modality.CT)
    record = documents.measurement_record(measure_segment(Segment(mask=mask, grid=grid), volume=image))
    assert record["volume_partial_ml"] is None
    assert [finding["code"] for finding in record["findings"]] == ["LESION_TRUNCATED", "PARTIAL_VOLUME_NOT_ASSESSABLE"]
