"""A reader's word on a mask is kept as the next revision, whatever stands in the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imaging.errors import UsageError
from imaging.geometry import Grid
from imaging.segmentation import LesionId, Segment, Status
from pipelines.case.reviews import read_reviews, readers_wcv, write_review
from pipelines.case_file import LinkWord
from pipelines.workspace import CaseFolder

GRID = Grid.from_spacing((3, 4, 5), (5.0, 2.0, 2.0))


def judged(folder: CaseFolder, status: Status = Status.ACCEPTED, reader: str = "me", columns: int = 2) -> int:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[1, 1:3, 2 : 2 + columns] = True
    segment = Segment(mask=mask, grid=GRID, lesion=LesionId("L1"), series_uid="1.2.3")
    return write_review(folder, segment, timepoint="T0", status=status, reader=reader).revision


def test_the_newest_revision_counts_and_all_are_kept(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    assert [judged(folder) for _ in range(10)] == list(range(1, 11))
    assert judged(folder, Status.REJECTED) == 11
    (review,) = read_reviews(folder)
    assert (review.revision, review.status) == (11, Status.REJECTED)
    assert len(list(folder.review.glob("*.json"))) == 11


@pytest.mark.parametrize("content", [b"", b"half a mask"])
def test_a_mask_without_a_review_as_a_crash_leaves_it_does_not_block_the_next(content: bytes, tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    folder.keep("review/L1-T0.r1.nii.gz", content)
    assert judged(folder) == 2


@pytest.mark.parametrize("reader", ["", " "])
def test_a_review_has_a_reader(reader: str, tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    with pytest.raises(UsageError) as caught:
        judged(folder, reader=reader)
    assert caught.value.code == "NO_READER"
    assert not folder.review.exists()


def test_a_mask_that_is_another_lesions_tells_nothing_of_how_readers_differ(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    judged(folder, reader="reader-1", columns=1)
    (first,) = read_reviews(folder)
    judged(folder, reader="reader-2", columns=2)
    assert readers_wcv(folder)[LesionId("L1"), "T0"] == pytest.approx(np.std([1, 2], ddof=1) / 1.5)
    word = LinkWord(lesion=LesionId("L2"), timepoint="T0", reader="reader-1", mask_sha256=first.mask_sha256)
    assert readers_wcv(folder, [word]) == {}
    judged(folder, reader="reader-1", columns=3)
    assert readers_wcv(folder, [word])[LesionId("L1"), "T0"] == pytest.approx(np.std([2, 3], ddof=1) / 2.5)
