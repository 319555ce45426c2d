"""A CT from before the first injection decides what is material on later ones, where it can be laid over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.geometry import Grid, Rigid
from imaging.lesions.procedure import Procedure
from imaging.measurement.leak import NamedPlaces
from imaging.measurement.structure import Structure
from imaging.segmentation import LesionId
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from pipelines.case.anatomy import Anatomy
from pipelines.case.exams import Exams, Images
from pipelines.case.history import History
from pipelines.case.materials import FoundMaterial, find_materials, relate_materials
from tests.imaging.dicom.test_rtstruct import record
from tests.imaging.registration.conftest import Patient, pose

GRID = Grid.from_spacing((36, 110, 120), (3.0, 2.0, 2.0), origin_mm=(-119.0, -109.0, -52.0))
WEAK_HU = 1350.0  # less than what may be cement without an earlier CT, more than what stood there
CENTRE_MM, RADIUS_MM = (5.0, 10.0, 0.0), 11.0
CEMENT = Procedure(id="P1", when="2003-01-17", kind="sacroplasty", materials=(("pmma-barium", 5.0),))


def exam(number: int, date: str) -> Timepoint:
    series = record(GRID, series_uid=f"1.{number}", volume_id=f"1.{number}", study_uid=f"2.{number}", role="ct")
    series = replace(series, frame_of_reference_uid=f"3.{number}", modality="CT")
    return Timepoint(f"T{number}", date, 10 * number, (series,))


def scanned(place: Rigid, noise: int) -> Volume:
    return replace(Patient(5).image(GRID, Modality.CT, exam_from_patient=place, noise=noise), role="ct")


def with_cement(volume: Volume, place: Rigid) -> tuple[Volume, float]:
    points = place.inverse().apply(GRID.points(np.indices(GRID.shape).reshape(3, -1).T))
    ball = (np.linalg.norm(points - CENTRE_MM, axis=1) <= RADIUS_MM).reshape(GRID.shape)
    return replace(volume, samples=np.where(ball, np.float32(WEAK_HU), volume.samples)), float(
        ball.sum() * GRID.voxel_volume_mm3 / 1000
    )


def exams_of(*volumes: Volume) -> tuple[Exams, Images]:
    exams = [exam(number, date) for number, date in enumerate(("2003-01-10", "2003-01-20")[-len(volumes) :])]
    images = Images(loaded={e.series[0].volume_id: volume for e, volume in zip(exams, volumes, strict=True)})
    return Exams(timepoints=tuple(exams), annotations=(), findings=()), images


def found_on(*volumes: Volume, procedures: tuple[Procedure, ...] = (CEMENT,)) -> tuple[FoundMaterial, ...]:
    return find_materials(*exams_of(*volumes), procedures)


def test_weak_cement_is_found_where_a_ct_from_before_shows_that_it_is_new() -> None:
    place = pose((3.0, 0.0, 2.0), (6.0, -4.0, 5.0))
    later, true_ml = with_cement(scanned(place, 1), place)
    (alone,) = found_on(later)
    before, after = found_on(scanned(Rigid.identity(), 0), later)
    assert sum(piece.volume_ml for piece in alone.find.pieces) == 0.0
    assert before.find.pieces == () and before.before is None
    (piece,) = after.find.pieces
    assert piece.is_new and piece.volume_ml == pytest.approx(true_ml, rel=0.1)


def test_a_ct_that_cannot_be_laid_over_the_later_one_is_told_and_not_used() -> None:
    later, _ = with_cement(scanned(Rigid.identity(), 1), Rigid.identity())
    noise = replace(later, samples=np.random.default_rng(0).normal(0, 60, GRID.shape).astype(np.float32))
    _, after = found_on(noise, later)
    assert after.before is not None and after.before.before_from_volume is None
    assert [finding.code for finding in after.before.findings] == ["BEFORE_NOT_USED"]


def test_a_ct_on_which_something_may_have_been_injected_already_is_no_ct_from_before() -> None:
    later, _ = with_cement(scanned(Rigid.identity(), 1), Rigid.identity())
    earlier = scanned(Rigid.identity(), 0)
    for procedures in ((), (replace(CEMENT, when="2003-01-05"),), (replace(CEMENT, when="2003-01-10"),)):
        assert found_on(earlier, later, procedures=procedures)[-1].before is None


def test_the_age_of_embolic_material_is_that_of_the_first() -> None:
    glue = Procedure(
        id="P0",
        when="2003-01-12T10:00:00",
        kind="embolization",
        lesion=LesionId("L1"),
        materials=(("nbca-lipiodol", 1.0),),
    )
    history = History(procedures=(glue, replace(glue, when="2003-01-15"), CEMENT), known=True, date="2003-01-20")
    assert history.embolic_age_days == 8.0
    assert History(procedures=(CEMENT,), known=True, date="2003-01-20").embolic_age_days is None
    assert replace(history, date=None).embolic_age_days is None


CANAL_MM, NERVE_MM = np.array([5.0, 40.0, 0.0]), 5.0


@pytest.mark.parametrize(
    ("procedures", "plug", "codes"),
    [
        ((CEMENT,), True, ["NEURAL_NOT_EXCLUDED"]),
        ((CEMENT,), False, []),
        ((replace(CEMENT, when="2003-02-20"),), True, []),  # nothing had been injected: it is no material
    ],
)
def test_that_none_in_the_canal_cannot_be_said_is_told_where_no_material_was_found(
    procedures: tuple[Procedure, ...], plug: bool, codes: list[str]
) -> None:
    place = GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - CANAL_MM
    canal = (np.hypot(place[:, 0], place[:, 1]) <= NERVE_MM + 3).reshape(GRID.shape)
    samples = np.full(GRID.shape, 20.0, np.float32)
    samples[(np.linalg.norm(place, axis=1) <= NERVE_MM).reshape(GRID.shape) & plug] = 1250.0
    ct = Volume(samples=samples, grid=GRID, modality=Modality.CT, role="ct")
    exams, images = exams_of(ct)
    found = find_materials(exams, images, procedures)
    drawn = NamedPlaces(nerves=(Structure(name="canal", mask=canal, grid=GRID),))

    class Given(Anatomy):
        def named_places(self, record: SeriesRecord) -> NamedPlaces:
            return drawn

    ((item, rows),) = relate_materials(found, {}, (), images, Given())
    assert rows == ()
    assert [finding.code for finding in item.remarks] == codes
    assert {finding.where for finding in item.remarks} <= {"T0"}
