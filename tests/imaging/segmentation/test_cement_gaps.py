"""Cement on a CT that lacks slices: an imaged slice counts with its own extent, and only what reaches a gap is told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imaging.dicom.gaps import stack_with_gaps
from imaging.measurement.material import relate_material
from imaging.segmentation.cement import find_material
from imaging.segmentation.segment import LesionId
from imaging.volume import Modality, Volume

RADIUS_MM = 9.0
BLUR_MM = 2.0
CENTRES = np.array([[20.0, 30.0, 20.0], [45.0, 30.0, 62.0]])  # LPS mm


def scanned(heights):
    """A CT of two balls of cement with slices at these heights, 1 mm pixels; what was not imaged holds nothing."""
    axial = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    stack = stack_with_gaps([(0.0, 0.0, z) for z in heights], [axial] * len(heights), (1.0, 1.0), (60, 64))
    y, x = np.mgrid[:60, :64]
    samples = np.full(stack.grid.shape, -1000, np.int16)
    for plane, z in zip(stack.acquired.planes, heights, strict=True):
        beyond = [np.sqrt((x - c[0]) ** 2 + (y - c[1]) ** 2 + (z - c[2]) ** 2) - RADIUS_MM for c in CENTRES]
        filled = np.clip(0.5 - np.minimum(*beyond) / BLUR_MM, 0, 1)  # a scanner's edge, not a staircase
        samples[plane] = np.rint(50 + 2750 * filled)
    valid = np.zeros(stack.grid.shape, dtype=bool)
    valid[list(stack.acquired.planes)] = True
    return Volume(samples=samples, grid=stack.grid, modality=Modality.CT, valid=valid, acquired_slices=stack.acquired)


def measured(*missing):
    """The rows of both balls, by lesion, on a CT that lacks these slices."""
    volume = scanned([2.0 * n for n in range(42) if n not in missing])
    points = volume.grid.points(np.indices(volume.grid.shape).reshape(3, -1).T)
    lesions = {
        LesionId(name): (np.linalg.norm(points - centre, axis=1) <= RADIUS_MM + 4).reshape(volume.grid.shape)
        for name, centre in zip(("lower", "upper"), CENTRES, strict=True)
    }
    find = find_material(volume, lesion_masks=lesions)
    assert len(find.pieces) == 2  # a gap parts nothing
    return {row.lesion: row for row in relate_material(find, lesions=lesions)}


@pytest.mark.parametrize("missing", [(10, 11), (10,), (8, 9), (7,)])
def test_cement_over_a_gap_is_told_once_and_measured_within_the_trapezoid_rule(missing):
    rows, whole = measured(*missing), measured(2, 3)  # slices 2 and 3 lie below all cement
    row = rows["lower"]
    assert [finding.code for finding in row.findings].count("MISSING_SLICES") == 1
    gap_mm = 2.0 * (len(missing) + 1)
    rule = gap_mm**3 * math.pi / 6  # A₀ g³ / 6c² of a ball
    outline = 2 * math.pi * RADIUS_MM * 1.0 * gap_mm / 2  # a pixel along the contour of a slice beside the gap
    assert row.volume_ml.value == pytest.approx(whole["lower"].volume_ml.value, abs=(rule + outline) / 1000)
    low, high = row.volume_ml.interval95
    assert low <= 4 / 3 * math.pi * RADIUS_MM**3 / 1000 <= high


@pytest.mark.parametrize("missing", [(10, 11), (2, 3)])
def test_cement_far_from_the_gap_is_measured_as_without_it_and_told_nothing(missing):
    rows = measured(*missing)
    for name in ("upper",) if missing == (10, 11) else ("lower", "upper"):
        assert "MISSING_SLICES" not in [finding.code for finding in rows[name].findings]
        whole = measured(39, 40)[name].volume_ml.value
        assert rows[name].volume_ml.value == pytest.approx(whole, rel=2e-3)  # both are clipped and share their blur
