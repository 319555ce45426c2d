"""The layers without a window: where they lie, what they show, whose voxels a brush changes."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from imaging.segmentation import LesionId
from pipelines.review.behind import Place
from pipelines.review.session import Session
from pipelines.review.stage import Stage
from pipelines.review.tools import TOOLS
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder

pytestmark = pytest.mark.xdist_group("review")
L1, L2 = LesionId("L1"), LesionId("L2")


@pytest.fixture
def stage(case_folder) -> Stage:
    target = CaseFolder(case_folder)
    session = Session(target, last_run(target), reader="reader-1")
    stage = Stage(ViewerModel(), session)
    stage.show(session.views)
    return stage


def test_a_pane_has_image_material_and_lesions_on_the_same_millimetres(stage):
    assert [pane.view.timepoint for pane in stage.panes] == ["T0", "T1", "T2"]
    for pane in stage.panes:
        grid = pane.sheet.grid
        assert {layer.data.shape for layer in pane.layers} == {pane.image.data.shape}
        assert sorted(pane.image.data.shape) == sorted(grid.shape)
        for layer in pane.layers:
            assert tuple(layer.scale) == pytest.approx(pane.spacing_mm)
            assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
        assert np.prod(pane.image.scale) == pytest.approx(grid.voxel_volume_mm3)


@pytest.mark.parametrize("lesion", [L1, L2])
def test_a_jump_brings_the_lesion_to_the_middle_of_every_pane(stage, lesion):
    stage.jump(lesion)
    assert stage.viewer.dims.point == (0.0, 0.0, 0.0)
    for pane in stage.panes:
        mask = pane.lesions.data == pane.sheet.numbers[lesion]
        centre = np.argwhere(mask).mean(axis=0)
        np.testing.assert_allclose(pane.lesions.data_to_world(centre), 0, atol=1e-6)
        assert pane.lesions.selected_label == pane.sheet.numbers[lesion]


def test_layers_show_the_native_voxels_and_nothing_else(stage):
    for pane in stage.panes:
        order = pane.sheet.order
        np.testing.assert_array_equal(order.native(np.asarray(pane.image.data)), pane.view.volume().samples)
        assert np.shares_memory(pane.lesions.data, pane.sheet.labels)


def test_the_brush_paints_the_current_lesion_on_the_native_voxels_and_undo_takes_it_back(stage):
    stage.jump(L2)
    told: list[int] = []
    stage.on_paint = lambda: told.append(1)
    pane = stage.panes[0]
    before = pane.sheet.mask(L2)
    pane.lesions.paint((2, 6, 6), pane.sheet.numbers[L2])
    assert told
    assert stage.session.edited(Place(L2, "T0"))
    assert not stage.session.edited(Place(L1, "T0"))
    painted = pane.sheet.mask(L2) & ~before
    assert painted.any()
    np.testing.assert_array_equal(np.argwhere(pane.sheet.order.turned(painted))[:, 0], 2)
    count = len(told)
    pane.lesions.undo()
    assert len(told) > count
    assert not stage.session.edited(Place(L2, "T0"))


def test_a_brush_takes_no_voxel_from_another_lesion(stage):
    stage.jump(L2)
    pane = stage.panes[2]
    before = pane.sheet.mask(L1)
    centre = np.round(np.argwhere(pane.sheet.order.turned(before)).mean(axis=0)).astype(int)
    pane.lesions.paint(tuple(centre), pane.sheet.numbers[L2])
    np.testing.assert_array_equal(pane.sheet.mask(L1), before)


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.text for tool in TOOLS])
def test_a_tool_makes_of_the_outline_what_its_function_says_and_one_undo_takes_it_back(stage, tool):
    stage.jump(L1)
    pane = stage.panes[0]
    middle = np.round(np.argwhere(pane.sheet.mask(L1)).mean(axis=0)).astype(int)
    stage.change(pane, with_hole_and_island(pane.sheet.mask(L1), middle))
    before, other = pane.sheet.mask(L1), pane.sheet.mask(L2)
    expected = tool.change(before, pane.sheet.grid)
    assert not np.array_equal(expected, before) or tool.text == "Fill slices"
    stage.apply(tool.change)
    np.testing.assert_array_equal(pane.sheet.mask(L1), expected & ~other)
    np.testing.assert_array_equal(pane.sheet.mask(L2), other)
    if not np.array_equal(expected, before):
        pane.lesions.undo()
    np.testing.assert_array_equal(pane.sheet.mask(L1), before)


def with_hole_and_island(mask: np.ndarray, middle: np.ndarray) -> np.ndarray:
    result = mask.copy()
    result[tuple(middle)] = False
    result[0, 1, 1] = True
    return result


def test_a_slice_that_was_left_out_is_filled_in(stage):
    stage.jump(L1)
    pane = stage.panes[0]
    whole = pane.sheet.mask(L1)
    middle = int(np.round(np.argwhere(whole)[:, 0].mean()))
    gapped = whole.copy()
    gapped[middle] = False
    stage.change(pane, gapped)
    assert not pane.sheet.mask(L1)[middle].any()
    (fill,) = [tool for tool in TOOLS if tool.key == "F"]
    stage.apply(fill.change)
    both = (pane.sheet.mask(L1)[middle] & whole[middle]).sum()
    assert both > 0.8 * whole[middle].sum()


def test_a_click_moves_the_outline_past_it_on_its_own_side(stage):
    stage.jump(L1)
    pane = stage.panes[0]
    before = pane.sheet.mask(L1)
    edge = np.argwhere(before)[np.argwhere(before)[:, 2].argmax()]
    outside = edge + np.array([0, 0, 2])
    stage.correct(pane, outside.astype(float))
    after = pane.sheet.mask(L1)
    assert after[tuple(outside)]
    assert not (before & ~after).any()
    assert stage.session.edited(Place(L1, "T0"))
    stage.correct(pane, outside.astype(float))  # the same place again: now it is inside, and wrong
    assert not pane.sheet.mask(L1)[tuple(outside)]


@pytest.mark.parametrize("label", [0, 1, 3])
def test_the_brush_has_the_current_lesions_number_and_no_other(stage, label):
    stage.jump(L2)
    pane = stage.panes[0]
    pane.lesions.selected_label = label  # as napari's keys M, X, - and = do
    assert pane.lesions.selected_label == pane.sheet.numbers[L2]


def test_there_is_one_brush_for_all_panes(stage):
    stage.set_mode("paint")
    stage.panes[1].lesions.mode = "erase"
    assert {str(pane.lesions.mode) for pane in stage.panes} == {"erase"}


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_letters_at_the_sides_name_the_patients_sides(stage, plane):
    """Going one step towards a side on the screen goes towards the side of the patient that its letter names."""
    stage.set_plane(plane)
    pane = stage.panes[0]
    vertical, horizontal = stage.viewer.dims.displayed
    down, right = (str(o) for o in stage.viewer.scene.camera.orientation2d)
    grid, order = pane.sheet.grid, pane.sheet.order
    points = order.turned(np.arange(np.prod(grid.shape)).reshape(grid.shape))
    start = points[0, 0, 0]

    def lps_step(axis: int) -> np.ndarray:
        index = [0, 0, 0]
        index[axis] = 1
        ends = [np.array(np.unravel_index(n, grid.shape)) for n in (start, points[tuple(index)])]
        return grid.points([ends[1]])[0] - grid.points([ends[0]])[0]

    towards = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
    steps = {
        "bottom": lps_step(vertical) * (1 if down == "down" else -1),
        "top": lps_step(vertical) * (-1 if down == "down" else 1),
        "right": lps_step(horizontal) * (1 if right == "right" else -1),
        "left": lps_step(horizontal) * (-1 if right == "right" else 1),
    }
    for side, step in steps.items():
        axis, sign = towards[stage.viewer.canvas.overlays[f"side_{side}"].text]
        assert np.argmax(np.abs(step)) == axis
        assert np.sign(step[axis]) == sign
