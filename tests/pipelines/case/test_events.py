"""What an exam's masks say of lesions is told once, and what lies in another's outline is not measured twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.geometry import Rigid
from imaging.lesions.lesion import Method
from imaging.lesions.match import EventKind
from imaging.registration.rigid import Registration
from imaging.segmentation import LesionId, Segment, Status
from imaging.segmentation.backend import Agreement, Capabilities
from imaging.segmentation.lesion import LesionProposal
from imaging.volume import Modality, Volume
from pipelines.case.exams import Images
from pipelines.case.links import Link, Links, Node
from pipelines.case.masks import trace_lesions
from pipelines.case.reviews import StoredReview
from pipelines.case.traced import Traced, Tracing
from tests.pipelines.case.test_identity import FOOT, GRID, HEAD, Rois, exam, ground_of

WHOLE, PART, OTHER = (7, 4, 4), (7, 4, 0), (7, 4, 8)  # either part lies in the whole by half


class Follower:
    """Proposes what it is handed."""

    def capabilities(self) -> Capabilities:
        return Agreement().capabilities()

    def segment(self, volume: Volume, prompts: Sequence[Any], *, prior: Any = None, **_: Any) -> LesionProposal:
        mask = np.asarray(prior >= 0.5)
        return LesionProposal(
            mask=mask,
            grid=volume.grid,
            probability=mask.astype(np.float32),
            probability_grid=volume.grid,
            backend="follower",
            volume_ml=float(mask.sum()),
            confidence=None,
            volume_low_ml=0.0,
            volume_high_ml=float(mask.sum()),
        )


def followed(folder: Path, exams: Mapping[int, Rois], **changes: Any) -> Tracing:
    """The exams one after the other, registered to each other where they lie."""
    made = [exam(folder, number, rois) for number, rois in sorted(exams.items())]
    nodes = [Node(timepoint, timepoint.series[0]) for timepoint, _ in made]
    here = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    flat = Volume(samples=np.zeros(GRID.shape, np.int16), grid=GRID, modality=Modality.CT, role="ct")
    images = Images(loaded={node.record.volume_id: flat for node in nodes})
    links = Links(tuple(Link(fixed, moving, here) for moving, fixed in pairwise(nodes)))
    return trace_lesions((), ground_of(folder, made, images=images, links=links, segmenter=Follower(), **changes))


def row(tracing: Tracing, lesion: str, timepoint: str) -> Traced:
    (found,) = [r for r in tracing.rows if (r.lesion, r.timepoint) == (lesion, timepoint)]
    return found


def codes(of: Traced) -> set[str]:
    return {finding.code for finding in of.findings}


def test_a_lesion_that_is_gone_is_told_once_although_the_software_goes_on_looking_for_it(tmp_path: Path) -> None:
    tracing = followed(tmp_path, {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD}, 3: {"a": HEAD}, 4: {"a": HEAD, "b": FOOT}})
    assert [(event.kind, event.timepoint, event.before) for event in tracing.events] == [
        (EventKind.GONE, "T2", ("L2",))
    ]
    for timepoint in ("T2", "T3"):
        proposed = row(tracing, "L2", timepoint)
        assert (proposed.status, proposed.method) == (Status.PROPOSED, Method.PROPAGATED)
        assert "NOT_AMONG_MASKS" in codes(proposed)
        assert "NOT_AMONG_MASKS" not in codes(row(tracing, "L1", timepoint))
    assert row(tracing, "L2", "T4").method is Method.IMPORTED


def test_a_lesion_that_a_reader_finds_again_is_lost_no_longer(tmp_path: Path) -> None:
    exams = {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD}, 3: {"a": HEAD}, 4: {}}
    proposed = row(followed(tmp_path / "first", exams), "L2", "T2")
    assert "NOT_AMONG_MASKS" in codes(proposed)
    segment = proposed.segment
    assert segment is not None
    found = StoredReview(
        lesion=LesionId("L2"),
        timepoint="T2",
        series_uid=segment.series_uid,
        status=Status.ACCEPTED,
        reader="reader-1",
        mask_sha256=segment.sha256,
        revision=1,
        segment=segment,
    )
    tracing = followed(tmp_path / "again", exams, reviews=[found])
    assert row(tracing, "L2", "T2").status is Status.ACCEPTED
    assert "NOT_AMONG_MASKS" not in codes(row(tracing, "L2", "T2"))
    # On the next exam somebody drew the other lesion alone once more: it is gone there.
    assert [(event.kind, event.timepoint, event.before) for event in tracing.events] == [
        (EventKind.GONE, "T3", ("L2",)),
    ]
    assert "NOT_AMONG_MASKS" in codes(row(tracing, "L2", "T3"))


def test_a_lesion_that_goes_again_is_told_again(tmp_path: Path) -> None:
    tracing = followed(tmp_path, {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD}, 3: {"a": HEAD, "b": FOOT}, 4: {"a": HEAD}})
    assert [(event.kind, event.timepoint) for event in tracing.events] == [
        (EventKind.GONE, "T2"),
        (EventKind.GONE, "T4"),
    ]


def test_what_lies_in_the_outline_of_another_lesion_is_not_measured_twice(tmp_path: Path) -> None:
    two, one = {"a": PART, "b": OTHER}, {"a": WHOLE}
    tracing = followed(tmp_path, {1: two, 2: one, 3: one, 4: two})
    assert [(event.kind, event.timepoint) for event in tracing.events] == [
        (EventKind.MERGED, "T2"),
        (EventKind.SPLIT, "T4"),
    ]
    (whole,) = tracing.events[0].now
    assert (tracing.events[1].before, tracing.events[1].now) == ((whole,), ("L1", "L2"))
    (part,) = set(tracing.events[0].before) - {whole}
    for timepoint in ("T2", "T3"):
        taken_in = row(tracing, part, timepoint)
        assert (taken_in.status, taken_in.segment) == (Status.NOT_ASSESSABLE, None)
        assert codes(taken_in) == {"WITHIN_ANOTHER_OUTLINE"}
        assert row(tracing, whole, timepoint).method is Method.IMPORTED
    assert {row(tracing, lesion, "T4").method for lesion in ("L1", "L2")} == {Method.IMPORTED}


def test_an_exam_on_which_nobody_outlined_anything_tells_nothing(tmp_path: Path) -> None:
    tracing = followed(tmp_path, {1: {"a": HEAD, "b": FOOT}, 2: {}, 3: {"a": HEAD, "b": FOOT}})
    assert tracing.events == ()
    assert {"NOT_AMONG_MASKS"} & codes(row(tracing, "L2", "T2")) == set()


@pytest.mark.parametrize(
    ("drawn", "status", "told"),
    [(True, Status.ACCEPTED, "REJECTED_BEFORE"), (False, Status.REJECTED, "RECOMPUTATION_DIFFERS")],
)
def test_a_rejection_gives_way_to_what_was_drawn_since_and_not_to_what_is_followed(
    drawn: bool,
    status: Status,
    told: str,
    tmp_path: Path,
) -> None:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[4:6, 20:24, 20:24] = True
    segment = Segment(mask=mask, grid=GRID, lesion=LesionId("L1"), status=Status.REJECTED, series_uid="1.2.3.2")
    rejected = StoredReview(
        lesion=LesionId("L1"),
        timepoint="T2",
        series_uid="1.2.3.2",
        status=Status.REJECTED,
        reader="reader-1",
        mask_sha256=segment.sha256,
        revision=1,
        segment=segment,
    )
    tracing = followed(tmp_path, {1: {"a": HEAD}, 2: {"a": HEAD} if drawn else {}}, reviews=[rejected])
    (primary,) = [r for r in tracing.rows if r.timepoint == "T2" and r.primary]
    assert primary.status is status
    assert told in codes(primary)


def test_lesions_that_meet_and_part_and_meet_again_are_told_each_time(tmp_path: Path) -> None:
    two, one = {"a": PART, "b": OTHER}, {"a": WHOLE}
    tracing = followed(tmp_path, {1: two, 2: one, 3: two, 4: one, 5: two})
    assert [(event.kind, event.timepoint) for event in tracing.events] == [
        (EventKind.MERGED, "T2"),
        (EventKind.SPLIT, "T3"),
        (EventKind.MERGED, "T4"),
        (EventKind.SPLIT, "T5"),
    ]
    assert {lesion.id for lesion in tracing.lesions} == {"L1", "L2"}
