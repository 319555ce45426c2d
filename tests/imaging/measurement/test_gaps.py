"""Volumes over gaps between slices, held against ellipsoids of known volume.

The bound is that of the trapezoid rule for the ellipsoid's cross-sections A(z) = A₀ (1 − z²/c²): between two slices g
apart that both cut it, g³ A₀ / 6c² too little; at a pole, between g² A₀ / 4c too much and g³ A₀ / 6c² too little. Each
slice's own area is counted to half a pixel diagonal along its contour.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from imaging.dicom.gaps import stack_with_gaps
from imaging.dicom.geometry import stack_slices
from imaging.measurement.measure import measure_segment
from imaging.segmentation import Segment
from imaging.volume import Modality, Volume

PIXEL = 0.5
PLANE = (120, 120)
RADII = (18.0, 14.0, 16.0)  # along columns, rows, and the normal
CENTRE = np.array([0.0, 0.0, 31.3])
TRUTH_ML = 4 / 3 * math.pi * math.prod(RADII) / 1000
AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def image(heights, tilt=0.0):
    """The volume of slices at these heights, and the ellipsoid on it as somebody outlines it, slice by slice."""
    lean = np.tan(np.radians(tilt))
    positions = [(-30.0, -30.0 - lean * CENTRE[2] + lean * z, z) for z in heights]
    stack = stack_with_gaps(positions, [AXIAL] * len(positions), (PIXEL, PIXEL), PLANE)
    shape = stack.grid.shape
    valid = np.zeros(shape, dtype=bool)
    valid[[plane for plane, number in enumerate(stack.acquired.shown) if number is not None]] = True
    volume = Volume(
        samples=np.zeros(shape, np.int16),
        grid=stack.grid,
        modality=Modality.CT,
        valid=valid,
        acquired_slices=stack.acquired,
    )
    mask = np.zeros(shape, dtype=bool)
    row, column = np.meshgrid(np.arange(PLANE[0]), np.arange(PLANE[1]), indexing="ij")
    for plane, z in zip(stack.acquired.planes, heights, strict=True):
        y = -30.0 - lean * CENTRE[2] + lean * z + row * PIXEL
        x = -30.0 + column * PIXEL
        mask[plane] = (x / RADII[0]) ** 2 + (y / RADII[1]) ** 2 + ((z - CENTRE[2]) / RADII[2]) ** 2 <= 1
    return volume, Segment(mask=mask, grid=stack.grid)


def bound_ml(heights):
    a, b, c = RADII
    area = math.pi * a * b
    low, high = CENTRE[2] - c, CENTRE[2] + c
    total = 0.0
    for below, above in pairwise(heights):
        gap = above - below
        if low <= below and above <= high:
            total += gap**3 * area / (6 * c**2)
        elif above > low and below < high:
            total += max(gap**2 * area / (4 * c), gap**3 * area / (6 * c**2))
    outline = 2 * math.pi * max(a, b) * PIXEL * math.sqrt(2) / 2  # of the largest slice, and so of each
    reach = sum(1 for z in heights if low <= z <= high)
    return (total + outline * reach * (heights[-1] - heights[0]) / (len(heights) - 1)) / 1000


def lacking(spacing, *missing):
    count = int(64 / spacing)
    return [n * spacing for n in range(count) if n not in missing]


CASES = {
    "one of 2 mm": lacking(2.0, 15),
    "three of 2 mm": lacking(2.0, 11, 12, 20),
    "one at the pole": lacking(2.5, 6),
    "two of 5 mm": lacking(5.0, 5, 8),
    "uneven, with a common measure": [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 34, 41, 48, 55, 62],
    "uneven, with none": np.cumsum([0, *[2.0, 2.3, 2.71, 2.1, 3.3] * 5]).tolist(),
}


LEANING = [(name, 14.0) for name in CASES if name != "uneven, with none"]  # that one no grid keeps in its place


@pytest.mark.parametrize(("name", "tilt"), [*((name, 0.0) for name in CASES), *LEANING])
def test_the_volume_is_within_the_derived_bound_and_its_interval_holds_the_truth(name, tilt):
    heights = CASES[name]
    volume, lesion = image(heights, tilt)
    measured = measure_segment(lesion, volume=volume)
    assert measured.volume_ml.value == pytest.approx(TRUTH_ML, abs=bound_ml(heights))
    low, high = measured.volume_ml.interval95
    assert low <= TRUTH_ML <= high
    assert measured.volume_voxels_ml.value == measured.volume_ml.value
    (finding,) = [f for f in measured.findings if f.code == volume.acquired_slices.code]
    assert finding.severity == "warning"
    bridged_ml, whole_ml = map(float, re.search(r"([\d.]+) of its ([\d.]+) mL", finding.message).groups())
    assert 0.0 <= bridged_ml < whole_ml == round(measured.volume_ml.value, 2)
    assert measured.volume_error.gaps == pytest.approx(bridged_ml / whole_ml / math.sqrt(3), abs=0.01 / whole_ml)
    assert "extent" in measured.volume_ml.method
    assert "gaps between slices" in measured.volume_ml.method


def test_without_its_extents_the_same_mask_would_be_far_too_small():
    _, lesion = image(CASES["three of 2 mm"])
    whole = measure_segment(lesion, modality=Modality.CT)
    assert whole.volume_ml.value < 0.92 * TRUTH_ML  # two slices of 16 through its thickest part


def test_what_is_painted_over_a_gap_changes_no_volume_and_no_diameter():
    volume, lesion = image(lacking(2.0, 14, 15, 16))
    painted = lesion.mask.copy()
    painted[14:17] = lesion.mask.any(axis=0)
    before, after = (measure_segment(s, volume=volume) for s in (lesion, replace(lesion, mask=painted)))
    assert after.volume_ml.value == before.volume_ml.value
    assert after.long_axis_mm.value == before.long_axis_mm.value
    assert {f.code for f in before.findings} == {f.code for f in after.findings} == {"MISSING_SLICES"}


def test_a_lesion_that_reaches_no_gap_is_measured_and_told_as_on_the_whole_stack():
    heights = lacking(2.0, 3, 4, 28)  # the lesion lies from 15.3 to 47.3 mm
    volume, lesion = image(heights)
    measured = measure_segment(lesion, volume=volume)
    assert measured.findings == ()
    stack = stack_slices([(-30, -30, 2.0 * n) for n in range(32)], [AXIAL] * 32, (PIXEL, PIXEL), PLANE)
    even = measure_segment(Segment(mask=lesion.mask, grid=stack.grid))
    assert measured.volume_ml.value == pytest.approx(even.volume_ml.value, rel=1e-12)
    assert "gaps" not in measured.volume_ml.method


@pytest.mark.parametrize(
    ("missing", "told"), [((25,), False), ((24,), True), ((23,), True), ((22, 23), True), ((7,), True), ((6,), False)]
)
def test_the_slices_beside_a_gap_decide_who_is_told(missing, told):
    volume, lesion = image(lacking(2.0, *missing))  # the lesion lies on the slices 8 to 23
    codes = [finding.code for finding in measure_segment(lesion, volume=volume).findings]
    assert codes == (["MISSING_SLICES"] if told else [])


def test_a_gap_makes_no_pieces_and_an_imported_mask_keeps_its_own():
    volume, lesion = image(lacking(2.0, 14))
    assert "SEVERAL_COMPONENTS" not in {f.code for f in measure_segment(lesion, volume=volume).findings}
    apart = lesion.mask.copy()
    apart[17:19] = False
    split = measure_segment(replace(lesion, mask=apart), volume=volume)
    assert "SEVERAL_COMPONENTS" in {finding.code for finding in split.findings}


def test_a_mask_that_lies_in_a_gap_alone_is_measured_as_it_is_and_told():
    volume, lesion = image(lacking(2.0, 14, 15))
    alone = np.zeros_like(lesion.mask)
    alone[14, 50:60, 50:60] = True
    measured = measure_segment(replace(lesion, mask=alone), volume=volume)
    assert measured.volume_ml.value == pytest.approx(100 * PIXEL**2 * 2 / 1000)
    assert "MISSING_SLICES" in {finding.code for finding in measured.findings}


def test_slices_of_common_distances_reach_no_gap_though_others_of_the_stack_are_uneven():
    heights = [0.0, 3.0, 6.0, 9.0, *[9.0 + 2.0 * n for n in range(1, 26)]]
    volume, lesion = image(heights)
    assert volume.acquired_slices.code == "NON_UNIFORM_SPACING"
    assert measure_segment(lesion, volume=volume).findings == ()
