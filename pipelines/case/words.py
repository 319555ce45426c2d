"""What readers said of whose masks are: the words that hold, and a remark for each that does not.

A word is about one mask, which it names by its digest. Where two words give one mask to two lesions nobody is taken
for right: the software's own proposal stands, and says that it is disputed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imaging.errors import CaseFileError
from imaging.finding import Finding, Severity
from imaging.lesions.identity import in_place_order
from imaging.segmentation import LesionId, Segment
from pipelines.case.exams import Exams
from pipelines.case.identity import Seen
from pipelines.case_file import LinkWord

__all__ = ["Heard", "as_said", "heard"]

OUTDATED = "{} said whose the mask {}… of {} is; nobody drew such a mask here: the word is not used"
ELSEWHERE = "{} named the mask {}… for {}, but it lies on {}; the mask counts"
DISPUTED = "readers disagree whose the mask {}… is: {}; none is obeyed until they agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The words of readers about the masks of a case.

    Parameters
    ----------
    words
        Those that hold.
    disputed
        By the digest of a mask: that readers disagree whose it is.
    findings
        A remark for each word that does not hold, or not as it stands.
    """

    words: tuple[LinkWord, ...] = ()
    disputed: Mapping[str, Finding]
    findings: tuple[Finding, ...] = ()

    def lesions_of(self, found: Mapping[LesionId, Segment]) -> dict[LesionId, LesionId]:
        """Name in ``found`` → the lesion that a reader calls it."""
        whose = {word.mask_sha256: word.lesion for word in self.words}
        return {name: whose[segment.sha256] for name, segment in found.items() if segment.sha256 in whose}


def heard(words: Sequence[LinkWord], drawn: Mapping[str, str], exams: Exams) -> Heard:
    """Which of the words hold.

    Parameters
    ----------
    drawn
        The digest of every mask that somebody drew → its timepoint.
    """
    findings: list[Finding] = []
    disputed: dict[str, Finding] = {}
    for word in words:
        digest, where = word.mask_sha256, f"{word.lesion} {word.timepoint}"
        rivals = {other.lesion: other.reader for other in words if other.mask_sha256 == digest}
        if digest not in drawn:
            message = OUTDATED.format(word.reader, digest[:8], word.timepoint)
            findings.append(Finding("LINK_OUTDATED", Severity.WARNING, message, where))
            continue
        if named(exams, word.timepoint) != drawn[digest]:
            message = ELSEWHERE.format(word.reader, digest[:8], word.timepoint, drawn[digest])
            findings.append(Finding("LINK_ELSEWHERE", Severity.WARNING, message, where))
        if len(rivals) > 1 and digest not in disputed:
            said = ", ".join(f"{lesion} ({reader})" for lesion, reader in sorted(rivals.items()))
            message = DISPUTED.format(digest[:8], said)
            disputed[digest] = Finding("LINK_DISPUTED", Severity.WARNING, message, drawn[digest])
    holding = tuple(word for word in words if word.mask_sha256 in drawn and word.mask_sha256 not in disputed)
    return Heard(words=holding, disputed=disputed, findings=(*findings, *disputed.values()))


def named(exams: Exams, name: str) -> str | None:
    """The id of the exam that is meant; None where none or several are."""
    try:
        return exams.named(name).id
    except CaseFileError:  # the mask is named by its digest; this only tells that the word is about another exam
        return None


def as_said(
    found: Mapping[LesionId, Segment], said: Mapping[LesionId, LesionId], seen: Sequence[Seen]
) -> dict[LesionId, Segment]:
    """The masks of a series as the words leave them to be matched.

    A mask that was spoken of has its lesion's Tracking UID and no other has; a second one of the same lesion, and one
    of a lesion that was never seen, take no part: what they are is settled, and no other lesion may be taken for them.
    """
    uids = {entry.lesion: entry.tracking_uid for entry in seen}
    spoken = {uids[lesion] for lesion in said.values() if lesion in uids}
    left: dict[LesionId, Segment] = {}
    met: set[LesionId] = set()
    for name in in_place_order(found):
        lesion = said.get(name)
        if lesion is None:
            own = found[name].tracking_uid
            left[name] = found[name].with_tracking_uid("" if own in spoken else own)
        elif lesion in uids and lesion not in met:
            met.add(lesion)
            left[name] = found[name].with_tracking_uid(uids[lesion])
    return left
