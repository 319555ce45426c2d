"""The shared lesions with their masks, and what a reader would draw on each of them (../shared/data)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its users write
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.segmentation.prompt import BoxPrompt, DiameterPrompt, Point, PointPrompt, Prompt, ScribblePrompt
from imaging.volume import Modality, Volume

JITTER_MM = 2.0
STROKE_SHARE = 0.8  # of a diameter: strokes stop short of the margin
STROKE_POINTS = 7
SHARED = Path(os.environ.get("OSTEOTRACE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@dataclass(frozen=True, eq=False)
class Case:
    """An image and the largest piece of its mask."""

    name: str
    patient: str
    volume: Volume
    reference: BoolArray

    @property
    def volume_ml(self) -> float:
        return float(self.reference.sum()) * self.volume.grid.voxel_volume_mm3 / 1000


def cases(data: Path = SHARED / "data") -> Iterator[Case]:
    for patient in sorted((data / "sts-sarcoma").glob("STS_*")):
        for kind, modality in (("CT", Modality.CT), ("MR_T1", Modality.MR)):
            image = slices(patient / kind / "image")
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
    mask = sitk.ReadImage(str(data / "ibsi1-ct-phantom/nifti/mask/mask.nii.gz"))
    yield case("ibsi1", "ibsi1", slices(data / "ibsi1-ct-phantom" / "dicom" / "image"), mask, Modality.CT)


def slices(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    return sitk.ReadImage(reader.GetGDCMSeriesFileNames(str(folder)))


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


def prompts(case: Case, random: np.random.Generator) -> dict[str, Prompt | tuple[Prompt, ...]]:
    """By name, what a reader draws whose every coordinate is off by N(0, 2 mm)."""

    def off(points: FloatArray) -> tuple[Point, ...]:
        moved = points + random.normal(0, JITTER_MM, points.shape)
        return tuple((float(x), float(y), float(z)) for x, y, z in moved)

    long, short, across = diameters(case)
    low, high = corners(case, None)
    flat = np.array(off(np.stack(corners(case, largest_slice(case)))))
    flat[1, 2] = flat[0, 2]
    every = np.stack([long, short, across])
    radius_mm = float(np.linalg.norm(every[:2, 1] - every[:2, 0], axis=1).mean()) / 2
    centre = off(every[:2].reshape(-1, 3).mean(axis=0)[None])[0]
    return {
        "line": DiameterPrompt(off(long)),
        "line and short axis": DiameterPrompt(off(np.concatenate([long, short]))),
        "box in one slice": BoxPrompt(tuple((float(x), float(y), float(z)) for x, y, z in flat)),
        "box over all slices": BoxPrompt(off(np.stack([low, high]))),
        "three diameters": DiameterPrompt(off(every.reshape(-1, 3))),
        "three scribbles": tuple(ScribblePrompt(off(stroke(case, diameter))) for diameter in every),
        "point and radius": PointPrompt(centre, max(radius_mm + float(random.normal(0, JITTER_MM)), 1.0)),
    }


def largest_slice(case: Case) -> int:
    return int(case.reference.sum(axis=(1, 2)).argmax())


def corners(case: Case, number: int | None) -> tuple[FloatArray, FloatArray]:
    """Of the box round the lesion, or round its part in one slice."""
    voxels = np.argwhere(case.reference)
    beyond = np.array([0.5, 0.5, 0.5])
    if number is not None:
        voxels, beyond = voxels[voxels[:, 0] == number], np.array([0.0, 0.5, 0.5])
    low, high = case.volume.grid.points([voxels.min(axis=0) - beyond, voxels.max(axis=0) + beyond])
    return low, high


def diameters(case: Case) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The longest on the largest slice, the widest at right angles to it there, and from the first slice to the last.

    Each (2, 3) LPS mm.
    """
    grid, voxels, number = case.volume.grid, np.argwhere(case.reference), largest_slice(case)
    in_slice = voxels[voxels[:, 0] == number]
    points = grid.points(in_slice)
    outline = points[ConvexHull(in_slice[:, 1:]).vertices]
    one, other = np.unravel_index(squareform(pdist(outline)).argmax(), (len(outline), len(outline)))
    long = np.stack([outline[one], outline[other]])
    along = (long[1] - long[0]) / np.linalg.norm(long[1] - long[0])
    width = np.cross(along, np.cross(grid.affine[:3, 1], grid.affine[:3, 2]))
    width /= np.linalg.norm(width)
    place = np.rint((points - long[0]) @ along / max(grid.spacing_mm[1:])).astype(int)
    offset = (points - long[0]) @ width
    spans = {k: (offset[place == k].min(), offset[place == k].max()) for k in np.unique(place).tolist()}
    widest = max(spans, key=lambda k: spans[k][1] - spans[k][0])
    foot = long[0] + widest * max(grid.spacing_mm[1:]) * along
    short = np.stack([foot + side * width for side in spans[widest]])
    middle = voxels.mean(axis=0)
    ends = [[voxels[:, 0].min() - 0.5, *middle[1:]], [voxels[:, 0].max() + 0.5, *middle[1:]]]
    return long, short, grid.points(ends)


def stroke(case: Case, diameter: FloatArray) -> FloatArray:
    """Points along the middle of a diameter, those of them that lie on the lesion (at least two)."""
    shares = 0.5 + STROKE_SHARE * np.linspace(-0.5, 0.5, STROKE_POINTS)
    points = diameter[0] + shares[:, None] * (diameter[1] - diameter[0])
    index = np.clip(np.rint(case.volume.grid.indices(points)).astype(int), 0, np.array(case.reference.shape) - 1)
    on_lesion = case.reference[tuple(index.T)]
    return points[on_lesion] if on_lesion.sum() > 1 else points[[2, 4]]
