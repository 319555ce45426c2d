"""One mask, or a pair: what the commands refuse, and what they say of input that can hardly be meant."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from imaging.errors import AmbiguousSeries, EmptyMask, GeometryError, UsageError
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid
from pipelines.cli import main
from pipelines.single import compare_masks, measure_mask
from tests.pipelines.test_sources import segmentation, series

GRID = Grid.from_spacing((12, 32, 32), (3.0, 1.0, 1.0))


def mask_file(path: Path, *blocks: tuple[slice, ...], grid: Grid = GRID) -> str:
    labels = np.zeros(grid.shape, np.uint8)
    for number, block in enumerate(blocks, start=1):
        labels[block] = number
    path.write_bytes(nifti_bytes(labels, grid))
    return str(path)


def image_file(path: Path, grid: Grid = GRID) -> Path:
    path.write_bytes(nifti_bytes(np.zeros(grid.shape, np.int16), grid))
    return path


BLOCK = (slice(2, 10), slice(5, 25), slice(6, 26))
SMALLER = (slice(3, 9), slice(8, 22), slice(9, 23))


def codes(document: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"]]


def test_two_exams_of_one_lesion_leave_nothing_to_remark(tmp_path: Path) -> None:
    pair = [mask_file(tmp_path / f"{n}.nii.gz", block) for n, block in enumerate((BLOCK, SMALLER))]
    assert codes(compare_masks(*pair, modality="ct")) == []
    assert codes(compare_masks(*pair)) == ["READER_NOT_INCLUDED"]


def test_a_site_s_readers_and_cement_widen_the_intervals_of_measure_and_compare(tmp_path: Path) -> None:
    mask = mask_file(tmp_path / "m.nii.gz", BLOCK)
    config = tmp_path / "site.toml"
    config.write_text("reader_wcv_mr = 0.3\nreader_wcv_mr_cemented = 0.4\n")

    def widths(**more: Any) -> tuple[float, float]:
        (segment,) = measure_mask(mask, modality="mr", **more)["segments"]
        change = compare_masks(mask, mask, modality="mr", **more)["volume_change_ml"]
        return tuple(high - low for low, high in (segment["volume_ml"]["interval95"], change["interval95"]))

    steps = [widths(), widths(cemented=True), widths(config=config), widths(config=config, cemented=True)]
    for narrow, wide in pairwise(steps):
        assert all(less < more for less, more in zip(narrow, wide, strict=True))


def test_the_same_mask_given_twice_is_doubted(tmp_path: Path) -> None:
    mask = mask_file(tmp_path / "m.nii.gz", BLOCK)
    assert codes(compare_masks(mask, mask, modality="ct")) == ["SAME_MASK"]
    moved = Grid.from_spacing(GRID.shape, (3.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 7.0))
    elsewhere = mask_file(tmp_path / "moved.nii.gz", BLOCK, grid=moved)
    assert codes(compare_masks(mask, elsewhere, modality="ct")) == []


def test_a_pair_needs_one_lesion_of_each(tmp_path: Path) -> None:
    one, empty = mask_file(tmp_path / "m.nii.gz", BLOCK), mask_file(tmp_path / "empty.nii.gz")
    two = mask_file(tmp_path / "two.nii.gz", BLOCK, SMALLER)
    for pair in ((one, empty), (empty, one)):
        with pytest.raises(EmptyMask) as refused:
            compare_masks(*pair)
        assert refused.value.where == "empty.nii.gz"
    with pytest.raises(UsageError, match="choose one with #label"):
        compare_masks(one, two)
    assert compare_masks(one, f"{two}#2")["exceeds_error"] is True


def test_a_remark_names_the_mask_of_the_pair_that_it_is_about(tmp_path: Path) -> None:
    whole = mask_file(tmp_path / "whole.nii.gz", BLOCK)
    cut = mask_file(tmp_path / "cut.nii.gz", SMALLER, (slice(0, 9), slice(8, 22), slice(9, 23)))
    for pair in ((whole, f"{cut}#2"), (f"{cut}#2", whole)):
        (finding,) = compare_masks(*pair, modality="ct")["findings"]
        assert (finding["code"], finding["where"]) == ("LESION_TRUNCATED", "cut.nii.gz#2")


def test_an_image_on_another_grid_is_refused(tmp_path: Path) -> None:
    mask = mask_file(tmp_path / "m.nii.gz", BLOCK)
    other = image_file(tmp_path / "i.nii.gz", Grid.from_spacing(GRID.shape, (3.0, 1.0, 1.0), origin_mm=(2.5, 0.0, 0.0)))
    with pytest.raises(GeometryError):
        measure_mask(mask, image=other, modality="ct")
    with pytest.raises(GeometryError):
        compare_masks(mask, mask, image1=other, modality="ct")


def exam(folder: Path, patient: str, uid: str) -> tuple[str, Path]:
    """A SEG and its image."""
    series(folder / "ct", uid=uid, frame=f"{uid}.9")
    for path in (folder / "ct").iterdir():
        image = pydicom.dcmread(path)
        image.PatientID = patient
        image.save_as(path)
    return str(segmentation(folder / "SEG.dcm", folder / "ct")), folder / "ct"


@pytest.mark.parametrize(("others", "said"), [("P", []), ("Q", ["OTHER_PATIENT"]), ("", [])])
def test_two_patients_are_no_pair_of_exams(tmp_path: Path, others: str, said: list[str]) -> None:
    (mask0, image0), (mask1, image1) = exam(tmp_path / "0", "P", "1.2.4"), exam(tmp_path / "1", others, "1.2.5")
    document = compare_masks(mask0, mask1, image0=image0, image1=image1)
    assert [code for code in codes(document) if code == "OTHER_PATIENT"] == said


def test_each_image_of_a_pair_has_its_own_choice_of_series(tmp_path: Path) -> None:
    mask, folder = exam(tmp_path / "0", "P", "1.2.4")
    series(folder.parent / "more", uid="1.2.6", frame="1.2.4.9")
    with pytest.raises(AmbiguousSeries):
        compare_masks(mask, mask, image0=folder.parent)
    chosen = compare_masks(mask, mask, image0=folder.parent, series0="1.2.4", image1=folder, series1="1.2.4")
    assert chosen["volume_change_ml"]["value"] == 0.0


def test_a_mask_of_another_series_than_the_chosen_one_is_doubted(tmp_path: Path) -> None:
    mask, _ = exam(tmp_path / "0", "P", "1.2.4")
    series(tmp_path / "0" / "more", uid="1.2.6", frame="1.2.4.9")
    for chosen, said in (("1.2.4", []), ("1.2.6", ["OTHER_REFERENCE_SERIES"])):
        found = [measure_mask(mask, image=tmp_path / "0", series=chosen)["segments"][0]]
        found.append(compare_masks(mask, mask, image0=tmp_path / "0", series0=chosen))
        assert [[code for code in codes(row) if code.startswith("OTHER")] for row in found] == [said, said]


def test_what_measure_says_of_a_whole_file_is_said_aloud_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["measure", mask_file(tmp_path / "empty.nii.gz")])
    assert done.exit_code == 0
    assert "EMPTY_MASK: the file holds no segment with a voxel" in done.stdout
