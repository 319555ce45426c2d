#!/usr/bin/env python
"""Measuring lesions against the libraries that others use, on this machine, in one run.

    python scripts/benchmark_measurement.py [--rounds 7] [--only shape,lesion,map]

Everything is synthetic and seeded. The peers take turns with us in every round and the best round of each counts: a
busy machine slows some rounds, none is ever too fast. What is measured:

shape    mesh area and volume, 3D diameter, in-plane axes of one lesion of 57,000 voxels
lesion   every measure of one lesion of 150,000 voxels with its image
map      every measure of 20 lesions in one label map of a 512 × 512 × 400 CT, from the map on

pyradiomics cannot be built for the Python of today. Its shape extension took 945 ms for a lesion (mesh, volume, area,
all diameters) in a run in which scikit-image's marching cubes took 22 ms, so its line is scikit-image's time × 945/22.
scikit-image and SimpleITK measure less than we do: counts, centroids, boxes, moments; with Feret the largest distance
of voxel corners.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its users write
from skimage.measure import marching_cubes, regionprops_table

from imaging.formats.label_map import segments_from
from imaging.geometry import Grid
from imaging.measurement.diameter import in_plane_axes, max_diameter_3d
from imaging.measurement.extent import Extent
from imaging.measurement.measure import measure_segment
from imaging.measurement.surface import surface_of
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

OURS = "osteotrace"
MARCHING_CUBES = "scikit-image marching_cubes"
PYRADIOMICS = "pyradiomics shape (scaled)"
# Of one lesion of 152,283 voxels in one run on one machine (July 2026): pyradiomics 3.0.1's shape extension 945 ms,
# scikit-image 0.26's marching cubes 22 ms.
PYRADIOMICS_PER_MARCHING_CUBES = 945.0 / 22.0
Ways = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Timing:
    """The best round of one way of doing a task."""

    name: str
    seconds: float


def best_of(ways: Ways, rounds: int) -> dict[str, Timing]:
    """Every way in turn, round after round."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {name: Timing(name, best) for name, best in seconds.items()}


def lesion(voxels: int) -> np.ndarray:
    """A lobed body of about so many voxels, with a margin of three."""
    radius = (3.0 * voxels / (4.0 * np.pi)) ** (1.0 / 3.0)
    half = int(1.5 * radius) + 1
    z, y, x = np.ogrid[-half : half + 1, -half : half + 1, -half : half + 1]
    angle = np.arctan2(y, x)
    reach = radius * (1.0 + 0.08 * np.sin(5.0 * angle) + 0.05 * np.sin(z / 3.0))
    mask = z**2 / 1.44 + y**2 * 1.15 + x**2 * 1.05 + 0.2 * x * z <= reach**2
    start, stop = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    return np.pad(mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))], 8)


def with_image(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[Segment, Volume]:
    grid = Grid.from_spacing(mask.shape, spacing)
    samples = 40 + 120 * mask + np.random.default_rng(1).normal(0, 15, mask.shape)
    return Segment(mask=mask, grid=grid), Volume(samples=samples.astype(np.int16), grid=grid, modality=Modality.CT)


def shape_ways(segment: Segment) -> Ways:
    def ours() -> object:
        extent = Extent.of(segment)
        return surface_of(extent), max_diameter_3d(extent), in_plane_axes(extent)

    return {
        OURS: ours,
        MARCHING_CUBES: lambda: marching_cubes(np.pad(segment.mask, 1).astype(np.float32), 0.5),
        "SimpleITK LabelShape with Feret": lambda: by_simpleitk(segment.mask.astype(np.uint8), feret=True),
    }


def lesion_ways(segment: Segment, image: Volume) -> Ways:
    return {
        OURS: lambda: measure_segment(segment, volume=image),
        MARCHING_CUBES: lambda: marching_cubes(np.pad(segment.mask, 1).astype(np.float32), 0.5),
        "scikit-image regionprops_table": lambda: by_scikit_image(segment.mask.astype(np.uint8), image.samples),
        "SimpleITK LabelShape with Feret": lambda: by_simpleitk(segment.mask.astype(np.uint8), feret=True),
    }


def ct_with_lesions(count: int = 20, shape: tuple[int, int, int] = (400, 512, 512)) -> tuple[np.ndarray, Volume]:
    """A label map with so many lesions of 1,000 to 60,000 voxels, and the CT that shows them."""
    random = np.random.default_rng(2)
    labels = np.zeros(shape, np.uint8)
    samples = random.integers(20, 60, shape, dtype=np.int16)
    places = random.permutation([(z, y, x) for z in (60, 170, 280) for y in (120, 250, 380) for x in (120, 250, 380)])
    for number, place in enumerate(places[:count], start=1):
        mask = lesion(int(random.uniform(1_000, 60_000)))
        box = tuple(slice(at - n // 2, at - n // 2 + n) for at, n in zip(place, mask.shape, strict=True))
        labels[box][mask] = number
        samples[box][mask] += 120
    return labels, Volume(samples=samples, grid=Grid.from_spacing(shape, (1.0, 0.8, 0.8)), modality=Modality.CT)


def map_ways(labels: np.ndarray, image: Volume) -> Ways:
    return {
        OURS: lambda: [measure_segment(segment, volume=image) for segment in segments_from(labels, image.grid, {})],
        "scikit-image regionprops_table": lambda: by_scikit_image(labels, image.samples),
        "SimpleITK LabelShape": lambda: by_simpleitk(labels, feret=False),
    }


def by_scikit_image(labels: np.ndarray, samples: np.ndarray) -> object:
    properties = ("label", "area", "bbox", "centroid", "inertia_tensor_eigvals", "intensity_mean", "intensity_std")
    return regionprops_table(labels, samples, properties=properties)


def by_simpleitk(labels: np.ndarray, *, feret: bool) -> object:
    found = sitk.LabelShapeStatisticsImageFilter()
    found.SetComputeFeretDiameter(feret)
    found.Execute(sitk.GetImageFromArray(labels))
    return [(found.GetPhysicalSize(label), found.GetPrincipalMoments(label)) for label in found.GetLabels()]


def with_pyradiomics(timings: dict[str, Timing]) -> dict[str, Timing]:
    """The timings and what pyradiomics would have taken beside them."""
    seconds = timings[MARCHING_CUBES].seconds * PYRADIOMICS_PER_MARCHING_CUBES
    return {**timings, PYRADIOMICS: Timing(PYRADIOMICS, seconds)}


def table(title: str, timings: dict[str, Timing]) -> None:
    print(f"\n| {title} | ms | time ÷ ours |\n|---|---|---|")
    for timing in sorted(timings.values(), key=lambda timing: timing.seconds):
        ratio = timing.seconds / timings[OURS].seconds
        print(f"| {timing.name} | {1000 * timing.seconds:.1f} | {ratio:.1f} × |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="shape,lesion,map")
    options = parser.parse_args()
    if "shape" in options.only:
        segment, _ = with_image(lesion(57_000), (1.0, 1.0, 1.0))
        count = int(segment.mask.sum())
        timings = with_pyradiomics(best_of(shape_ways(segment), options.rounds))
        table(f"mesh and diameters of one lesion, {count} voxels", timings)
    if "lesion" in options.only:
        segment, image = with_image(lesion(150_000), (1.0, 1.0, 1.0))
        count = int(segment.mask.sum())
        timings = with_pyradiomics(best_of(lesion_ways(segment, image), options.rounds))
        table(f"every measure of one lesion, {count} voxels", timings)
    if "map" in options.only:
        labels, image = ct_with_lesions()
        table("every measure of 20 lesions in 512 × 512 × 400", best_of(map_ways(labels, image), options.rounds))


if __name__ == "__main__":
    main()
