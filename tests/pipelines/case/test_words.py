"""What readers said of whose masks are: all is kept, the newest counts, and no lesion changes its name by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imaging.errors import ConflictError, RecordError, UsageError
from imaging.geometry import Grid
from imaging.lesions.lesion import IdentityStatus, Method
from imaging.lesions.match import Basis, EventKind
from imaging.provenance import uid_from
from imaging.segmentation import LesionId, Segment
from pipelines.case.document import identity_record, taken
from pipelines.case.identity import Remembered
from pipelines.case.reviews import read_reviews
from pipelines.case.traced import Tracing
from pipelines.case.words import (
    StoredWord,
    contradictions,
    kept_words,
    read_words,
    require_nothing_said,
    tracking_uids,
    write_word,
)
from pipelines.case_file import LinkWord
from pipelines.workspace import CaseFolder
from tests.pipelines.case.test_identity import BOTH, FOOT, HEAD, THIRD, Rois, outlined, traced, uids

UIDS = {LesionId("L1"): "2.25.1", LesionId("L2"): "2.25.2"}
GRID = Grid.from_spacing((3, 4, 5), (5.0, 2.0, 2.0))


def said(lesion: str, digest: str = "01", timepoint: str = "T2", reader: str = "reader-1") -> LinkWord:
    return LinkWord(lesion=LesionId(lesion), timepoint=timepoint, reader=reader, mask_sha256=digest)


def mask() -> Segment:
    inside = np.zeros(GRID.shape, dtype=bool)
    inside[1, 1:3, 2:4] = True
    return Segment(mask=inside, grid=GRID, series_uid="1.2.3")


def write(folder: CaseFolder, word: LinkWord, kept: Segment | None = None) -> StoredWord:
    return write_word(
        folder, word, taken_for=LesionId("L1"), uids=UIDS, series_uid="1.2.3", method=Method.PROPAGATED, mask=kept
    )


# --- on disk --------------------------------------------------------------------------------------------------------


def test_words_come_back_in_the_order_in_which_they_were_said(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    for lesion in ("L2", "L1", "L2"):
        write(folder, said(lesion))
    for number in range(4, 12):
        write(folder, said("L3", digest=f"{number}"))
    assert [entry.number for entry in read_words(folder)] == list(range(1, 12))
    assert [entry.word.lesion for entry in read_words(folder)][:3] == ["L2", "L1", "L2"]
    assert read_reviews(folder) == ()


def test_a_word_keeps_its_mask_and_what_the_mask_was_taken_for(tmp_path: Path) -> None:
    folder, segment = CaseFolder(tmp_path), mask()
    write(folder, said("L2", segment.sha256), segment)
    (entry,) = read_words(folder)
    assert entry.segment is not None
    np.testing.assert_array_equal(entry.segment.mask, segment.mask)
    assert (entry.taken_for, entry.series_uid, entry.method) == ("L1", "1.2.3", Method.PROPAGATED)
    assert entry.word == said("L2", segment.sha256)
    write(folder, said("L9"))
    assert tracking_uids(read_words(folder)) == UIDS


def test_nothing_that_was_said_is_written_over(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    first = write(folder, said("L2"))
    content = (folder.review / "link-1.json").read_bytes()
    write(folder, said("L1"))
    assert (folder.review / "link-1.json").read_bytes() == content
    with pytest.raises(ConflictError):
        folder.keep("review/link-2.json", b"{}")
    with pytest.raises(ConflictError, match="run it again"):
        require_nothing_said(folder, [first])


def test_a_mask_without_a_word_as_a_crash_leaves_it_does_not_block_the_next(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path)
    folder.keep("review/link-1.nii.gz", b"half")
    assert write(folder, said("L2")).number == 2


@pytest.mark.parametrize("harm", ["{", "[]", '{"schema": "osteotrace.link/2"}', "reader", "mask"])
def test_a_damaged_word_is_an_error_never_passed_over(harm: str, tmp_path: Path) -> None:
    folder, segment = CaseFolder(tmp_path), mask()
    write(folder, said("L2", segment.sha256), segment)
    path = folder.review / "link-1.json"
    record = json.loads(path.read_text())
    if harm == "reader":
        harm = json.dumps(record | {"reader": ""})
    if harm == "mask":
        harm = json.dumps(record | {"mask_sha256": "0" * 64})
    path.write_text(harm)
    with pytest.raises(RecordError, match=r"link-1\.json"):
        read_words(folder)


def test_a_word_has_a_reader(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write(CaseFolder(tmp_path), said("L2", reader=" "))
    assert caught.value.code == "NO_READER"


def test_a_kept_mask_is_known_by_what_it_was_taken_for_at_first(tmp_path: Path) -> None:
    folder, segment = CaseFolder(tmp_path), mask()
    write(folder, said("L2", segment.sha256), segment)
    write_word(
        folder,
        said("L1", segment.sha256),
        taken_for=LesionId("L2"),
        uids={},
        series_uid="1.2.3",
        method=Method.SEGMENTED,
        mask=None,
    )
    entry = kept_words(read_words(folder), "T2")[segment.sha256]
    assert (entry.word.lesion, entry.taken_for) == ("L1", "L1")
    assert entry.segment is not None
    assert kept_words(read_words(folder), "T1") == {}


def test_where_case_file_and_workspace_differ_the_workspace_counts_and_it_is_told(tmp_path: Path) -> None:
    stored = [write(CaseFolder(tmp_path), said("L2", reader="reader-2"))]
    (finding,) = contradictions([said("L1")], stored)
    assert finding.code == "LINK_CONTRADICTED"
    assert "reader-1 says L1" in finding.message
    assert "reader-2 says L2 in the workspace, which counts" in finding.message
    assert contradictions([said("L2")], stored) == []


# --- obeyed ---------------------------------------------------------------------------------------------------------

FAR = (6, 26, 4)
THREE = {1: BOTH[1], 2: {"a": FAR, "b": FOOT}, 3: {"a": HEAD, "b": FOOT}}  # who FAR is, is open


def digests(tracing: Tracing) -> dict[tuple[str, str], str]:
    return {(row.lesion, row.timepoint): row.segment.sha256 for row in outlined(tracing) if row.segment}


def ids(tracing: Tracing) -> dict[str, str]:
    return {lesion.id: lesion.tracking_uid for lesion in tracing.lesions}


def remembered(tracing: Tracing) -> dict[str, Remembered]:
    """What the next run in the workspace is told of this one."""
    own, known = ids(tracing), {}
    for row in outlined(tracing):
        assert row.segment is not None and row.identity is not None
        taken_for, basis = taken(row.lesion, identity_record(row.identity))
        known[row.segment.sha256] = Remembered(taken_for, own.get(taken_for, ""), basis)
    return known


class Reading:
    """Runs of one case in one workspace: each knows the words so far, and what the run before it called the lesions."""

    def __init__(self, home: Path, exams: dict[int, Rois]) -> None:
        self.home, self.exams = home, exams
        self.kept: list[StoredWord] = []
        self.count, self.now = 0, traced(home / "0", exams)

    def run(self, *words: LinkWord) -> Tracing:
        self.kept += [self.stored(number, word) for number, word in enumerate(words, start=len(self.kept) + 1)]
        self.count += 1
        self.now = traced(
            self.home / str(self.count),
            self.exams,
            words=[entry.word for entry in self.kept],
            kept=self.kept,
            remembered=remembered(self.now),
            tracking_uids={lesion.id: lesion.tracking_uid for lesion in self.now.lesions},
        )
        return self.now

    def stored(self, number: int, word: LinkWord) -> StoredWord:
        """The word as the workspace keeps it."""
        shows = {digest: place[0] for place, digest in digests(self.now).items()}
        taken_for = LesionId(shows.get(word.mask_sha256, word.lesion))
        known = tracking_uids(self.kept) | {LesionId(name): uid for name, uid in ids(self.now).items()}
        fresh = {} if word.lesion in known else {word.lesion: uid_from("case", word.lesion, word.mask_sha256)}
        return StoredWord(
            word=word,
            number=number,
            taken_for=taken_for,
            tracking_uids=known | fresh,
            series_uid="",
            method=Method.IMPORTED,
        )


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path, THREE)


def history(tracing: Tracing, lesion: str, timepoint: str) -> list[tuple[str, str]]:
    (row,) = [row for row in outlined(tracing) if (row.lesion, row.timepoint) == (lesion, timepoint)]
    assert row.identity is not None
    return [(str(word.status), word.lesion) for word in row.identity.history]


def test_a_mask_given_to_a_known_lesion_is_that_lesions_with_its_tracking_uid(reading: Reading) -> None:
    before = reading.now
    assert set(digests(before)) == {("L1", "T1"), ("L2", "T1"), ("L3", "T2"), ("L2", "T2"), ("L1", "T3"), ("L2", "T3")}
    after = reading.run(said("L1", digests(before)["L3", "T2"]))
    assert set(digests(after)) == {("L1", f"T{n}") for n in (1, 2, 3)} | {("L2", f"T{n}") for n in (1, 2, 3)}
    assert ids(after).items() <= ids(before).items()
    assert history(after, "L1", "T2") == [("proposed", "L3"), ("corrected", "L1")]
    (moved,) = [row for row in outlined(after) if (row.lesion, row.timepoint) == ("L1", "T2")]
    assert moved.segment is not None
    assert moved.segment.tracking_uid == ids(after)["L1"]
    assert [event.kind for event in after.events if event.timepoint == "T2"] == []


def test_a_confirmation_changes_nothing_but_the_status(reading: Reading) -> None:
    before = reading.now
    words = [said(lesion, digest, timepoint) for (lesion, timepoint), digest in digests(before).items()]
    after = reading.run(*words)
    assert (after.lesions, after.events, digests(after)) == (before.lesions, before.events, digests(before))
    for row in outlined(after):
        assert row.identity is not None
        assert (row.identity.status, row.identity.basis) == (IdentityStatus.CONFIRMED, Basis.READER)


def test_names_and_tracking_uids_are_the_same_after_confirming_and_correcting_twice_and_back(reading: Reading) -> None:
    first = reading.now
    digest = digests(first)["L3", "T2"]
    for lesions in (["L3"], ["L1"], ["L2"], ["L9"], ["L1"], ["L3"], []):
        again = reading.run(*(said(lesion, digest) for lesion in lesions))
        for name, uid in ids(again).items():
            assert uid == ids(first).get(name, uid)
        assert len(set(ids(again).values())) == len(again.lesions)
        assert ids(reading.run()) == ids(again), "a run without a new word"
    assert (ids(again), digests(again)) == (ids(first), digests(first))
    assert uids(again) == uids(first)
    assert [lesion for _, lesion in history(again, "L3", "T2")] == ["L3", "L3", "L1", "L2", "L9", "L1", "L3"]


SAYINGS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["L1", "L2", "L3", "L4", "L5"])), max_size=5)


@settings(max_examples=10)
@given(sayings=SAYINGS)
@example(sayings=[(3, "L3"), (3, "L1"), (0, "L1")])  # a displaced mask had a lesion's id for a while, then another one
def test_whatever_is_said_no_lesion_changes_its_tracking_uid_and_all_can_be_taken_back(
    tmp_path_factory: pytest.TempPathFactory, sayings: list[tuple[int, str]]
) -> None:
    reading = Reading(tmp_path_factory.mktemp("reading"), THREE)
    first, ever = reading.now, dict(ids(reading.now))
    masks = sorted((timepoint, digest, lesion) for (lesion, timepoint), digest in digests(first).items())
    for number, lesion in sayings:
        timepoint, digest, _ = masks[number]
        now = reading.run(said(lesion, digest, timepoint))
        assert len(set(ids(now).values())) == len(now.lesions)
        assert sorted(digests(now).values()) == sorted(digest for _, digest, _ in masks), "each mask has a lesion"
        assert {name: ever.setdefault(name, uid) for name, uid in ids(now).items()} == ids(now)
    again = reading.run()
    assert again.lesions == reading.now.lesions
    back = reading.run(*(said(lesion, digest, timepoint) for timepoint, digest, lesion in masks))
    assert (ids(back), digests(back)) == (ids(first), digests(first))


def test_a_mask_can_be_said_to_be_a_lesion_of_its_own_and_keeps_that_name(reading: Reading) -> None:
    digest = digests(reading.now)["L1", "T3"]
    after = reading.run(said("L4", digest, "T3"))
    (fresh,) = [lesion for lesion in after.lesions if lesion.id == "L4"]
    assert fresh.kind == "new"
    assert fresh.tracking_uid not in set(ids(reading.now).values()) - {fresh.tracking_uid}
    assert (EventKind.NEW, ("L4",)) in {(event.kind, event.now) for event in after.events if event.timepoint == "T3"}
    assert ids(reading.run()) == ids(after)


def test_a_mask_that_a_correction_displaces_is_proposed_anew_and_comes_back(reading: Reading) -> None:
    before = digests(reading.now)
    moved, displaced = before["L1", "T3"], before["L2", "T3"]
    after = reading.run(said("L2", moved, "T3"))
    (row,) = [
        row for row in outlined(after) if row.segment and row.segment.sha256 == displaced and row.timepoint == "T3"
    ]
    assert row.lesion not in ("L1", "L2"), "it lies far from where L1 was"
    assert "IDENTITY_DISPLACED" in {finding.code for finding in row.findings}
    assert history(after, row.lesion, "T3") == [("proposed", "L2"), ("proposed", row.lesion)]
    assert ids(reading.run()) == ids(after)
    back = reading.run(said("L1", moved, "T3"))
    assert digests(back) == before


@pytest.mark.parametrize("named", ["L1", "L2", "L9"])
def test_the_first_mask_of_a_lesion_can_be_said_to_be_another_and_no_two_lesions_have_one_uid(
    named: str, reading: Reading
) -> None:
    before = reading.now
    for first in (("L1", "T1"), ("L2", "T1")):
        after = reading.run(said(named, digests(before)[first], "T1"))
        assert len(set(ids(after).values())) == len(after.lesions)
        shared = set(ids(after)) & set(ids(before))
        assert {name: ids(after)[name] for name in shared} == {name: ids(before)[name] for name in shared}
        assert ids(reading.run()) == ids(after)


def test_of_two_masks_said_to_be_one_lesion_the_later_is(reading: Reading) -> None:
    one, two = digests(reading.now)["L3", "T2"], digests(reading.now)["L2", "T2"]
    after = reading.run(said("L1", one), said("L1", two))
    assert digests(after)["L1", "T2"] == two
    (other,) = [row for row in outlined(after) if row.timepoint == "T2" and row.segment and row.segment.sha256 == one]
    assert other.lesion != "L1"
    assert "LINK_SUPERSEDED" in {finding.code for finding in other.findings}


def test_a_word_that_names_another_exam_than_its_masks_is_told_and_not_used(reading: Reading) -> None:
    before = digests(reading.now)
    after = reading.run(said("L9", before["L1", "T1"], "T2"))
    assert digests(after) == before
    assert "LINK_OUTDATED" in {finding.code for finding in after.findings}


def test_a_doubt_that_a_reader_settled_is_a_doubt_no_more(reading: Reading) -> None:
    before = reading.now
    late = reading.run(said("L1", digests(before)["L3", "T2"]), said("L1", digests(before)["L2", "T2"]))
    (doubtful,) = [row for row in outlined(late) if "LINK_SUPERSEDED" in {finding.code for finding in row.findings}]
    assert doubtful.segment is not None
    settled = reading.run(said(doubtful.lesion, doubtful.segment.sha256))
    codes = {finding.code for row in outlined(settled) for finding in row.findings}
    assert not codes & {"LINK_SUPERSEDED", "IDENTITY_DISPLACED"}


def test_later_masks_keep_their_names_after_a_correction_and_say_that_their_place_speaks_for_another(
    tmp_path: Path,
) -> None:
    reading = Reading(tmp_path, {1: BOTH[1], 2: BOTH[2], 3: BOTH[2]})
    before = digests(reading.now)
    swapped = reading.run(said("L2", before["L1", "T2"]), said("L1", before["L2", "T2"]))
    assert {place: mask for place, mask in digests(swapped).items() if place[1] == "T3"}.items() <= before.items()
    assert ids(swapped) == ids(reading.now)
    codes = {(row.lesion, row.timepoint): {f.code for f in row.findings} for row in outlined(swapped)}
    assert {place for place, found in codes.items() if "IDENTITY_DISPUTED" in found} == {("L1", "T3"), ("L2", "T3")}
    settled = reading.run(said("L1", before["L1", "T3"], "T3"), said("L2", before["L2", "T3"], "T3"))
    assert "IDENTITY_DISPUTED" not in {finding.code for row in outlined(settled) for finding in row.findings}


def test_an_exam_added_before_a_new_lesions_first_mask_finds_it(tmp_path: Path) -> None:
    reading = Reading(tmp_path, {2: {"a": HEAD}, 3: {"a": HEAD, "b": THIRD}})
    digest = digests(reading.now)["L1", "T3"]
    after = reading.run(said("L5", digest, "T3"))
    reading.exams = {1: {"z": FOOT}, **reading.exams}
    again = reading.run()
    assert ids(after).items() <= ids(again).items()
    assert digests(again)["L5", "T3"] == digest
