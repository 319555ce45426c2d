"""Structures reach an exam along accepted registrations alone; what rests on the others is unknown, with the reason."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imaging.errors import CaseFileError, EmptyMask
from imaging.finding import Finding, Severity
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid, Rigid
from imaging.registration.rigid import Registration
from imaging.segmentation import LesionId, Segment
from imaging.study import PatientId, SeriesRecord, SeriesUid, Verdict
from imaging.study.timepoint import Timepoint
from pipelines.case.anatomy import Anatomy, draw_structures
from pipelines.case.exams import Exams
from pipelines.case.links import Link, Links, Node
from pipelines.case.surroundings import not_outlined, surroundings_of
from pipelines.case.surroundings_record import surroundings_from_record, surroundings_record
from pipelines.structures import StructureEntry, StructureKind

MR = Grid.from_spacing((12, 40, 60), (4.0, 1.0, 1.0))
CT = Grid.from_spacing((30, 50, 70), (2.0, 0.8, 0.8), origin_mm=(100.0, 0.0, 0.0))
CT_FROM_MR = Rigid.from_shift((105.0, 3.0, 5.0))
ERROR_MM = 2.0
CANAL = (slice(2, 10), slice(10, 20), slice(5, 12))
FORAMEN = (slice(5, 8), slice(10, 20), slice(18, 23))
BONE = (slice(1, 11), slice(4, 36), slice(24, 44))
LESION = (slice(4, 9), slice(12, 24), slice(30, 50))  # 6 of 20 columns beyond the bone


def box(grid: Grid, sides: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(grid.shape, bool)
    mask[sides] = True
    return mask


def series(number: int, grid: Grid, modality: str) -> SeriesRecord:
    return SeriesRecord(
        patient=PatientId("p"),
        study_uid=f"study {number}",
        series_uid=SeriesUid(f"2.25.{number}"),
        volume_id=f"2.25.{number}",
        modality=modality,
        verdict=Verdict.EXACT,
        grid=grid,
        role="ct" if modality == "CT" else "t1",
    )


FIRST, SECOND, THIRD = series(1, MR, "MR"), series(2, CT, "CT"), series(3, MR, "MR")
EXAMS = Exams(
    timepoints=tuple(
        Timepoint(f"T{n}", f"2003-0{n + 1}-01", 30 * n, (record,)) for n, record in enumerate((FIRST, SECOND, THIRD))
    ),
    annotations=(),
    findings=(),
)
NODES = [Node(timepoint, timepoint.series[0]) for timepoint in EXAMS.timepoints]


def linked(*, accepted: bool = True) -> Links:
    """T0 → T1 → T2; the second step is the first one back."""
    there = Link(NODES[1], NODES[0], Registration(fixed_from_moving=CT_FROM_MR, accepted=accepted))
    back = Link(NODES[2], NODES[1], Registration(fixed_from_moving=CT_FROM_MR.inverse(), accepted=True))
    return Links((there, back))


def entry(kind: str, name: str, mask: str, timepoint: str = "T0") -> StructureEntry:
    return StructureEntry(kind=StructureKind(kind), name=name, timepoint=timepoint, mask=mask, reader="reader-1")


WHOLE = (
    entry("canal", "canal", "anatomy.nii.gz#1"),
    entry("foramen", "S1 left", "anatomy.nii.gz#2"),
    entry("bone", "sacrum", "anatomy.nii.gz#3"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    labels = np.zeros(MR.shape, np.uint8)
    for number, sides in enumerate((CANAL, FORAMEN, BONE), start=1):
        labels[sides] = number
    (tmp_path / "anatomy.nii.gz").write_bytes(nifti_bytes(labels, MR))
    (tmp_path / "empty.nii.gz").write_bytes(nifti_bytes(np.zeros(MR.shape, np.uint8), MR))
    (tmp_path / "elsewhere.nii.gz").write_bytes(nifti_bytes(box(CT, CANAL), CT))
    return tmp_path


def anatomy(folder: Path, *entries: StructureEntry, links: Links | None = None) -> Anatomy:
    drawn = draw_structures(entries, EXAMS, folder, accept_gaps=False)
    return Anatomy(drawn, linked() if links is None else links, ERROR_MM)


def lesion_on(record: SeriesRecord, mask: np.ndarray) -> Segment:
    assert record.grid is not None
    return Segment(mask=mask, grid=record.grid, lesion=LesionId("L1"), series_uid=record.volume_id)


def test_on_the_exam_where_it_was_outlined_a_structure_is_measured_as_it_is(folder: Path) -> None:
    around, remarks = surroundings_of(
        lesion_on(FIRST, box(MR, LESION)), FIRST, anatomy(folder, *WHOLE), slices=None, where="L1 T0"
    )
    assert around.canal.value == pytest.approx(18.0)
    assert [(row.name, round(row.distance_mm.value, 6)) for row in around.foramina] == [("S1 left", 7.0)]
    assert around.extraosseous.value == pytest.approx(5 * 12 * 6 * 4 / 1000)
    assert (around.breach, around.reason, remarks) == (True, None, ())
    assert surroundings_from_record(surroundings_record(around)) == replace(around)


def test_carried_to_another_exam_it_keeps_its_distance_with_the_registrations_error(folder: Path) -> None:
    lesion = as_voxels(CT, MR, LESION)
    around, remarks = surroundings_of(
        lesion_on(SECOND, lesion), SECOND, anatomy(folder, *WHOLE), slices=None, where="L1 T1"
    )
    assert around.canal.value == pytest.approx(18.0, abs=0.8)
    slack = math.sqrt(MR.half_diagonal_mm**2 + CT.half_diagonal_mm**2 + ERROR_MM**2)
    assert around.canal.value - around.canal.interval95[0] == pytest.approx(slack)
    assert around.extraosseous.value == pytest.approx(5 * 12 * 6 * 4 / 1000, rel=0.15)
    assert [(finding.code, finding.where) for finding in remarks] == [("STRUCTURES_CARRIED", "L1 T1")]
    assert "± 2 mm" in remarks[0].message


def as_voxels(grid: Grid, source: Grid, sides: tuple[slice, slice, slice]) -> np.ndarray:
    """A box of one exam as voxels of the other, by their centres."""
    points = CT_FROM_MR.inverse().apply(grid.points(np.indices(grid.shape).reshape(3, -1).T))
    indices = np.rint(source.indices(points)).astype(int)
    within = ((indices >= 0) & (indices < source.shape)).all(axis=1)
    held = np.zeros(len(points), bool)
    held[within] = box(source, sides)[tuple(indices[within].T)]
    return held.reshape(grid.shape)


def test_two_registrations_in_a_row_err_independently(folder: Path) -> None:
    (place,) = anatomy(folder, WHOLE[0]).around(THIRD, StructureKind.CANAL)
    assert place.structure.error_mm == pytest.approx(ERROR_MM * math.sqrt(2))
    assert np.allclose(place.structure.grid.affine, MR.affine)  # there and back


def test_an_outline_of_the_exam_itself_goes_before_a_carried_one(folder: Path) -> None:
    own = anatomy(folder, WHOLE[0], entry("canal", "canal", "anatomy.nii.gz#2", "T2"))
    assert [(place.source, place.carried) for place in own.around(THIRD)] == [("T2", False)]
    assert [(place.source, place.carried) for place in own.around(FIRST)] == [("T0", False)]


def test_through_a_rejected_registration_nothing_is_carried_and_every_figure_has_its_reason(folder: Path) -> None:
    refused = anatomy(folder, *WHOLE, links=linked(accepted=False))
    around, remarks = surroundings_of(lesion_on(SECOND, box(CT, LESION)), SECOND, refused, slices=None, where="L1 T1")
    assert (around.canal, around.extraosseous, around.breach, remarks) == (None, None, None, ())
    assert [(row.name, row.distance_mm) for row in around.foramina] == [("S1 left", None)]
    for told in (around.reason, around.foramina[0].reason):
        assert "no accepted registration leads here from T0" in told
    assert [part.partition(":")[0] for part in around.reason.split("; ")] == ["canal", "bone", "foramina"]
    assert refused.named_places(SECOND).nerves is None
    assert refused.certain_bone(SECOND, np.ones(CT.shape, bool)) is None


def test_what_nobody_outlined_is_unknown_and_says_so(folder: Path) -> None:
    segment = lesion_on(FIRST, box(MR, LESION))
    around, _ = surroundings_of(segment, FIRST, Anatomy(), slices=None, where="L1 T0")
    assert (around.canal, around.foramina, around.extraosseous, around.breach) == (None, None, None, None)
    assert around.reason == "no canal was outlined; no foramen was outlined; no bone was outlined as it was"
    only_canal, _ = surroundings_of(segment, FIRST, anatomy(folder, WHOLE[0]), slices=None, where="L1 T0")
    assert only_canal.canal is not None
    assert only_canal.foramina is None
    assert "no foramen" in only_canal.reason and "no canal" not in only_canal.reason
    assert not_outlined(anatomy(folder, *WHOLE)).reason == "the lesion is not outlined on this exam"


def test_material_is_neural_only_where_canal_and_foramina_are_both_known(folder: Path) -> None:
    whole = anatomy(folder, *WHOLE).named_places(FIRST)
    assert [nerve.name for nerve in whole.nerves] == ["canal", "S1 left"]
    assert np.array_equal(whole.neural_on(MR), box(MR, CANAL) | box(MR, FORAMEN))
    assert anatomy(folder, WHOLE[0]).named_places(FIRST).nerves is None
    assert anatomy(folder, WHOLE[1]).named_places(FIRST).nerves is None
    assert anatomy(folder, *WHOLE).named_places(SECOND).error_mm == ERROR_MM


def test_bone_is_certain_as_far_in_as_a_registration_may_err(folder: Path) -> None:
    bone = anatomy(folder, *WHOLE)
    assert np.array_equal(bone.certain_bone(FIRST, np.ones(MR.shape, bool)), box(MR, BONE))
    carried = bone.certain_bone(SECOND, np.ones(CT.shape, bool))
    inner = as_voxels(CT, MR, (slice(2, 10), slice(8, 32), slice(28, 40)))
    assert carried.any() and not (carried & ~as_voxels(CT, MR, BONE)).any()
    assert carried[inner].all()
    near = as_voxels(CT, MR, (slice(5, 7), slice(15, 20), slice(20, 34)))  # some in bone, some beside it
    assert np.array_equal(bone.certain_bone(SECOND, near) & near, carried & near)
    assert bone.certain_bone(SECOND, np.zeros(CT.shape, bool)) is None


def test_a_cut_off_structure_is_told_beside_its_distance(folder: Path) -> None:
    labels = np.zeros(MR.shape, np.uint8)
    labels[0:4, 0:4, 0:4] = 1  # leaves the image at three sides
    (folder / "cut.nii.gz").write_bytes(nifti_bytes(labels, MR))
    cut = anatomy(folder, entry("canal", "canal", "cut.nii.gz"))
    around, remarks = surroundings_of(
        lesion_on(FIRST, box(MR, (slice(2, 6), slice(20, 30), slice(40, 50)))), FIRST, cut, slices=None, where="L1 T0"
    )
    assert [finding.code for finding in remarks] == ["STRUCTURE_CUT_OFF"]
    assert around.canal.interval95[0] <= 8.0 < around.canal.value  # the image ends 8 mm below the lesion


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        ("missing.nii.gz", "FILE_NOT_FOUND"),
        ("anatomy.nii.gz#9", "LABEL_NOT_FOUND"),
        ("elsewhere.nii.gz", "GEOMETRY_MISMATCH"),
        ("text.nii.gz", "NOT_DICOM"),
    ],
)
def test_a_mask_that_cannot_be_used_costs_its_own_figures_under_the_code_of_mask_prompts(
    folder: Path, mask: str, code: str
) -> None:
    (folder / "text.nii.gz").write_text("no image")
    broken = anatomy(folder, entry("canal", "canal", mask), *WHOLE[1:])
    assert [(finding.code, finding.where) for finding in broken.outlines.findings] == [(code, "canal T0")]
    around, _ = surroundings_of(lesion_on(FIRST, box(MR, LESION)), FIRST, broken, slices=None, where="L1 T0")
    assert around.canal is None
    assert around.reason.startswith("canal: its mask cannot be used")
    assert around.foramina[0].distance_mm is not None
    assert broken.named_places(FIRST).nerves is None


@pytest.mark.parametrize(
    "mask",
    [
        "anatomy.nii.gz",  # three segments
        "empty.nii.gz",  # none
        "../anatomy.nii.gz#1",
        "a\0b.nii.gz",
        "a" * 300,
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(folder: Path, mask: str) -> None:
    with pytest.raises(CaseFileError):
        anatomy(folder, entry("canal", "canal", mask))


def test_an_outline_that_can_be_used_stands_for_one_that_cannot(folder: Path) -> None:
    twice = anatomy(
        folder, entry("canal", "canal", "missing.nii.gz"), entry("canal", "canal", "anatomy.nii.gz#1", "T2")
    )
    assert [(place.name, place.source, place.reason) for place in twice.around(THIRD)] == [("canal", "T2", None)]


def test_an_exam_or_a_series_that_is_not_here_is_refused(folder: Path) -> None:
    with pytest.raises(CaseFileError):
        anatomy(folder, entry("canal", "canal", "anatomy.nii.gz#1", "T9"))
    with pytest.raises(CaseFileError):
        anatomy(folder, replace(WHOLE[0], series="2.25.9"))


@pytest.mark.parametrize("exam", ["T0", "2003-01-01", "study 1"])
def test_a_structure_is_outlined_once_on_an_exam_whatever_the_exam_is_called(folder: Path, exam: str) -> None:
    with pytest.raises(CaseFileError, match="twice on one exam"):
        anatomy(folder, WHOLE[0], replace(WHOLE[0], timepoint=exam, mask="anatomy.nii.gz#2"))


def test_of_two_canals_the_farther_may_be_the_nearer_one(folder: Path) -> None:
    far = np.zeros(MR.shape, np.uint8)
    far[2:10, 10:20, 0:11] = 1  # a pixel farther away, and the only one that was carried
    (folder / "far.nii.gz").write_bytes(nifti_bytes(far, MR))
    segment = lesion_on(FIRST, box(MR, LESION))
    two = anatomy(folder, WHOLE[0], entry("canal", "another", "far.nii.gz", "T2"))
    near, other = (
        surroundings_of(segment, FIRST, anatomy(folder, row), slices=None, where="L1 T0")[0].canal
        for row in (WHOLE[0], entry("canal", "another", "far.nii.gz", "T2"))
    )
    canal = surroundings_of(segment, FIRST, two, slices=None, where="L1 T0")[0].canal
    assert canal.value == near.value < other.value
    assert canal.interval95 == (other.interval95[0], near.interval95[1])
    assert other.interval95[0] < near.interval95[0]


def test_that_another_canal_may_be_nearer_than_the_nearest_is_told(folder: Path) -> None:
    cut = np.zeros(MR.shape, np.uint8)
    cut[9:, 10:20, 2:8] = 1  # goes on beyond the last slice, which is nearer to the lesion than any canal is
    (folder / "cut.nii.gz").write_bytes(nifti_bytes(cut, MR))
    segment = lesion_on(FIRST, box(MR, LESION))
    another = entry("canal", "another", "cut.nii.gz")
    (_, whole), (_, alone), (around, both) = (
        surroundings_of(segment, FIRST, anatomy(folder, *rows), slices=None, where="L1 T0")
        for rows in ((WHOLE[0],), (another,), (WHOLE[0], another))
    )
    assert [[finding.code for finding in told] for told in (whole, alone, both)] == [
        [],
        ["STRUCTURE_CUT_OFF"],
        ["STRUCTURE_CUT_OFF"],
    ]
    assert around.canal.value == pytest.approx(18.0)
    assert around.canal.interval95[0] == pytest.approx(12.0)  # to the edge


@pytest.mark.parametrize("forced", [None, "2.25.1"])
def test_an_exam_that_was_refused_costs_its_structures_alone(folder: Path, forced: str | None) -> None:
    missing = Finding("MISSING_SLICES", Severity.ERROR, "two are missing")
    refused = replace(FIRST, grid=None, verdict=Verdict.REFUSED, code=missing.code, findings=(missing,))
    exams = replace(EXAMS, timepoints=(replace(EXAMS.timepoints[0], series=(), lost=(refused,)), *EXAMS.timepoints[1:]))
    entries = (replace(WHOLE[0], series=forced), entry("foramen", "S1 left", "anatomy.nii.gz#2", "T2"))
    drawn = draw_structures(entries, exams, folder, accept_gaps=False)
    assert [(finding.code, finding.where) for finding in drawn.findings] == [("EXAM_REFUSED", "canal T0")]
    assert "MISSING_SLICES" in drawn.findings[0].message
    assert [one.entry.name for one in drawn.drawn] == ["S1 left"]
    with pytest.raises(CaseFileError):  # a series that never was one of the exam's
        draw_structures((replace(WHOLE[0], series="2.25.9"),), exams, folder, accept_gaps=False)


def test_a_structure_s_mask_beside_the_images_is_no_lesion(folder: Path) -> None:
    drawn = anatomy(folder, *WHOLE)
    assert drawn.shows(Segment(mask=box(MR, CANAL), grid=MR, series_uid="another series of the same voxels"))
    assert not drawn.shows(Segment(mask=box(MR, LESION), grid=MR))
    with pytest.raises(EmptyMask):
        replace(drawn.around(FIRST)[0].structure, mask=np.zeros(MR.shape, bool))
