"""The commands about one image, one mask or one pair: each reads, calls the library once, and returns its document."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.errors import CaseFileError, EmptyMask, GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.formats.label_map import unnamed
from imaging.formats.nifti import nifti_bytes
from imaging.formats.nrrd import displacement_bytes
from imaging.measurement.approach import plan_approach
from imaging.measurement.change import measure_change
from imaging.measurement.leak import CANAL_OR_FORAMEN, NamedPlaces
from imaging.measurement.material import neural_total, relate_material
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.measurement.neural import doubt_findings, neural_doubt
from imaging.measurement.structure import Structure
from imaging.response.lesion import lesion_responses, with_categories
from imaging.segmentation import LesionId, Segment
from imaging.segmentation.backends.totalsegmentator import TOTALSEGMENTATOR, find_bone_learned
from imaging.segmentation.bone import BoneFind, find_bone, with_explained_holes
from imaging.segmentation.catalogue import segmenter
from imaging.segmentation.cement import find_material
from imaging.segmentation.material_kind import agent_kind
from imaging.segmentation.prompt import MaskPrompt, Prompt, prompts_from_record
from imaging.study import PatientId
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_mask
from pipelines import documents
from pipelines.case_file import KEYS
from pipelines.reports.as_json import json_text
from pipelines.settings import read_settings
from pipelines.sources import open_image, open_masks, patients_of
from pipelines.workspace import atomic_write

__all__ = ["cement_in_image", "compare_masks", "measure_mask", "plan_in_image", "register_images", "segment_image"]

Document = dict[str, Any]


def segment_image(
    image: Sequence[Path],
    *,
    out: Path,
    points: Sequence[Sequence[float]] = (),
    outside: Sequence[Sequence[float]] = (),
    boxes: Sequence[Sequence[float]] = (),
    diameters: Sequence[Sequence[float]] = (),
    prompts: Path | None = None,
    backend: str | None = None,
    series: str | None = None,
    modality: str | None = None,
    accept_gaps: bool = False,
) -> Document:
    """Outline one lesion and write its mask; a mask without a voxel is an error, and is not written."""
    if not out.name.endswith(".nii.gz"):
        raise UsageError("--out is a .nii.gz file", code="BAD_OUTPUT_NAME")
    rows: list[dict[str, Any]] = [{"kind": "point", "points_lps_mm": [point]} for point in points]
    rows += [{"kind": "point", "points_lps_mm": [point], "sign": -1} for point in outside]
    rows += [{"kind": "box", "points_lps_mm": [box[:3], box[3:]]} for box in boxes]
    rows += [{"kind": "diameter", "points_lps_mm": [line[:3], line[3:]]} for line in diameters]
    try:
        typed = prompts_from_record(rows)
    except CaseFileError as error:
        raise UsageError(str(error), code="BAD_PROMPT") from error
    written, remarks = read_prompts(prompts) if prompts else ((), ())
    drawn = (*typed, *written)
    if not drawn:
        raise UsageError("say where the lesion is: --point, --box, --diameter or --prompts", code="NO_PROMPT")
    named = [prompt.path.partition("#")[0] for prompt in drawn if isinstance(prompt, MaskPrompt)]
    masks = [] if prompts is None else [prompts, *(prompts.parent / name for name in named)]
    if any(out.resolve() == path.resolve() for path in (*image, *masks)):
        raise UsageError("--out is one of the files that are read; inputs are never written to", code="BAD_OUTPUT_NAME")
    engine = segmenter() if backend is None else segmenter(backend)
    volume = open_image(image, modality=modality, series=series, accept_gaps=accept_gaps)
    prior = earlier_mask(drawn, volume, image, beside=prompts, accept_gaps=accept_gaps)
    started = time.perf_counter()
    proposal = engine.segment(volume, drawn, prior=prior)
    seconds = round(time.perf_counter() - started, 3)
    if not proposal.mask.any():
        told = "; ".join(f"{finding.code}: {finding.message}" for finding in (*remarks, *proposal.findings))
        raise EmptyMask(
            f"{proposal.backend} finds no lesion here, and no mask was written ({told})", code="LESION_NOT_FOUND"
        )
    atomic_write(out, nifti_bytes(proposal.mask.astype(np.uint8), volume.grid))
    measured = measure_segment(
        Segment(mask=proposal.mask, grid=volume.grid), volume=volume, engine_wcv=proposal.volume_wcv
    )
    return documents.segment_document(
        mask=out.name,
        volume=measured.volume_ml,
        backend=proposal.backend,
        terms=engine.capabilities(),
        seconds=seconds,
        confidence=proposal.confidence,
        findings=tuple(dict.fromkeys((*remarks, *measured.findings, *proposal.findings))),
    )


def earlier_mask(
    drawn: Sequence[Prompt], volume: Volume, image: Sequence[Path], *, beside: Path | None, accept_gaps: bool
) -> NDArray[np.float32] | None:
    """The mask that a mask prompt names, on the image's grid; its path starts at the prompts' own folder."""
    masks = [prompt for prompt in drawn if isinstance(prompt, MaskPrompt)]
    if len(masks) > 1:
        raise UsageError("one lesion has one earlier mask; several mask prompts were given", code="BAD_PROMPT")
    if not masks or beside is None:
        return None
    return one_mask_on(volume, str(beside.parent / masks[0].path), image, accept_gaps=accept_gaps).astype(np.float32)


def read_prompts(path: Path) -> tuple[tuple[Prompt, ...], tuple[Finding, ...]]:
    """The prompts in an ``osteotrace.prompt/1`` document, a list of rows or an object with ``prompts``, and remarks."""
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, RecursionError, ValueError) as error:  # the second for what is nested too deep
        raise CaseFileError(f"{path.name} is not JSON text ({type(error).__name__})", where=path.name) from None
    if isinstance(record, dict):
        schema = record.get("schema", "osteotrace.prompt/1")
        if schema != "osteotrace.prompt/1":
            raise CaseFileError(f"{path.name} is no osteotrace.prompt/1 document", where=path.name)
        record = record.get("prompts", [record] if "kind" in record else None)
    if not isinstance(record, list):
        raise CaseFileError(f"{path.name} holds no list of prompts", where=path.name)
    prompts = prompts_from_record(record)
    unknown = sorted({str(key) for row in record for key in row} - KEYS["lesion.prompt"] - {"schema"})
    message = "{} is not a key of a prompt, and was not read"
    return prompts, tuple(
        Finding("PROMPT_UNKNOWN_KEY", Severity.WARNING, message.format(key), path.name) for key in unknown
    )


def measure_mask(
    mask: str,
    *,
    image: Path | None = None,
    series: str | None = None,
    modality: str | None = None,
    cemented: bool = False,
    config: Path | None = None,
    accept_gaps: bool = False,
) -> Document:
    """Every measurement of every segment."""
    variability = read_settings(config).variability()
    volume = None if image is None else open_image([image], modality=modality, series=series, accept_gaps=accept_gaps)
    segments = open_masks(mask, image=None if image is None else [image], accept_gaps=accept_gaps)
    kind = Modality(modality.upper()) if modality else None
    rows: list[SegmentMeasurement] = []
    findings: list[Finding] = []
    if not segments:
        findings.append(
            Finding("EMPTY_MASK", Severity.WARNING, "the file holds no segment with a voxel", Path(mask).name)
        )
    for segment in segments:
        if not segment.mask.any():
            remark = f"segment {segment.label} has no voxel and is not measured"
            findings.append(Finding("EMPTY_MASK", Severity.WARNING, remark, str(segment.label)))
            continue
        drawn = doubting_series(segment, volume)
        rows.append(measure_segment(drawn, volume=volume, modality=kind, cemented=cemented, variability=variability))
    return documents.measure_document(rows, findings)


def compare_masks(
    mask0: str,
    mask1: str,
    *,
    image0: Path | None = None,
    image1: Path | None = None,
    series0: str | None = None,
    series1: str | None = None,
    modality: str | None = None,
    cemented: bool = False,
    config: Path | None = None,
    accept_gaps: bool = False,
) -> Document:
    """Change of one lesion; both masks are taken as accepted."""
    settings = read_settings(config)
    kind = Modality(modality.upper()) if modality else None
    segments, measured = [], []
    for mask, image, series in ((mask0, image0, series0), (mask1, image1, series1)):
        segments.append(one_segment(mask, image, accept_gaps=accept_gaps))
        volume = None
        if image is not None:
            volume = open_image([image], modality=modality, series=series, accept_gaps=accept_gaps)
        found = measure_segment(
            doubting_series(segments[-1], volume),
            volume=volume,
            modality=kind,
            cemented=cemented,
            variability=settings.variability(),
        )
        measured.append(said_of(mask, found))
    reference, follow_up = measured
    change = measure_change(reference, follow_up)
    responses = lesion_responses(reference, follow_up, change, settings.criteria)
    findings = doubtful_pair(segments, [patients_of(mask0, image0), patients_of(mask1, image1)])
    return documents.compare_document(with_categories(change, responses), responses, findings)


def one_segment(mask: str, image: Path | None, *, accept_gaps: bool) -> Segment:
    """The one lesion that a mask of a pair holds."""
    segments = open_masks(mask, image=None if image is None else [image], accept_gaps=accept_gaps)
    if not any(segment.mask.any() for segment in segments):
        raise EmptyMask(f"{Path(mask).name} holds no voxel of a lesion: nothing to compare", where=Path(mask).name)
    if len(segments) != 1:
        raise UsageError(
            f"{Path(mask).name} holds {len(segments)} segments; choose one with #label", code="AMBIGUOUS_SEGMENT"
        )
    return segments[0]


def said_of(mask: str, measured: SegmentMeasurement) -> SegmentMeasurement:
    """The measurement, whose remarks on the segment name the file of the pair that it is in."""
    name = Path(mask if Path(mask).exists() else mask.rpartition("#")[0]).name
    told = (replace(f, where=f"{name}{f.where}") if f.where.startswith("#") else f for f in measured.findings)
    return replace(measured, findings=tuple(told))


def doubting_series(segment: Segment, volume: Volume | None) -> Segment:
    """The mask with a doubt, if it names another series than the one that was chosen, and nobody has said so yet."""
    said = {"OTHER_REFERENCE_SERIES", "FRAME_OF_REFERENCE_UNKNOWN"} & {finding.code for finding in segment.findings}
    series = {"" if volume is None else volume.series_uid, segment.series_uid}
    if said or "" in series or len(series) == 1:
        return segment
    message = "the mask was made on another series than the image that was chosen"
    return segment.with_status(segment.status, Finding("OTHER_REFERENCE_SERIES", Severity.WARNING, message))


def doubtful_pair(segments: Sequence[Segment], patients: Sequence[frozenset[PatientId]]) -> tuple[Finding, ...]:
    """What speaks against two masks being one lesion at two exams."""
    findings = []
    one, other = segments
    if one.grid.matches(other.grid) and np.array_equal(one.mask, other.mask):
        message = "the two masks are the same, voxel by voxel; was one given twice?"
        findings.append(Finding("SAME_MASK", Severity.WARNING, message))
    if all(patients) and not frozenset.intersection(*patients):
        message = "the two exams name different patients; was one of them not meant, or de-identified apart?"
        findings.append(Finding("OTHER_PATIENT", Severity.WARNING, message))
    return tuple(findings)


def cement_in_image(
    image: Sequence[Path],
    *,
    before: Path | None = None,
    lesions: Sequence[str] = (),
    bone: str | None = None,
    neural: str | None = None,
    agents: Sequence[str] = (),
    out: Path | None = None,
    series: str | None = None,
    modality: str | None = None,
    accept_gaps: bool = False,
) -> Document:
    """Radiodense material on one CT; ``agents`` is all that was injected before it, none: the history is unknown."""
    strange = [agent for agent in agents if agent_kind(agent) is None]
    if strange:
        raise UsageError(
            f"{strange[0]!r} is neither cement (pmma …) nor embolic (nbca, lipiodol, onyx …)", code="UNKNOWN_AGENT"
        )
    volume = open_image(image, modality=modality or "ct", series=series, accept_gaps=accept_gaps)
    if volume.modality is not Modality.CT:
        raise UsageError("cement is found on CT; this image is MR", code="NOT_CT")
    masks = lesions_on(volume, lesions, image, accept_gaps=accept_gaps)
    earlier = earlier_from_volume = None
    findings: list[Finding] = list(volume.findings)
    if before is not None:
        from imaging.registration.rigid import register

        earlier = open_image([before], modality="ct", accept_gaps=accept_gaps)
        registration = register(earlier, volume)
        findings += registration.findings
        if registration.accepted:
            earlier_from_volume = registration.fixed_from_moving
        else:
            earlier = None
            findings.append(
                Finding("BEFORE_NOT_USED", Severity.WARNING, "the earlier CT could not be registered and is not used")
            )
    lesion_mask = np.any([*masks.values()], axis=0) if masks else None
    canal = None if neural is None else one_mask_on(volume, neural, image, accept_gaps=accept_gaps)
    found = find_material(
        volume,
        before=earlier,
        before_from_volume=earlier_from_volume,
        lesion_masks=masks,
        neural=canal,
        agents=tuple(agents) or None,
    )
    ground = bone_on(volume, bone, image, lesion=lesion_mask, material=found.mask(), accept_gaps=accept_gaps)
    findings += ground.findings
    nerves = doubt = total = None
    if canal is not None:
        nerves = (Structure(name=CANAL_OR_FORAMEN, mask=canal, grid=volume.grid),)
        doubt = neural_doubt(volume, found, canal)
        total = neural_total(found, canal, doubt)
        findings += doubt_findings(doubt)
    rows = []
    named = NamedPlaces(nerves=nerves)
    for material in relate_material(found, lesions=masks, bone=ground.mask, named=named, doubt=doubt):
        name = None
        if out is not None:
            name = f"{material.id}-{material.kind}.nii.gz"
            atomic_write(out / name, nifti_bytes(material.mask_in(found).astype(np.uint8), volume.grid))
        rows.append(documents.material_record(material, mask=name))
    document = documents.cement_document(rows, dict.fromkeys((*findings, *found.findings)), neural_ml=total)
    if out is not None:
        atomic_write(out / "cement.json", json_text(document).encode())
    return document


def plan_in_image(
    image: Sequence[Path],
    *,
    lesion: str,
    neural: str | None = None,
    breach: str | None = None,
    no_breach: bool = False,
    bone: str | None = None,
    series: str | None = None,
    modality: str | None = None,
    accept_gaps: bool = False,
) -> Document:
    """Target, margins and ways before a procedure."""
    if breach is not None and no_breach:
        raise UsageError("--breach and --no-breach say different things: give one", code="CONTRADICTING_OPTIONS")
    volume = open_image(image, modality=modality, series=series, accept_gaps=accept_gaps)

    def mask(argument: str | None) -> BoolArray | None:
        return None if argument is None else one_mask_on(volume, argument, image, accept_gaps=accept_gaps)

    outlined = one_mask_on(volume, lesion, image, accept_gaps=accept_gaps)
    breached = np.zeros(volume.grid.shape, dtype=bool) if no_breach else None
    if breach is not None:
        breached = marked_on(volume, breach, image, accept_gaps=accept_gaps)
    nerves, ground = mask(neural), None
    confirmed = nerves is not None and breached is not None  # else the plan is refused, and needs no bone
    if bone is not None or (confirmed and volume.modality is Modality.CT):
        ground = bone_on(volume, bone, image, lesion=outlined, material=None, accept_gaps=accept_gaps)
    plan = plan_approach(volume, outlined, neural=nerves, breach=breached, bone=None if ground is None else ground.mask)
    return documents.plan_document(plan, (*(() if ground is None else ground.findings), *plan.findings))


def bone_on(
    volume: Volume,
    argument: str | None,
    image: Sequence[Path],
    *,
    lesion: BoolArray | None,
    material: BoolArray | None,
    accept_gaps: bool,
) -> BoneFind:
    """The bone of a mask file, of TotalSegmentator where its name is given, else by density."""
    if argument is None:
        return find_bone(volume, lesion=lesion, material=material)
    if argument == TOTALSEGMENTATOR:
        return with_explained_holes(find_bone_learned(volume), volume, lesion=lesion, material=material)
    return BoneFind(one_mask_on(volume, argument, image, accept_gaps=accept_gaps))


def lesions_on(
    volume: Volume, arguments: Sequence[str], image: Sequence[Path], *, accept_gaps: bool
) -> dict[LesionId, BoolArray]:
    """The lesion masks on the CT's grid, named by their segment, else L1, L2 and so on; no two by one name."""
    masks: dict[LesionId, BoolArray] = {}
    for argument in arguments:
        for segment in open_masks(argument, image=list(image), accept_gaps=accept_gaps):
            free = (name for n in count(len(masks) + 1) if (name := f"L{n}") not in masks)
            own = segment.lesion or ("" if segment.name == unnamed(segment.label) else segment.name)
            masks[LesionId(own if own and own not in masks else next(free))] = on_grid(segment, volume)
    return masks


def one_mask_on(volume: Volume, argument: str, image: Sequence[Path], *, accept_gaps: bool) -> BoolArray:
    """All segments of a file together on the image's grid."""
    mask = marked_on(volume, argument, image, accept_gaps=accept_gaps)
    if not mask.any():
        raise EmptyMask(f"{Path(argument).name} holds no voxel", where=Path(argument).name)
    return mask


def marked_on(volume: Volume, argument: str, image: Sequence[Path], *, accept_gaps: bool) -> BoolArray:
    """The same, where a file that marks nothing says that there is nothing."""
    segments = open_masks(argument, image=list(image), accept_gaps=accept_gaps)
    nothing = np.zeros(volume.grid.shape, dtype=bool)
    marked = np.logical_or.reduce([nothing, *(on_grid(segment, volume) for segment in segments)])
    return np.asarray(marked, dtype=np.bool_)


def on_grid(segment: Segment, volume: Volume) -> BoolArray:
    """The mask on the image's grid; a mask from another grid is resampled, as only its overlap is asked for."""
    if segment.grid.matches(volume.grid):
        return segment.mask
    mask = resample_mask(segment.mask, segment.grid, volume.grid)
    if segment.mask.any() and not mask.any():
        raise GeometryError("a mask lies outside this image; was it drawn in another frame of reference?")
    return mask


def register_images(
    fixed: Path,
    moving: Path,
    *,
    out: Path,
    bones: str | None = None,
    deformable: Path | None = None,
    fixed_series: str | None = None,
    moving_series: str | None = None,
    fixed_modality: str | None = None,
    moving_modality: str | None = None,
    accept_gaps: bool = False,
) -> Document:
    """The transform between two images, written as JSON; asked to, also of each bone, and how soft tissue has bent."""
    from imaging.registration.rigid import register

    if out.suffix != ".json":
        raise UsageError("--out is a .json file", code="BAD_OUTPUT_NAME")
    if deformable is not None and deformable.suffix != ".nrrd":
        raise UsageError("--deformable is a .nrrd file", code="BAD_OUTPUT_NAME")
    read = [fixed, moving] if bones is None else [fixed, moving, Path(bones.partition("#")[0])]
    if deformable is not None and any(deformable.resolve() == path.resolve() for path in read):
        message = "--deformable is one of the files that are read; inputs are never written to"
        raise UsageError(message, code="BAD_OUTPUT_NAME")
    here = open_image([fixed], modality=fixed_modality, series=fixed_series, accept_gaps=accept_gaps)
    there = open_image([moving], modality=moving_modality, series=moving_series, accept_gaps=accept_gaps)
    registration = register(here, there)
    document = documents.register_document(registration)
    if bones is not None:
        from imaging.registration.parts import register_parts

        segments = open_masks(bones, image=[fixed], accept_gaps=accept_gaps)
        named = {name: on_grid(segment, here) for name, segment in by_name(segments).items()}
        document["bones"] = [
            {"name": name, **documents.transform_record(found)}
            for name, found in register_parts(here, there, registration, named).items()
        ]
    if deformable is not None:
        from imaging.registration.deformable import deform

        bent = deform(here, there, registration)
        document["deformation"] = documents.deformation_record(bent, deformable.name if bent.accepted else None)
        if bent.accepted:
            atomic_write(deformable, displacement_bytes(bent.displacement_mm, bent.grid))
    atomic_write(out, json_text(document).encode())
    return document


def by_name(segments: Sequence[Segment]) -> dict[str, Segment]:
    """The segments of one file by name, with their numbers where several have one name or none."""
    times = Counter(segment.name for segment in segments)
    return {s.name if s.name and times[s.name] == 1 else f"{s.name}#{s.label}": s for s in segments}
