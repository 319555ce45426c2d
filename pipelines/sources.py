"""What stands behind the IMAGE and MASK arguments of the command line, by content and never by name.

IMAGE is a DICOM folder or file list, NIfTI or NRRD. MASK is NIfTI, NRRD, DICOM SEG or RTSTRUCT, or a folder that holds
exactly one of the last two, with ``#number`` or ``#name`` to choose one segment of it.

Readers are imported where they are used, so that a command loads only what its input needs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from imaging.errors import InputError, NoReferenceImage, UnreadableFile, UsageError
from imaging.finding import Finding, Severity

if TYPE_CHECKING:
    from imaging.geometry import Grid
    from imaging.segmentation import Segment
    from imaging.study import Annotation, Index, PatientId, SeriesRecord
    from imaging.volume import Modality, Volume

__all__ = ["open_image", "open_masks", "patients_of"]

NIFTI_HEADER_SIZES = (348, 540)  # NIfTI-1, and NIfTI-2, which the reader refuses by name


class Kind(Enum):
    """What a file is by its first bytes; whatever is no research format is left to the DICOM reader to judge."""

    NIFTI = "NIfTI"
    NRRD = "NRRD"
    DICOM = "DICOM"


def open_image(
    argument: Sequence[Path], *, modality: str | None = None, series: str | None = None, accept_gaps: bool = False
) -> Volume:
    """The one volume that IMAGE means.

    Parameters
    ----------
    argument
        One NIfTI or NRRD file, or DICOM folders and files.
    modality
        ``ct`` or ``mr``. Research formats do not know theirs: without it samples are arbitrary, as MR's are, and a
        finding MODALITY_ASSUMED says so. Of several DICOM volumes it takes part in the choice.
    series
        Series UID or volume id where several DICOM volumes are there.
    accept_gaps
        Take a series with missing or uneven slices as it is (:mod:`imaging.geometry.acquired`).

    Raises
    ------
    AmbiguousSeries
        Several volumes could be meant.
    UsageError
        FILE_NOT_FOUND, BAD_MODALITY, several research files, or a series that is not here.
    InputError
        The image cannot be used; the code says why.
    """
    paths = _existing(argument)
    wanted = _modality(modality)
    kinds = {_kind(path) for path in paths}
    if kinds == {Kind.DICOM}:
        from imaging.dicom.assemble import load_volume

        return load_volume(_chosen_record(_scanned(paths, accept_gaps=accept_gaps), wanted, series))
    if len(paths) > 1:
        raise UsageError("NIfTI and NRRD hold one image a file; give one", code="SEVERAL_IMAGES")
    volume = _research_image(paths[0], wanted)
    if wanted is not None:
        return volume
    message = "the format names no modality; the samples were taken as arbitrary (say --modality ct for HU)"
    return volume.with_findings(Finding("MODALITY_ASSUMED", Severity.INFO, message, paths[0].name))


def open_masks(
    argument: str | Path, *, image: Sequence[Path] | None = None, accept_gaps: bool = False
) -> tuple[Segment, ...]:
    """The segments that MASK means.

    Parameters
    ----------
    argument
        A file or folder, with ``#number`` or ``#name`` for one of its segments.
    image
        The image that the mask was made on, if known. A mask whose grid counts the voxels of that image in another
        order, or only some of its slices, comes back on the image's grid; no voxel is interpolated.
    accept_gaps
        Take an image with missing or uneven slices as it is.

    Returns
    -------
    tuple[Segment, ...]
        At least one, unless a label file holds only background.

    Raises
    ------
    NoReferenceImage
        An RTSTRUCT without the image that it was drawn on, neither given nor found beside it; a SEG of another frame of
        reference than the DICOM image that was given.
    UsageError
        FILE_NOT_FOUND, AMBIGUOUS_MASK for a folder of several, LABEL_NOT_FOUND.
    InputError
        The mask cannot be used; the code says why.
    """
    path, choice = _split_choice(str(argument))
    if path.is_dir():
        return _annotation_masks(_only_annotation(path), choice, image, accept_gaps=accept_gaps)
    match _kind(path):
        case Kind.NIFTI:
            from imaging.formats.nifti import read_nifti_masks

            return _on_image_grid(read_nifti_masks(path, choice=choice), image, accept_gaps=accept_gaps)
        case Kind.NRRD:
            from imaging.formats.nrrd import read_nrrd_masks

            return _on_image_grid(read_nrrd_masks(path, choice=choice), image, accept_gaps=accept_gaps)
        case Kind.DICOM:
            return _annotation_masks(_annotation_of(path), choice, image, accept_gaps=accept_gaps)


def patients_of(mask: str, image: Path | None = None) -> frozenset[PatientId]:
    """Whose the DICOM files behind MASK and IMAGE are; none where they are no DICOM or do not say."""
    path, _ = _split_choice(mask)
    found: set[PatientId] = set()
    if _kind(path) is Kind.DICOM:
        found.add((_only_annotation(path) if path.is_dir() else _annotation_of(path)).patient)
    if image is not None and _kind(image) is Kind.DICOM:
        found |= {record.patient for record in _scanned([image]).volumes}
    return frozenset(patient for patient in found if patient)


def _existing(paths: Iterable[Path]) -> list[Path]:
    found = list(paths)
    for path in found:
        if not path.exists():
            raise UsageError("a file or folder that was named is not there", code="FILE_NOT_FOUND", where=path.name)
    if not found:
        raise UsageError("no image was named", code="FILE_NOT_FOUND")
    return found


def _split_choice(argument: str) -> tuple[Path, str | None]:
    """``path#choice`` → both; a file whose own name holds # is found first."""
    if Path(argument).exists():
        return Path(argument), None
    path, mark, choice = argument.rpartition("#")
    if not mark or not choice or not Path(path).exists():
        raise UsageError("the mask that was named is not there", code="FILE_NOT_FOUND", where=Path(argument).name)
    return Path(path), choice


def _modality(text: str | None) -> Modality | None:
    from imaging.volume import Modality

    if text is None:
        return None
    try:
        return Modality(text.upper())
    except ValueError:
        raise UsageError(f"modality is ct or mr; got {text!r}", code="BAD_MODALITY") from None


def _kind(path: Path) -> Kind:
    if not path.is_file():
        return Kind.DICOM
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise UnreadableFile(f"the file may not be read ({type(error).__name__})", where=path.name) from None
    if head == b"NRRD":
        return Kind.NRRD
    sizes = struct.unpack("<i", head) + struct.unpack(">i", head) if len(head) == 4 else ()
    is_gzip = head[:2] == b"\x1f\x8b"
    return Kind.NIFTI if is_gzip or set(sizes) & set(NIFTI_HEADER_SIZES) else Kind.DICOM


def _research_image(path: Path, modality: Modality | None) -> Volume:
    from imaging.formats.nifti import read_nifti
    from imaging.formats.nrrd import read_nrrd
    from imaging.volume import Modality

    read = read_nrrd if _kind(path) is Kind.NRRD else read_nifti
    return read(path, modality or Modality.MR)


def _scanned(paths: Sequence[Path], *, accept_gaps: bool = False) -> Index:
    from imaging.dicom.scan import scan

    index = scan(paths)
    return index.accepting_gaps() if accept_gaps else index


def _chosen_record(index: Index, modality: Modality | None, series: str | None) -> SeriesRecord:
    """The volume that is meant; a modality narrows the choice where there is a volume of it."""
    if not index.volumes and index.skipped and not index.annotations:
        codes = sorted({skipped.code for skipped in index.skipped})
        raise UnreadableFile(f"no image among {len(index.skipped)} files ({', '.join(codes)})", code=codes[0])
    of_kind = tuple(record for record in index.volumes if modality is not None and record.modality == modality)
    narrowed = replace(index, volumes=of_kind)
    return (narrowed if narrowed.loadable and series is None else index).choose(series)


def _only_annotation(folder: Path) -> Annotation:
    found = _scanned([folder]).annotations
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} segmentations are in the folder; name one file", code="AMBIGUOUS_MASK", where=folder.name
        )
    if not found:
        raise InputError("no DICOM SEG or RTSTRUCT is in the folder", code="NO_MASK", where=folder.name)
    return found[0]


def _annotation_of(path: Path) -> Annotation:
    index = _scanned([path])
    if index.annotations:
        return index.annotations[0]
    code = index.skipped[0].code if index.skipped else "NOT_A_MASK"
    raise UnreadableFile(
        f"a mask is NIfTI, NRRD, DICOM SEG or RTSTRUCT; this file is none ({code})", code=code, where=path.name
    )


def _annotation_masks(
    annotation: Annotation, choice: str | None, image: Sequence[Path] | None, *, accept_gaps: bool
) -> tuple[Segment, ...]:
    if annotation.modality == "SEG":
        from imaging.dicom.seg import read_seg

        segments = read_seg(annotation.path, choice=choice)
        if image is not None:
            remarks = _space_remarks(annotation, _existing(image), accept_gaps=accept_gaps)
            on_image = _on_image_grid(segments, image, accept_gaps=accept_gaps)
            return tuple(segment.with_status(segment.status, *remarks) for segment in on_image)
        return _on_grids(segments, _grids_beside(annotation, accept_gaps=accept_gaps))
    from imaging.dicom.rtstruct import read_rtstruct

    return read_rtstruct(annotation.path, _reference(annotation, image, accept_gaps=accept_gaps), choice=choice)


def _space_remarks(annotation: Annotation, image: Sequence[Path], *, accept_gaps: bool) -> tuple[Finding, ...]:
    """Whether a SEG shares a space with the DICOM image that was given; raises where it does not."""
    if _kind(image[0]) is not Kind.DICOM:
        return ()
    records, frame = _scanned(image, accept_gaps=accept_gaps).loadable, annotation.frame_of_reference_uid
    if not records or annotation.referenced_series_uid in {record.series_uid for record in records}:
        return ()
    frames, where = {record.frame_of_reference_uid for record in records}, annotation.path.name
    if frame and frame in frames:
        message = "the mask was made on another series of the same frame of reference"
        return (Finding("OTHER_REFERENCE_SERIES", Severity.INFO, message, where),)
    if frame and "" not in frames:
        message = "the mask was not made on the image that was given, nor in its frame of reference"
        raise NoReferenceImage(message, where=where)
    message = "nothing says that mask and image share a space; they were taken to"
    return (Finding("FRAME_OF_REFERENCE_UNKNOWN", Severity.WARNING, message, where),)


def _reference(annotation: Annotation, image: Sequence[Path] | None, *, accept_gaps: bool) -> SeriesRecord:
    """The series that the contours were drawn on: in the image that was given, else beside the file."""
    if image is None:
        folder = annotation.path.resolve().parent
        found = _drawn_on(annotation, _scanned([folder], accept_gaps=accept_gaps)) or _drawn_on(
            annotation, _scanned(_near(folder.parent), accept_gaps=accept_gaps)
        )
        advice = "the image that these contours were drawn on does not lie beside them; give it with --image"
    else:
        paths = _existing(image)
        if _kind(paths[0]) is not Kind.DICOM:
            return _research_record(paths[0])
        index = _scanned(paths, accept_gaps=accept_gaps)
        found = _drawn_on(annotation, index) or _only_loadable(index, annotation)
        advice = "the contours were not drawn on the image that was given, nor in its frame of reference"
    if found is None:
        raise NoReferenceImage(advice, where=annotation.path.name)
    return found


def _drawn_on(annotation: Annotation, index: Index) -> SeriesRecord | None:
    """The series that the contours name, else the only loadable one in their frame of reference."""
    named = [record for record in index.volumes if record.series_uid == annotation.referenced_series_uid]
    if named:
        loadable = [record for record in named if record.grid is not None]
        return index.choose(named[0].series_uid) if len(loadable) > 1 else (loadable or named)[0]
    frame = annotation.frame_of_reference_uid
    same = [record for record in index.loadable if frame and record.frame_of_reference_uid == frame]
    return same[0] if len(same) == 1 else None


def _only_loadable(index: Index, annotation: Annotation) -> SeriesRecord | None:
    """The one volume of an image that was given, where nothing contradicts that the contours belong to it."""
    if len(index.loadable) != 1:
        return None
    record = index.loadable[0]
    frames = {annotation.frame_of_reference_uid, record.frame_of_reference_uid} - {""}
    return record if len(frames) < 2 else None


def _near(folder: Path) -> list[Path]:
    """The folder's own files and those one level down: where exports put images and contours side by side."""
    entries = _entries(folder)
    below = [entry for place in entries if place.is_dir() and not place.is_symlink() for entry in _entries(place)]
    return [entry for entry in (*entries, *below) if entry.is_file()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError:
        return []  # a neighbour that may not be looked into holds no image for us


def _research_record(path: Path) -> SeriesRecord:
    """A NIfTI or NRRD image as the series of contours: where its voxels are, and nothing else."""
    from imaging.study import PatientId, SeriesRecord, SeriesUid, Verdict

    return SeriesRecord(
        patient=PatientId(""),
        study_uid="",
        series_uid=SeriesUid(""),
        volume_id=path.name,
        modality="",
        verdict=Verdict.EXACT,
        grid=_research_image(path, None).grid,
    )


def _on_image_grid(
    segments: tuple[Segment, ...], image: Sequence[Path] | None, *, accept_gaps: bool
) -> tuple[Segment, ...]:
    """Each segment on the grid of the image that counts the same voxels, else on its own."""
    if image is None or not segments:
        return segments
    return _on_grids(segments, _grids_of(_existing(image), accept_gaps=accept_gaps))


def _on_grids(segments: tuple[Segment, ...], grids: Sequence[Grid]) -> tuple[Segment, ...]:
    """Each segment on the first of the grids that counts the same voxels, else on its own."""
    from imaging.segmentation.placement import segment_on

    def placed(segment: Segment) -> Segment:
        candidates = (segment_on(segment, grid) for grid in grids)
        return next((moved for moved in candidates if moved is not segment), segment)

    return tuple(placed(segment) for segment in segments)


def _grids_beside(annotation: Annotation, *, accept_gaps: bool) -> list[Grid]:
    """Grids of the series that a SEG names, if it lies beside: a SEG's own stack ends where the lesion does."""
    folder = annotation.path.resolve().parent
    for places in ([folder], _near(folder.parent)):
        index = _scanned(places, accept_gaps=accept_gaps)
        named = [record for record in index.loadable if record.series_uid == annotation.referenced_series_uid]
        if named:
            return [record.grid for record in named if record.grid is not None]
    return []


def _grids_of(paths: Sequence[Path], *, accept_gaps: bool) -> list[Grid]:
    if _kind(paths[0]) is not Kind.DICOM:
        return [_research_image(paths[0], None).grid]
    return [record.grid for record in _scanned(paths, accept_gaps=accept_gaps).loadable if record.grid is not None]
