"""Exams are joined by as few registrations as will do, and around those that were rejected."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from imaging.geometry import Grid, Rigid
from imaging.registration.rigid import Registration
from imaging.segmentation import LesionId
from imaging.segmentation.prompt import BoxPrompt, PointPrompt
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality
from pipelines.case.exams import Exams, Images
from pipelines.case.links import Link, Links, Node, changing, link_exams, next_detour
from pipelines.case_file import LesionEntry, PlacedPrompt
from tests.imaging.dicom.test_rtstruct import record
from tests.imaging.registration.conftest import Patient, pose

GRID = Grid.from_spacing((16, 45, 54), (9.0, 4.0, 4.0), origin_mm=(-106.0, -88.0, -68.0))


def node(number: int, *, role: str = "t1", days: int | None = None) -> Node:
    series = record(GRID, series_uid=f"1.{number}", volume_id=f"1.{number}", study_uid=f"2.{number}", role=role)
    series = replace(series, frame_of_reference_uid=f"3.{number}", modality="CT" if role == "ct" else "MR")
    return Node(Timepoint(f"T{number}", None, 10 * number if days is None else days, (series,)), series)


def link(fixed: Node, moving: Node, *, accepted: bool) -> Link:
    return Link(fixed, moving, Registration(fixed_from_moving=Rigid.identity(), accepted=accepted))


def names(pair: tuple[Node, Node] | None) -> tuple[str, str] | None:
    return None if pair is None else (pair[0].timepoint.id, pair[1].timepoint.id)


def test_exams_on_either_side_of_a_useless_one_are_tried_first() -> None:
    exams = [node(number) for number in range(5)]
    bad = {1, 2}  # rejected both ways: the third exam is in question
    chain = [link(later, earlier, accepted=n not in bad) for n, (earlier, later) in enumerate(pairwise(exams))]
    assert names(next_detour(chain)) == ("T3", "T1")


def test_where_all_are_joined_there_is_no_detour() -> None:
    zero, one, two = (node(number) for number in range(3))
    assert next_detour([link(one, zero, accepted=True), link(two, one, accepted=True)]) is None
    assert next_detour([]) is None
    around = [link(one, zero, accepted=False), link(two, one, accepted=True), link(two, zero, accepted=True)]
    assert next_detour(around) is None


@pytest.mark.parametrize("days", [5, 25])
def test_a_ct_stays_the_fixed_one(days: int) -> None:
    scan = node(7, role="ct", days=days)
    zero, two = node(0), node(2)
    assert names(next_detour([link(two, zero, accepted=True), link(scan, two, accepted=False)])) == ("T7", "T0")


def test_an_exam_that_shows_nothing_does_not_part_those_before_it_from_those_after() -> None:
    nodes = [node(number) for number in range(3)]
    patient = Patient(5)
    volumes = [
        patient.image(GRID, Modality.MR, exam_from_patient=pose((0, 0, 2.0 * n), (4.0 * n, 0, 0)), noise=n)
        for n in range(3)
    ]
    noise = np.random.default_rng(1).normal(500, 100, GRID.shape).astype(np.float32)
    volumes[1] = replace(volumes[1], samples=noise)
    exams = Exams(timepoints=tuple(n.timepoint for n in nodes), annotations=(), findings=())
    images = Images(loaded={n.record.volume_id: replace(v, role="t1") for n, v in zip(nodes, volumes, strict=True)})
    links = link_exams(exams, images, excluded={})
    told = [(f.fixed.timepoint.id, f.moving.timepoint.id, f.registration.accepted) for f in links.links]
    assert told == [("T1", "T0", False), ("T2", "T1", False), ("T2", "T0", True)]
    last_from_first = path(links, nodes[2].record, nodes[0].record)
    true = pose((0, 0, 4.0), (8.0, 0, 0))
    middle = np.array([[0.0, 0.0, 0.0], [40.0, 20.0, 10.0]])
    assert np.linalg.norm(last_from_first.apply(middle) - true.apply(middle), axis=1).max() < 2.0
    assert links.path(nodes[1].record, nodes[0].record) is None


def path(links: Links, to: SeriesRecord, of: SeriesRecord) -> Rigid:
    found = links.path(to, of)
    assert found is not None
    return found


def test_lesions_and_material_do_not_steer_a_registration() -> None:
    exam = node(0)
    exams = Exams(timepoints=(exam.timepoint,), annotations=(), findings=())
    box = BoxPrompt(((-20.0, -10.0, -10.0), (20.0, 30.0, 30.0)))  # centre (0, 10, 10), 20 mm to either side
    lesion = LesionEntry(id=LesionId("L1"), name="L1", side=None, kind="target", prompts=(PlacedPrompt("T0", box),))
    material = np.zeros(GRID.shape, bool)
    material[0, 0, :3] = True
    (left_out,) = changing(exams, [lesion], {exam.record.volume_id: material}).values()
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
    ball = (np.linalg.norm(points - (0.0, 10.0, 10.0), axis=1) <= 1.2 * 20.0).reshape(GRID.shape)
    np.testing.assert_array_equal(left_out, ball | material)
    assert changing(exams, [], {}) == {}
    click = replace(lesion, prompts=(PlacedPrompt("T0", PointPrompt((0.0, 0.0, 0.0))),))
    assert changing(exams, [click], {}) == {}
    far = replace(lesion, prompts=(PlacedPrompt("T0", BoxPrompt(((900, 900, 900), (940, 940, 940)))),))
    assert not changing(exams, [far], {})[exam.record.volume_id].any()
    endless = replace(lesion, prompts=(PlacedPrompt("T0", BoxPrompt(((0, 0, 0), (9000, 40, 40)))),))
    assert changing(exams, [endless], {}) == {}
