"""One case from study folder to report: the way of the data, on one screen.

::

    folder → Index → exams → images → material, links → masks → observations → changes, responses → report
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaging.dicom.scan import scan
from imaging.errors import CaseFileError, RecordError
from imaging.lesions.lesion import Method
from imaging.provenance import uid_from
from imaging.segmentation import LesionId, Status
from imaging.segmentation.catalogue import segmenter
from imaging.study.timepoint import require_loadable, require_one_patient
from pipelines.case import account, outputs
from pipelines.case.anatomy import Anatomy, draw_structures
from pipelines.case.conclude import Case, Naming, Word, with_naming, with_word
from pipelines.case.document import case_from_document, event_rows, read_document, read_earlier
from pipelines.case.exams import Images, exams_from, load_exams
from pipelines.case.label_maps import read_mask, write_label_maps
from pipelines.case.links import changing, link_exams
from pipelines.case.masks import trace_lesions
from pipelines.case.materials import find_materials, relate_materials
from pipelines.case.naming import confirmations, lesions_named, new_lesion_id, require_unchanged, said_of
from pipelines.case.observations import observe
from pipelines.case.onto_ct import carried_lesions
from pipelines.case.reviews import (
    from_case_file,
    read_reviews,
    readers_wcv,
    require_unreviewed,
    timepoints_of,
    write_review,
)
from pipelines.case.traced import Ground
from pipelines.case.treated import outlined_late
from pipelines.case.words import (
    contradictions,
    exams_of,
    read_words,
    require_nothing_said,
    tracking_uids,
    write_word,
)
from pipelines.case_file import LinkWord, read_case_file
from pipelines.documents import needed_series_refused
from pipelines.settings import read_settings
from pipelines.workspace import CaseFolder, case_id_of, find_case_folder

__all__ = ["accept_masks", "confirm_links", "follow_up", "judge_masks", "link_mask", "name_masks", "write_report"]

Document = dict[str, Any]


def follow_up(
    folders: Sequence[Path],
    workspace: Path,
    *,
    case_id: str | None = None,
    case_file: Path | None = None,
    config: Path | None = None,
    accept_gaps: bool = False,
    identified: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Document, CaseFolder, bool]:
    """Follow every lesion of a case through all its exams and write the results.

    Parameters
    ----------
    folders
        The patient's study folders, one or several: DICOM at any depth, and in one of them ``case.toml`` unless
        ``case_file`` is given. Never written to.
    workspace
        Gets a folder named by the case id; what readers did in it is obeyed and kept.
    case_id
        Instead of the case file's id, or of one made from the folders' names.
    config
        Settings as TOML.
    accept_gaps
        Take series with missing or uneven slices as they are; what is measured beside a gap says so.
    identified
        Show the patient's id in the provenance, and the names that people gave to contours; neither by default.
    say
        Told what is being done.

    Returns
    -------
    The case document, where it was written, and whether a needed series was refused (partial).

    Raises
    ------
    InputError
        If nothing can be loaded, two patients are mixed, or the case file is impossible.
    """
    settings = read_settings(config)
    engine = segmenter(settings.segmenter)  # first of all: what is missing for it is said before an hour of work
    home = home_of(folders)
    story = read_case_file(case_file or next(home.glob("case.toml"), None))
    own_id = case_id_of(story.id, "\0".join(sorted(folder.resolve().name for folder in folders)))
    target = CaseFolder(workspace / (case_id or own_id))

    say("scanning")
    index = scan(folders)
    index = index.accepting_gaps() if accept_gaps else index
    require_one_patient(index)
    require_loadable(index)
    images = Images()
    earlier = read_earlier(target)
    reviews, words = read_reviews(target), read_words(target)
    names = {**earlier.timepoint_ids, **exams_of(words), **timepoints_of(reviews)}
    exams = load_exams(exams_from(index, story, known_ids=names), images)
    outlines = draw_structures(story.structures, exams, home, accept_gaps=accept_gaps)

    say("looking for material")
    found = find_materials(exams, images, story.procedures)
    say("registering")
    material = {f.record.volume_id: f.mask() for f in found}
    links = link_exams(exams, images, excluded=changing(exams, story.lesions, material))

    say("following lesions")
    ground = Ground(
        case_id=target.root.name,
        case_folder=home,
        exams=exams,
        images=images,
        links=links,
        material=found,
        procedures=story.procedures,
        reviews=(*reviews, *from_case_file(story.reviews, exams)),
        segmenter=engine,
        reader_wcv=readers_wcv(target, [entry.word for entry in words]),
        accept_gaps=accept_gaps,
        identified=identified,
        remembered=earlier.lesions,
        tracking_uids=earlier.tracking_uids,
        words=(*story.links, *(entry.word for entry in words)),
        kept=words,
        anatomy=Anatomy(outlines, links, settings.registration_error_mm),
    )
    tracing = trace_lesions(story.lesions, ground)
    lesions, traced = tracing.lesions, tracing.rows

    say("measuring")
    observations = observe(traced, ground, settings)
    late, on_ct = outlined_late(traced, ground), carried_lesions(traced)
    related = relate_materials(found, on_ct, lesions, images, ground.anatomy, outlined_late=late)
    unfound = [finding for item, _ in related for finding in item.remarks]

    say("reporting")
    case = Case(
        id=target.root.name,
        timepoints=account.case_exams(exams),
        procedures=story.procedures,
        clinical=story.clinical,
        lesions=lesions,
        observations=observations,
        materials=account.material_rows(related),
        registrations=account.registration_rows(links),
        findings=account.case_findings(
            index, exams, story, (*outlines.findings, *contradictions(story.links, words), *tracing.findings, *unfound)
        ),
        provenance=account.provenance(
            index, exams, settings, story, engine.capabilities(), accept_gaps=accept_gaps, identified=identified
        ),
        readings=exams.readings(story.readings),
        criteria=settings.criteria,
        events=event_rows(tracing.events),
        comparing=account.comparing(story),
    )
    require_unreviewed(target, reviews)
    require_nothing_said(target, words)
    kept = [*write_label_maps(target, traced, related), *outputs.write_figures(target, traced, related, images)]
    return outputs.write_case(target, case, kept), target, exams.damaged or needed_series_refused(index)


def home_of(folders: Sequence[Path]) -> Path:
    """The folder with the case file, from which its masks are named; the first where none has one.

    Raises
    ------
    CaseFileError
        SEVERAL_CASE_FILES: which one holds?
    """
    written = [folder for folder in folders if (folder / "case.toml").exists()]
    if len(written) > 1:
        raise CaseFileError(
            f"{len(written)} of the case's folders hold a case.toml; keep one", code="SEVERAL_CASE_FILES"
        )
    return (written or folders)[0]


def accept_masks(
    case_result: Path, *, lesion: str | None, timepoint: str | None, reader: str
) -> tuple[Document, CaseFolder]:
    """Accept one proposed mask, or all of them, as the reader, and conclude the case anew.

    Raises
    ------
    InputError
        NOTHING_TO_ACCEPT: no such mask, or it is not proposed; LATERALITY_CONFLICT: the side is in doubt.
    """
    target = find_case_folder(case_result)
    meant = outputs.acceptable(case_from_document(read_document(target)), lesion=lesion, timepoint=timepoint)
    segments = [read_mask(target, observation) for observation in meant]  # all, before a word is written
    words = [
        Word(timepoint=observation.timepoint, segment=segment, status=Status.ACCEPTED)
        for observation, segment in zip(meant, segments, strict=True)
    ]
    return judge_masks(target, words, reader=reader)[0], target


def judge_masks(target: CaseFolder, words: Sequence[Word], *, reader: str) -> tuple[Document, bool]:
    """Keep a reader's words on masks, and conclude from them what can be concluded without the images.

    Returns
    -------
    The case document, and whether figures in it are now behind: a mask was changed, or one was rejected from which
    later ones were followed. :func:`follow_up` brings them up; until then the observations say so.

    Raises
    ------
    ConflictError
        Somebody else saved the same revision in this moment; the words before it are kept.
    """
    document = read_document(target)
    case = case_from_document(document)
    behind = False
    uids = {lesion.id: lesion.tracking_uid for lesion in case.lesions}
    for word in words:
        segment = word.segment.with_tracking_uid(uids.get(word.segment.lesion or LesionId(""), ""))
        write_review(target, segment, timepoint=word.timepoint, status=word.status, reader=reader)
        case, current = with_word(case, word, reader)
        behind = behind or not current
    return outputs.write_case(target, case, outputs.unchanged(document["outputs"])), behind


def link_mask(
    case_result: Path,
    *,
    lesion: str,
    timepoint: str,
    is_lesion: str | None,
    mask_sha256: str | None = None,
    reader: str,
) -> tuple[Document, CaseFolder, bool]:
    """Say as the reader that the mask under ``lesion`` is ``is_lesion``, or where None a lesion of its own.

    Returns
    -------
    As :func:`name_masks`, with the folder.

    Raises
    ------
    OsteotraceError
        As :func:`pipelines.case.naming.said_of` and :func:`name_masks`; nothing was said then.
    """
    target = find_case_folder(case_result)
    case = case_from_document(read_document(target))
    said = said_of(
        case, read_words(target), lesion=lesion, timepoint=timepoint, is_lesion=is_lesion, mask_sha256=mask_sha256
    )
    document, behind = name_masks(target, [said], reader=reader)
    return document, target, behind


def confirm_links(
    case_result: Path, *, lesion: str | None, timepoint: str | None, reader: str
) -> tuple[Document, CaseFolder, bool]:
    """Confirm as the reader every link that is still proposed, of one lesion or exam where it is named.

    Raises
    ------
    OsteotraceError
        As :func:`pipelines.case.naming.confirmations` and :func:`name_masks`.
    """
    target = find_case_folder(case_result)
    case = case_from_document(read_document(target))
    meant = confirmations(case, read_words(target), lesion=lesion, timepoint=timepoint)
    document, behind = name_masks(target, meant, reader=reader)
    return document, target, behind


def name_masks(target: CaseFolder, namings: Sequence[Naming], *, reader: str) -> tuple[Document, bool]:
    """Keep a reader's words on whose masks are, and conclude from them what can be concluded without the images.

    Returns
    -------
    The case document, and whether figures in it are now behind: a mask is another lesion's. :func:`follow_up` brings
    them up; until then the observations say so.

    Raises
    ------
    ConflictError
        REVIEW_PENDING: a reader has saved another mask since; or somebody else said something in this moment, and the
        words before it are kept.
    """
    document = read_document(target)
    case = case_from_document(document)
    reviews = read_reviews(target)
    require_unchanged(case, namings, reviews)
    behind = False
    for naming in namings:
        observation = case.primary(naming.taken_for, naming.timepoint)
        if observation is None:
            raise RecordError(f"case.json does not know {naming.taken_for} at {naming.timepoint}", where="case.json")
        said = read_words(target)
        uids = tracking_uids(said) | {known.id: known.tracking_uid for known in case.lesions}
        lesion = naming.lesion
        if lesion is None:
            lesion = new_lesion_id(lesions_named(case, said))
            uids[lesion] = uid_from(case.id, lesion, naming.mask_sha256)
        drawn = observation.method is Method.IMPORTED and naming.mask_sha256 not in {r.mask_sha256 for r in reviews}
        kept = None if drawn or lesion == naming.taken_for else naming.segment or read_mask(target, observation)
        write_word(
            target,
            LinkWord(lesion=lesion, timepoint=naming.timepoint, reader=reader, mask_sha256=naming.mask_sha256),
            taken_for=naming.taken_for,
            uids=uids,
            series_uid=(kept.series_uid if kept else observation.series_uid) or "",
            method=observation.method,
            mask=kept,
        )
        case, current = with_naming(case, replace(naming, lesion=lesion), reader)
        behind = behind or not current
    if not namings:
        return document, False
    return outputs.write_case(target, case, outputs.unchanged(document["outputs"])), behind


def write_report(case_result: Path, kind: str, out: Path | None) -> Document:
    """Write one format of the report again, from case.json and the figures beside it."""
    target = find_case_folder(case_result)
    return outputs.write_report(target, read_document(target), kind, out)
