"""The spread of engines and of readers on its way from masks to the interval in a document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imaging.formats.nifti import nifti_bytes
from imaging.formats.record import quantity_from_record, quantity_record
from imaging.geometry import Grid
from imaging.lesions.lesion import Method, Observation
from imaging.measurement.interval import Z95
from imaging.measurement.measure import measure_segment
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prompt import BoxPrompt
from imaging.volume import Modality, Volume
from pipelines.case.conclude import stood_for
from pipelines.case.observations import net_volume
from pipelines.case.reviews import readers_wcv, write_review
from pipelines.single import segment_image
from pipelines.workspace import CaseFolder

GRID = Grid.from_spacing((12, 24, 24), (2.0, 1.0, 1.0))
BOX = ((5.0, 5.0, 5.0), (18.0, 18.0, 18.0))


def block(rows: int) -> Segment:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[3:9, 4 : 4 + rows, 4:14] = True
    return Segment(mask=mask, grid=GRID, lesion=LesionId("L1"), kind=SegmentKind.LESION, series_uid="1.2")


def noisy() -> Volume:
    radius = np.linalg.norm(GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - 11.5, axis=1).reshape(GRID.shape)
    samples = np.where(radius < 7, 120, 100) + np.random.default_rng(1).normal(0, 30, GRID.shape)
    return Volume(samples=samples.astype(np.float32), grid=GRID, modality=Modality.MR)


def observation(rows: int, *, engine_wcv: float) -> Observation:
    measured = measure_segment(block(rows), modality=Modality.CT, engine_wcv=engine_wcv)
    return Observation(
        lesion=LesionId("L1"),
        timepoint="T0",
        series_uid="1.2",
        role="ct",
        primary=True,
        status=Status.PROPOSED,
        method=Method.SEGMENTED,
        volume=measured.volume_ml,
        long_axis=measured.long_axis_mm,
        short_axis=measured.short_axis_mm,
        net_volume=net_volume(measured.volume_ml, measured.volume_ml.scaled(0.2)),
    )


def test_engines_that_disagree_widen_the_interval_of_segment(tmp_path: Path) -> None:
    volume = noisy()
    (tmp_path / "image.nii.gz").write_bytes(nifti_bytes(volume.samples, GRID))
    found = segment_image(
        [tmp_path / "image.nii.gz"], out=tmp_path / "mask.nii.gz", boxes=[[*BOX[0], *BOX[1]]], modality="mr"
    )
    spread = segment_lesion(volume, [BoxPrompt(BOX)]).volume_wcv
    assert spread is not None and spread > 0.0
    reader = found["volume_ml"]["error"]["reader"]
    assert reader["engines"] == pytest.approx(spread, rel=1e-9)
    assert (reader["floor"], reader["cv"], reader["accepted"]) == (0.15, max(spread, 0.15), False)
    low, high = found["volume_ml"]["interval95"]
    technical = found["volume_ml"]["error"]["technical95"]
    assert low < technical[0] < found["volume_ml"]["value"] < technical[1] < high
    assert np.log(high / low) / (2 * Z95) >= np.sqrt(np.log1p(reader["cv"] ** 2))


def test_engines_count_until_a_reader_accepts_the_mask() -> None:
    wide = observation(10, engine_wcv=0.5)
    accepted = stood_for(wide, Status.ACCEPTED)
    anew = measure_segment(block(10).with_status(Status.ACCEPTED), modality=Modality.CT, engine_wcv=0.5)
    for stated, measured in (
        (accepted.volume, anew.volume_ml),
        (accepted.long_axis, anew.long_axis_mm),
        (accepted.short_axis, anew.short_axis_mm),
    ):
        assert stated == measured  # a word without the image tells what a new run tells, to the last bit
    for name in ("volume", "net_volume", "long_axis", "short_axis"):
        before, after = getattr(wide, name), getattr(accepted, name)
        assert before.error.reader.source == "engines" and after.error.reader.source == "floor"
        assert before.interval95[0] < after.interval95[0] < after.value < after.interval95[1] < before.interval95[1]
    assert stood_for(accepted, Status.REJECTED).volume == wide.volume


def test_a_quantity_comes_back_from_a_document_with_its_parts() -> None:
    quantity = observation(10, engine_wcv=0.5).net_volume
    assert quantity is not None and quantity.error is not None
    assert quantity_from_record(quantity_record(quantity)) == quantity
    assert {name for name, _ in quantity.error.technical} == {"voxel grid", "outline"}


def test_the_reader_s_share_of_a_net_volume_is_that_of_the_gross_one() -> None:
    net = observation(10, engine_wcv=0.5).net_volume
    assert net is not None and net.error is not None and net.error.reader is not None
    assert net.error.reader.cv == pytest.approx(0.5 / 0.8, rel=1e-12)  # of a smaller volume a larger share


@pytest.fixture
def folder(tmp_path: Path) -> CaseFolder:
    return CaseFolder(tmp_path / "case")


def say(folder: CaseFolder, rows: int, reader: str, status: Status = Status.ACCEPTED) -> None:
    write_review(folder, block(rows), timepoint="T0", status=status, reader=reader)


def test_two_readers_masks_give_their_spread(folder: CaseFolder) -> None:
    say(folder, 10, "reader-1")
    assert readers_wcv(folder) == {}
    say(folder, 14, "reader-2")
    wcv = readers_wcv(folder)["L1", "T0"]
    assert wcv == pytest.approx(4 / np.sqrt(2) / 12, rel=1e-12)  # |difference| ÷ √2 ÷ mean
    measured = measure_segment(block(14).with_status(Status.ACCEPTED), modality=Modality.CT, reader_wcv=wcv)
    assert measured.volume_error.reader is not None and measured.volume_error.reader.source == "readers"


def test_of_one_reader_the_newest_word_counts_and_only_acceptances_do(folder: CaseFolder) -> None:
    say(folder, 10, "reader-1")
    say(folder, 14, "reader-2", Status.REJECTED)
    assert readers_wcv(folder) == {}
    say(folder, 12, "reader-2")
    say(folder, 11, "reader-1")
    assert readers_wcv(folder)["L1", "T0"] == pytest.approx(1 / np.sqrt(2) / 11.5, rel=1e-12)
