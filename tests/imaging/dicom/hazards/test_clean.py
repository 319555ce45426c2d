"""Clean series in every shape raise no alarm, and slices that are taken away never go unseen."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.imaging.dicom.hazards.enhanced_cases import LEGACY, enhanced, groups_of, multiframe
from tests.imaging.dicom.hazards.judge import Outcome, judge
from tests.imaging.dicom.hazards.pixel_cases import unsigned
from tests.imaging.dicom.hazards.series import Plan, decimal, each, write

AXES = [np.array(rows) for rows in ([[1, 0, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, -1]], [[1, 0, 0], [0, 0, -1]])]
# Shrinking a case that writes forty files takes minutes and tells little more.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
EXAMPLES = settings(max_examples=10, phases=PHASES, suppress_health_check=list(HealthCheck))


def axis_aligned(cosines: np.ndarray) -> np.ndarray:
    return np.stack([*cosines, np.cross(*cosines)], axis=1).astype(float)


TURNS = st.one_of(
    st.sampled_from(AXES).map(axis_aligned),
    st.tuples(*[st.floats(-60, 60)] * 3).map(
        lambda angles: Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    ),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any orientation, matrix and spacing that still shows the whole phantom (58 × 54 × 57 mm)."""
    distance = draw(st.sampled_from([1.25, 2.0, 2.5, 3.0]))
    spacing = (draw(st.sampled_from([1.171875, 1.4, 1.7])), draw(st.sampled_from([1.171875, 1.3, 1.6])))
    return Plan(
        modality=draw(st.sampled_from(["CT", "MR"])),
        count=int(np.ceil(57 / distance)) + draw(st.integers(0, 3)),
        rows=int(np.ceil(54 / spacing[0])) + draw(st.integers(0, 5)),
        columns=int(np.ceil(57 / spacing[1])) + draw(st.integers(0, 5)),
        spacing=spacing,
        distance=distance,
        turn=draw(TURNS),
        center=tuple(draw(st.floats(-400, 400)) for _ in range(3)),
        decimals=draw(st.sampled_from([4, 6, 10])),
    )


def renumbered(images, draw):
    order = draw(st.sampled_from(["up", "down", "none"]))
    for number, image in enumerate(images if order == "up" else images[::-1], start=1):
        image.InstanceNumber = None if order == "none" else number
    return images


def vendor(images, plan, name):
    """What scanners really write, all of it harmless."""
    count = len(images)
    for n, image in enumerate(images):
        along = float(n * plan.distance)
        match name:
            case "siemens":
                image.Manufacturer, image.SliceLocation = "SIEMENS", decimal(along)
                image.AcquisitionNumber = n + 1
                image.AcquisitionTime = f"1015{n % 60:02d}.{n:06d}"
                image.SmallestImagePixelValue, image.LargestImagePixelValue = 0, 4095
            case "ge":
                image.Manufacturer, image.ImagesInAcquisition = "GE MEDICAL SYSTEMS", count
                image.SpacingBetweenSlices = decimal(plan.distance)
                image.TriggerTime = str(17 * n % 50)
                image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if plan.modality == "CT" else "OTHER"]
            case "philips":
                image.Manufacturer, image.SliceThickness = "Philips Medical Systems", decimal(plan.distance * 2)
                image.SpacingBetweenSlices = decimal(plan.distance)
                image.TemporalPositionIdentifier, image.NumberOfTemporalPositions = 1, 1
                image.ContentTime = f"1020{n % 60:02d}"
            case "toshiba":
                image.Manufacturer, image.AcquisitionNumber = "TOSHIBA", n // 4
                image.ImageComments = "ZZPHI^MARKER"
                image.ExposureTime = str(500 + n)
                image.WindowCenter = str(30 + n)
    return images


@EXAMPLES
@given(plan=plans(), data=st.data())
def test_clean_series_raise_no_alarm_and_are_exact(plan, data, tmp_path_factory):
    home = tmp_path_factory.mktemp("clean")
    images = vendor(plan.series(), plan, data.draw(st.sampled_from(["siemens", "ge", "philips", "toshiba"])))
    images = renumbered(images, data.draw)
    if data.draw(st.booleans()):
        unsigned(images)
    random.Random(data.draw(st.integers(0, 9))).shuffle(images)
    _assert_clean(home, images, plan)


@EXAMPLES
@given(plan=plans(), seed=st.integers(0, 99), shape=st.sampled_from(["enhanced", "legacy"]))
def test_clean_multi_frame_images_raise_no_alarm_and_are_exact(plan, seed, shape, tmp_path_factory):
    home = tmp_path_factory.mktemp("clean")
    order = list(range(plan.count))
    random.Random(seed).shuffle(order)
    if shape == "enhanced":
        image = enhanced(plan, order)
    else:
        frames = plan.series()
        image = multiframe([frames[n] for n in order], [groups_of(frames[n], n) for n in order], plan.modality)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = LEGACY[plan.modality]
    _assert_clean(home, [image], plan)


def _assert_clean(home: Path, images, plan: Plan) -> None:
    write(images, home)
    found = judge([home], [plan.truth])
    shutil.rmtree(home)
    assert found.outcome is Outcome.LOAD, (found.outcome, found.codes, found.detail)
    (record,) = found.index.volumes
    assert (record.verdict, record.code, found.index.findings) == ("exact", None, ())
    assert not found.notes


@EXAMPLES
@given(tilt=st.floats(-30, 30), distance=st.sampled_from([2.0, 2.5]), turn=TURNS)
def test_any_tilt_is_kept_as_shear(tilt, distance, turn, tmp_path_factory):
    home = tmp_path_factory.mktemp("tilt")
    plan = Plan(
        tilt_deg=tilt, distance=distance, count=int(np.ceil(60 / distance)) + 14, rows=50, columns=40, turn=turn
    )
    write(plan.series(), home)
    # A lean of less than a tenth of a pixel over the whole stack is jitter, and the volume is off by half of it.
    lean_mm = (plan.count - 1) * distance * np.tan(np.radians(abs(tilt)))
    jitter_mm = 0.1 * min(plan.spacing)
    found = judge([home], [replace(plan.truth, places_mm=lean_mm if lean_mm <= jitter_mm else 0.0)])
    shutil.rmtree(home)
    assert found.outcome is (Outcome.WARN if lean_mm > jitter_mm else Outcome.LOAD), (found.outcome, found.detail)
    assert found.codes == ({"GANTRY_TILT"} if lean_mm > jitter_mm else set())


@pytest.mark.parametrize("with_numbers", [True, False])
def test_no_drop_of_slices_goes_unseen(with_numbers, tmp_path):
    """A hundred times, some slices never arrive. What is loaded then is in its place, and says that it is cut."""
    plan = Plan()
    images = each(plan.series(), ImagesInAcquisition=plan.count if with_numbers else None)
    if not with_numbers:
        each(images, InstanceNumber=None)
    paths = write(images, tmp_path / "whole")
    generator = random.Random(17)
    for attempt in range(50):
        dropped = set(generator.sample(range(plan.count), generator.randint(1, 8)))
        kept = [path for n, path in enumerate(paths) if n not in dropped]
        found = judge(kept, [plan.truth])
        inner = range(min(set(range(plan.count)) - dropped), max(set(range(plan.count)) - dropped))
        if dropped & set(inner) and _is_uneven(sorted(set(range(plan.count)) - dropped)):
            assert found.outcome is Outcome.ERROR, (attempt, dropped, found.outcome)
            assert found.codes == {"MISSING_SLICES"}, (attempt, dropped, found.codes)
        elif with_numbers:
            assert found.outcome is Outcome.WARN, (attempt, dropped, found.outcome)
            assert found.codes == {"INCOMPLETE_SERIES"}, (attempt, dropped, found.codes)
        else:  # cut at the ends, and nothing in any header tells: in place all the same
            assert "slices" in found.detail, (attempt, dropped, found.detail)


def _is_uneven(places: list[int]) -> bool:
    return len(set(np.diff(places))) > 1
