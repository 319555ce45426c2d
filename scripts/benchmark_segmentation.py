#!/usr/bin/env python
"""Lesion segmentation on real images against the control that ignores the image.

    python scripts/benchmark_segmentation.py [--seeds 2] [--cases STS] [--each]

Reads the shared real data (../shared/data, not part of the repository): ten sarcoma images of five patients, two dates
of two glioma patients, two PyRadiomics cases, the IBSI CT. The reference is the largest connected piece of each mask;
prompts are derived from it and every coordinate is jittered by N(0, 2 mm). Control: the ellipsoid that the prompt
stands for. Follow-up: the reference itself, divided in length by 1.9, 1.3, 1 or 0.95 and shifted by N(0, 1.5 mm) per
axis, is the earlier mask; the control copies it.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its users write
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from imaging.arrays import BoolArray, FloatArray
from imaging.finding import Severity
from imaging.geometry import Grid
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prior import ellipsoid_from_prompts
from imaging.segmentation.prompt import BoxPrompt, DiameterPrompt, Prompt
from imaging.volume import Modality, Volume

JITTER_MM = 2.0
SHIFT_MM = 1.5
GROWTHS = (0.95, 1.0, 1.3, 1.9)
SHARED = Path(os.environ.get("OSTEOTRACE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    patient: str
    volume: Volume
    reference: BoolArray


@dataclass(frozen=True)
class Score:
    case: str
    patient: str
    kind: str
    control: float
    dice: float
    control_volume: float
    volume: float
    covered: bool
    confidence: float
    warned: bool
    seconds: float


def cases(data: Path) -> Iterator[Case]:
    for patient in sorted((data / "sts-sarcoma").glob("STS_*")):
        for kind, modality in (("CT", Modality.CT), ("MR_T1", Modality.MR)):
            reader = sitk.ImageSeriesReader()
            image = sitk.ReadImage(reader.GetGDCMSeriesFileNames(str(patient / kind / "image")))
            mask = sitk.ReadImage(str(patient / f"{kind}_mask.nii.gz"))
            yield case(f"{patient.name}-{kind}", patient.name, image, mask, modality)
    for patient in sorted((data / "longitudinal-brain-tumour").glob("0?")):
        for date in ("Pre", "Post"):
            image = sitk.ReadImage(str(patient / f"{date}_Scan_T1.nii.gz"))
            mask = sitk.ReadImage(str(patient / f"{date}_Mask.nii.gz"))
            yield case(f"glioma-{patient.name}-{date}", f"glioma-{patient.name}", image, mask, Modality.MR)
    for name in ("brain1", "breast1"):
        image = sitk.ReadImage(str(data / "pyradiomics-cases" / f"{name}_image.nrrd"))
        mask = sitk.ReadImage(str(data / "pyradiomics-cases" / f"{name}_label.nrrd"))
        yield case(name, name, image, mask, Modality.MR)
    reader = sitk.ImageSeriesReader()
    image = sitk.ReadImage(reader.GetGDCMSeriesFileNames(str(data / "ibsi1-ct-phantom" / "dicom" / "image")))
    yield case(
        "ibsi1", "ibsi1", image, sitk.ReadImage(str(data / "ibsi1-ct-phantom/nifti/mask/mask.nii.gz")), Modality.CT
    )


def case(name: str, patient: str, image: sitk.Image, mask: sitk.Image, modality: Modality) -> Case:
    samples = sitk.GetArrayFromImage(image).astype(np.float32)
    reference = sitk.GetArrayFromImage(mask) > 0
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, :3], affine[:3, 3] = direction[:, ::-1], image.GetOrigin()
    labels, _ = ndimage.label(reference, np.ones((3, 3, 3)))
    reference = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    grid = Grid((samples.shape[0], samples.shape[1], samples.shape[2]), affine)
    return Case(name, patient, Volume(samples=samples, grid=grid, modality=modality), reference)


def drawn(case: Case) -> dict[str, FloatArray]:
    """The points that an exact reader would click, by kind of prompt."""
    grid, voxels = case.volume.grid, np.argwhere(case.reference)
    largest = int(case.reference.sum(axis=(1, 2)).argmax())
    in_slice = voxels[voxels[:, 0] == largest]
    outline = grid.points(in_slice[ConvexHull(in_slice[:, 1:]).vertices])
    far = np.unravel_index(squareform(pdist(outline)).argmax(), (len(outline), len(outline)))
    flat = np.array([0.0, 0.5, 0.5])
    return {
        "line": outline[list(far)],
        "box in one slice": grid.points([in_slice.min(axis=0) - flat, in_slice.max(axis=0) + flat]),
        "box over all slices": grid.points([voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5]),
    }


def jittered(kind: str, points: FloatArray, random: np.random.Generator) -> Prompt:
    moved = points + random.normal(0, JITTER_MM, points.shape)
    if kind == "box in one slice":
        moved[1, 2] = moved[0, 2]
    ends = tuple((float(x), float(y), float(z)) for x, y, z in moved)
    return DiameterPrompt(ends) if kind == "line" else BoxPrompt(ends)


def earlier(case: Case, growth: float, random: np.random.Generator) -> FloatArray:
    """The reference ``growth`` times smaller, and shifted, as a probability map."""
    grid = case.volume.grid
    centre = np.argwhere(case.reference).mean(axis=0)
    moved = centre + grid.index_from_point[:3, :3] @ random.normal(0, SHIFT_MM, 3)
    return ndimage.affine_transform(
        case.reference.astype(np.float64), np.eye(3) * growth, centre - growth * moved, order=1
    )


def dice(one: BoolArray, two: BoolArray) -> float:
    return float(2 * (one & two).sum() / max(one.sum() + two.sum(), 1))


def score(case: Case, kind: str, prompts: tuple[Prompt, ...], prior: FloatArray | None) -> Score:
    grid = case.volume.grid
    if prior is None:
        ellipsoid, _ = ellipsoid_from_prompts(prompts)
        control = (ellipsoid.level(grid.points(np.indices(grid.shape).reshape(3, -1).T)) <= 1).reshape(grid.shape)
    else:
        control = prior >= 0.5
    start = time.perf_counter()
    proposal = segment_lesion(case.volume, prompts, prior=prior)
    seconds = time.perf_counter() - start
    truth_ml = float(case.reference.sum()) * grid.voxel_volume_mm3 / 1000
    return Score(
        case.name,
        case.patient,
        kind,
        dice(control, case.reference),
        dice(proposal.mask, case.reference),
        float(control.sum() / case.reference.sum() - 1),
        proposal.volume_ml / truth_ml - 1,
        proposal.volume_low_ml <= truth_ml <= proposal.volume_high_ml,
        proposal.confidence or 0.0,
        any(finding.severity is not Severity.INFO for finding in proposal.findings),
        seconds,
    )


def bootstrap(scores: list[Score]) -> tuple[float, float]:
    """95 % interval of the mean gain over the control, patients drawn with replacement."""
    patients = sorted({entry.patient for entry in scores})
    gain = {
        patient: [entry.dice - entry.control for entry in scores if entry.patient == patient] for patient in patients
    }
    random = np.random.default_rng(0)
    draws = [
        np.mean(np.concatenate([gain[patients[i]] for i in random.integers(0, len(patients), len(patients))]))
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def table(scores: list[Score]) -> None:
    print("| prompt | images | control | Dice | gain [95 %] | median volume error | bias | control's | in spread | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind in dict.fromkeys(entry.kind for entry in scores):
        for group in ("all", "STS"):
            chosen = [e for e in scores if e.kind == kind and (group == "all" or e.case.startswith(group))]
            if not chosen:
                continue
            low, high = bootstrap(chosen)
            errors, control = np.array([e.volume for e in chosen]), np.array([e.control_volume for e in chosen])
            mean, base = np.mean([e.dice for e in chosen]), np.mean([e.control for e in chosen])
            print(
                f"| {kind} | {group} {len(chosen)} | {base:.3f} | {mean:.3f} | {mean - base:+.3f} "
                f"[{low:+.3f}, {high:+.3f}] "
                f"| {np.median(abs(errors)):.0%} | {np.median(errors):+.0%} | {np.median(abs(control)):.0%} "
                f"| {np.mean([e.covered for e in chosen]):.0%} | {np.median([e.seconds for e in chosen]):.2f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    parser.add_argument("--kinds", default="line,box in one slice,box over all slices,follow-up")
    parser.add_argument("--each", action="store_true", help="one line a case too")
    options = parser.parse_args()
    wanted = options.kinds.split(",")
    scores: list[Score] = []
    for entry in cases(SHARED / "data"):
        if options.cases not in entry.name:
            continue
        for seed in range(options.seeds):
            random = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
            for kind, points in drawn(entry).items():
                prompt = jittered(kind, points, random)
                if kind in wanted:
                    scores.append(score(entry, kind, (prompt,), None))
            for growth in GROWTHS if "follow-up" in wanted else ():
                scores.append(score(entry, f"earlier mask, grown × {growth:g}", (), earlier(entry, growth, random)))
    if options.each:
        for name, kind in dict.fromkeys((e.case, e.kind) for e in scores):
            rows = [e for e in scores if (e.case, e.kind) == (name, kind)]
            print(
                f"{name:16s} {kind:28s} control {np.mean([e.control for e in rows]):.2f} "
                f"Dice {np.mean([e.dice for e in rows]):.2f} volume {np.mean([e.volume for e in rows]):+.0%} "
                f"confidence {np.mean([e.confidence for e in rows]):.2f} "
                f"warned {np.mean([e.warned for e in rows]):.1f}"
            )
    table(scores)


if __name__ == "__main__":
    main()
