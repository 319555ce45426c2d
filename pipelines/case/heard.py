"""Which of the readers' words on whose masks are count, and a remark for each that does not, or not as it stands.

A word is about one mask, which it names by its digest. One in the case file counts wherever that mask lies; one in the
workspace was said of a mask on its exam, and counts over those in the case file. Nobody knows in which order people
wrote a case file: where two words in it give one mask to two lesions none is obeyed, and the software's own proposal
stands and says that it is disputed, unless a word in the workspace settles it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from imaging.errors import CaseFileError
from imaging.finding import Finding, Severity
from imaging.segmentation import LesionId, Segment
from pipelines.case.exams import Exams
from pipelines.case.words import newest_words
from pipelines.case_file import LinkWord

__all__ = ["Heard", "heard"]

OUTDATED = "{} said whose the mask {}… of {} is; there is no such mask here: the word is not used"
ELSEWHERE = "{} named the mask {}… for {}, but it lies on {}; the mask counts"
DISPUTED = "readers disagree whose the mask {}… is: {}; none is obeyed until they agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The words of readers about the masks of a case.

    Parameters
    ----------
    written
        Those in the case file, under the ids of the exams that they name, where there are such exams.
    stored
        Those in the workspace, later ones last.
    drawn
        The digest of every mask that people drew → its exam.
    disputed
        By the digest of a mask: the words of the case file that give it to several lesions, if nothing settles it.
    """

    written: tuple[LinkWord, ...]
    stored: tuple[LinkWord, ...]
    drawn: Mapping[str, str]
    disputed: Mapping[str, tuple[LinkWord, ...]]

    def on(self, timepoint: str, masks: Collection[str] = ()) -> dict[str, LinkWord]:
        """By the digest of a mask of that exam: the word that counts, those said later last.

        ``masks`` are digests of what was outlined on it beyond the masks that people drew.
        """
        said = (
            replace(word, timepoint=timepoint) for word in self.obeyed if is_about(word, timepoint, self.drawn, masks)
        )
        later = (word for word in self.stored if is_about(word, timepoint, self.drawn))
        return newest_words((*said, *later), timepoint)

    def of(self, timepoint: str, masks: Collection[str]) -> list[LinkWord]:
        """All that was said of those masks of that exam and is not disputed, in the order in which it was said."""
        later = (word for word in self.stored if word.timepoint == timepoint)
        return [word for word in (*self.obeyed, *later) if word.mask_sha256 in masks]

    def names(
        self, found: Mapping[LesionId, Segment], timepoint: str
    ) -> tuple[dict[LesionId, LinkWord], dict[LesionId, LinkWord]]:
        """Names of masks of one series by the word that counts, and by one that a later word on another mask overtook.

        Words of the case file have no order: all masks that they call one lesion stay it, unless the workspace names
        one of them.
        """
        words = self.on(timepoint)
        said = {name: words[segment.sha256] for name, segment in found.items() if segment.sha256 in words}
        here = {word.mask_sha256 for word in said.values()}
        newest = {
            word.lesion: word.mask_sha256 for word in words.values() if word.mask_sha256 in here and word in self.stored
        }
        counting = {
            name: word for name, word in said.items() if newest.get(word.lesion, word.mask_sha256) == word.mask_sha256
        }
        return counting, {name: word for name, word in said.items() if name not in counting}

    def doubts_of(self, mask: str, timepoint: str) -> tuple[Finding, ...]:
        """What is to be told of a mask on that exam of which readers disagree."""
        rivals = self.disputed.get(mask, ())
        if not rivals:
            return ()
        said = ", ".join(f"{word.lesion} ({word.reader})" for word in rivals)
        return (Finding("LINK_DISPUTED", Severity.WARNING, DISPUTED.format(mask[:8], said), timepoint),)

    def findings(self, masks: Collection[tuple[str, str]]) -> tuple[Finding, ...]:
        """A remark for each word that is not obeyed, or not as it stands.

        ``masks`` are the exam and the digest of everything that was outlined in the case.
        """
        homes = {digest: timepoint for timepoint, digest in masks}
        lost = [word for word in self.written if word.mask_sha256 not in homes]
        lost += [word for word in self.stored if (word.timepoint, word.mask_sha256) not in masks]
        moved = [word for word in self.written if homes.get(word.mask_sha256, word.timepoint) != word.timepoint]
        disputes = (self.doubts_of(digest, homes[digest]) for digest in self.disputed if digest in homes)
        return (
            *(remark("LINK_OUTDATED", OUTDATED, word) for word in lost),
            *(remark("LINK_ELSEWHERE", ELSEWHERE, word, homes[word.mask_sha256]) for word in moved),
            *itertools.chain.from_iterable(disputes),
        )

    @property
    def obeyed(self) -> list[LinkWord]:
        """The words of the case file on masks of which readers do not disagree."""
        return [word for word in self.written if word.mask_sha256 not in self.disputed]


def heard(written: Sequence[LinkWord], stored: Sequence[LinkWord], *, drawn: Mapping[str, str], exams: Exams) -> Heard:
    """The words of the case file and of the workspace; the parameters are those of :class:`Heard`."""
    named = tuple(replace(word, timepoint=id_of(exams, word.timepoint)) for word in written)
    settled = {word.mask_sha256 for word in stored if is_about(word, word.timepoint, drawn)}
    by_mask: dict[str, dict[LesionId, LinkWord]] = {}
    for word in named:
        if word.mask_sha256 not in settled:
            by_mask.setdefault(word.mask_sha256, {})[word.lesion] = word
    disputed = {
        digest: tuple(said[lesion] for lesion in sorted(said)) for digest, said in by_mask.items() if len(said) > 1
    }
    return Heard(written=named, stored=tuple(stored), drawn=drawn, disputed=disputed)


def is_about(word: LinkWord, timepoint: str, drawn: Mapping[str, str], masks: Collection[str] = ()) -> bool:
    """Whether the mask of a word is among those, or else is one of that exam, as far as that is known."""
    return word.mask_sha256 in masks or drawn.get(word.mask_sha256, word.timepoint) == timepoint


def remark(code: str, message: str, word: LinkWord, *more: str) -> Finding:
    said = message.format(word.reader, word.mask_sha256[:8], word.timepoint, *more)
    return Finding(code, Severity.WARNING, said, f"{word.lesion} {word.timepoint}")


def id_of(exams: Exams, name: str) -> str:
    """The id of the exam that is meant; the name itself where none or several are."""
    try:
        return exams.named(name).id
    except CaseFileError:  # the mask is named by its digest; this only tells that the word is about another exam
        return name
