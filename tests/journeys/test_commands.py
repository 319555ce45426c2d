"""Each command as a person calls it: what it prints, what it writes, and how it says no."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid

if TYPE_CHECKING:
    from tests.journeys.conftest import Osteotrace

pytestmark = pytest.mark.journey

GRID = Grid.from_spacing((30, 48, 48), (2.0, 1.0, 1.0), origin_mm=(-24.0, -24.0, -30.0))


def ball(radius_mm: float) -> Any:
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T).reshape(*GRID.shape, 3)
    return np.linalg.norm(points, axis=-1) <= radius_mm


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright ball of 15 mm in noise, its masks at two sizes, and a dense ball on CT."""
    folder = tmp_path_factory.mktemp("files")
    noise = np.random.default_rng(1).normal(0, 8, GRID.shape)
    image = (100 + 200 * ball(15) + noise).astype(np.int16)
    (folder / "mr.nii.gz").write_bytes(nifti_bytes(image, GRID))
    (folder / "ct.nii.gz").write_bytes(nifti_bytes((40 + 2500 * ball(8) + noise).astype(np.int16), GRID))
    for name, radius in (("before", 15), ("after", 10)):
        (folder / f"{name}.nii.gz").write_bytes(nifti_bytes(ball(radius).astype(np.uint8), GRID))
    (folder / "empty.nii.gz").write_bytes(nifti_bytes(np.zeros(GRID.shape, np.uint8), GRID))
    return folder


def test_segment_writes_a_mask_that_others_read(
    files: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    out = tmp_path / "mask.nii.gz"
    done = osteotrace(
        "segment", files / "mr.nii.gz", "--modality", "mr", "--out", out, "--json",
        "--box", -15, -15, -15, 15, 15, 15,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    assert done.document["mask"] == "mask.nii.gz"
    truth = 4 / 3 * np.pi * 15**3 / 1000
    assert done.document["volume_ml"]["value"] == pytest.approx(truth, rel=0.1)
    image = nibabel.load(out)
    assert (np.asarray(image.dataobj) > 0).sum() * 2e-3 == pytest.approx(done.document["volume_ml"]["value"])


ENDS = [[-15, 0, 0], [15, 0, 0], [0, -15, 0], [0, 15, 0], [0, 0, -15], [0, 0, 15]]
TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
OBLIQUE = (np.array([[x, y, z] for x in (-14, 14) for y in (-14, 14) for z in (-14, 14)]) @ TURN.T).tolist()
IN_ONE_SLICE = [[-15, -15, 0], [15, 15, 0]]
SPANNED = [[0.9 * x for x in end] for end in ENDS]


@pytest.mark.parametrize(
    "rows",
    [
        [{"kind": "diameter", "points_lps_mm": ENDS[:2]}],
        [{"kind": "diameter", "points_lps_mm": ENDS[:4]}],
        [{"kind": "diameter", "points_lps_mm": ENDS}],
        [{"kind": "box", "points_lps_mm": IN_ONE_SLICE}],
        [{"kind": "box", "points_lps_mm": [[-15, -15, -15], [15, 15, 15]]}],
        [{"kind": "box", "points_lps_mm": OBLIQUE, "axes": "image"}],
        [
            {"kind": "box", "points_lps_mm": IN_ONE_SLICE},
            {"kind": "box", "points_lps_mm": [[-3, -3, -15], [3, 3, -15]]},
            {"kind": "box", "points_lps_mm": [[-3, -3, 15], [3, 3, 15]]},
        ],
        [{"kind": "point", "points_lps_mm": [[0, 0, 0]], "radius_mm": 15}],
        [
            {"kind": "scribble", "points_lps_mm": SPANNED},
            {"kind": "scribble", "points_lps_mm": [[22, 22, 0], [22, -22, 0]], "sign": -1},
        ],
        [{"kind": "mask", "path": "before.nii.gz#1"}],
    ],
    ids=[
        "line", "line and short axis", "three orthogonal diameters", "box in one slice", "box", "oblique box",
        "box in one slice, top and bottom", "point with a radius", "strokes", "earlier mask",
    ],
)  # fmt: skip
def test_segment_takes_every_prompt_from_a_file(
    files: Path, osteotrace: Osteotrace, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    prompts = files / f"{tmp_path.name}.json"  # beside the earlier mask, from where its path starts
    prompts.write_text(json.dumps({"schema": "osteotrace.prompt/1", "prompts": rows}))
    command = ["segment", files / "mr.nii.gz", "--modality", "mr", "--out", tmp_path / "m.nii.gz", "--json"]
    done = osteotrace(*command, "--prompts", prompts)
    assert done.code == 0, done.err
    assert done.document["volume_ml"]["value"] == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.2)
    assert done.document["segmenter"]["weights_licence"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--out", "m.nii.gz"], 2, "NO_PROMPT"),
        (["--out", "m.png", "--point", 0, 0, 0], 2, "BAD_OUTPUT_NAME"),
        (["--out", "m.nii.gz", "--point", 900, 0, 0], 2, "PROMPT_OUTSIDE_IMAGE"),
        (["--out", "m.nii.gz", "--backend", "magic", "--point", 0, 0, 0], 2, "UNKNOWN_BACKEND"),
        (["--out", "m.nii.gz", "--backend", "onnx", "--point", 0, 0, 0], 2, "BACKEND_LOCATION"),
        (["--out", "m.nii.gz", "--backend", "nnunet:/nowhere", "--point", 0, 0, 0], 2, "BACKEND_UNAVAILABLE"),
    ],
)
def test_segment_says_why_it_cannot(
    files: Path, osteotrace: Osteotrace, arguments: list[Any], code: int, says: str
) -> None:
    done = osteotrace("segment", files / "mr.nii.gz", "--modality", "mr", *arguments)
    assert (done.code, says in done.err) == (code, True), done.err
    assert done.out == ""


def test_a_lesion_that_is_not_found_writes_no_mask(files: Path, osteotrace: Osteotrace, tmp_path: Path) -> None:
    out = tmp_path / "mask.nii.gz"
    command = ["segment", files / "mr.nii.gz", "--modality", "mr", "--json", "--out", out]
    done = osteotrace(*command, "--box", 0.4, 0.4, 0.4, 0.401, 0.401, 0.401)
    assert done.code == 3, done.err
    assert done.document["mask"] is None
    assert [finding["code"] for finding in done.document["quality"]["findings"]] == ["LESION_NOT_FOUND"]
    assert not out.exists()


@pytest.mark.parametrize("read", ["mr.nii.gz", "before.nii.gz"])
def test_segment_never_writes_over_what_it_reads(
    files: Path, osteotrace: Osteotrace, tmp_path: Path, read: str
) -> None:
    for name in ("mr.nii.gz", "before.nii.gz"):
        shutil.copy(files / name, tmp_path)
    (tmp_path / "p.json").write_text(json.dumps([{"kind": "mask", "path": "before.nii.gz#1"}]))
    before = (tmp_path / read).read_bytes()
    command = ["segment", tmp_path / "mr.nii.gz", "--modality", "mr", "--prompts", tmp_path / "p.json"]
    done = osteotrace(*command, "--out", tmp_path / read)
    assert (done.code, "BAD_OUTPUT_NAME" in done.err) == (2, True), done.err
    assert (tmp_path / read).read_bytes() == before


@pytest.mark.parametrize(("text", "code"), [("[" * 100_000, 3), ("{", 3), ("[]", 2), ('\ufeff{"prompts": []}', 2)])
def test_prompts_that_say_nothing_are_told_from_prompts_that_are_damaged(
    files: Path, osteotrace: Osteotrace, tmp_path: Path, text: str, code: int
) -> None:
    (tmp_path / "p.json").write_text(text, encoding="utf-8")
    command = ["segment", files / "mr.nii.gz", "--modality", "mr", "--out", tmp_path / "m.nii.gz"]
    done = osteotrace(*command, "--prompts", tmp_path / "p.json")
    assert (done.code, ("NO_PROMPT" if code == 2 else "BAD_CASE_FILE") in done.err) == (code, True), done.err


def test_measure_gives_every_figure_with_unit_and_method(
    files: Path, osteotrace: Osteotrace, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("measure", files / "before.nii.gz", "--image", files / "mr.nii.gz", "--modality", "mr", "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    (segment,) = done.document["segments"]
    assert segment["volume_ml"]["value"] == ball(15).sum() * 2e-3
    low, high = segment["volume_ml"]["interval95"]
    assert low < 4 / 3 * np.pi * 3.375 < high
    assert segment["long_axis_mm"]["value"] == pytest.approx(30, abs=1)
    assert segment["intensity"]["mean"]["value"] == pytest.approx(300, abs=2)


def test_an_empty_mask_is_a_finding_and_never_a_zero(files: Path, osteotrace: Osteotrace) -> None:
    done = osteotrace("measure", files / "empty.nii.gz", "--json")
    assert done.document["segments"] == []
    assert done.document["findings"][0]["code"] == "EMPTY_MASK"


def test_compare_names_the_change_and_whether_it_exceeds_the_error(
    files: Path, osteotrace: Osteotrace, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("compare", files / "before.nii.gz", files / "after.nii.gz", "--modality", "ct", "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    document = done.document
    ratio = ball(10).sum() / ball(15).sum()
    assert document["volume_change_percent"]["value"] == pytest.approx(100 * (ratio - 1))
    assert document["exceeds_error"] is True
    assert document["categories"] == {"recist_1_1": "PR", "who": "PR", "volumetric_sphere": "PR"}


def test_compare_of_a_mask_with_itself_is_no_change(files: Path, osteotrace: Osteotrace) -> None:
    document = osteotrace("compare", files / "after.nii.gz", files / "after.nii.gz", "--json").document
    assert document["volume_change_percent"]["value"] == 0
    assert document["exceeds_error"] is False
    assert document["categories"]["volumetric_sphere"] == "SD"


def test_cement_is_found_related_and_written(
    files: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace(
        "cement", files / "ct.nii.gz", "--lesion", files / "after.nii.gz", "--out", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    (row,) = done.document["materials"]
    truth = 4 / 3 * np.pi * 8**3 / 1000
    assert row["volume_ml"]["value"] == pytest.approx(truth, rel=0.15)
    assert row["inside_lesion_ml"]["value"] == pytest.approx(row["volume_ml"]["value"], rel=0.01)
    assert row["neural_ml"] is None, "without a model of the foramina it is unknown, never 0"
    assert done.document["neural_ml"] is None
    assert {finding["code"] for finding in done.document["findings"]} >= {"ASSUMED_HU"}
    assert (tmp_path / "out" / row["mask"]).is_file()


@pytest.mark.parametrize(
    ("canal_hu", "neural_ml", "words"),
    [
        (20, 0.0, "canal and foramina: 0 mL (95 % 0 to 0.02)"),
        (1400, None, "canal and foramina: cannot be excluded"),
    ],
)
def test_no_material_found_is_none_in_the_canal_only_where_the_canal_shows_nothing_dense(
    osteotrace: Osteotrace, tmp_path: Path, canal_hu: int, neural_ml: float | None, words: str
) -> None:
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
    canal = (np.hypot(points[:, 0], points[:, 1]) <= 5).reshape(GRID.shape)
    plug = (np.linalg.norm(points, axis=1) <= 3).reshape(GRID.shape)
    samples = np.where(plug, canal_hu, np.where(canal, 20, 1150)).astype(np.int16)
    (tmp_path / "ct.nii.gz").write_bytes(nifti_bytes(samples, GRID))
    (tmp_path / "canal.nii.gz").write_bytes(nifti_bytes(canal.astype(np.uint8), GRID))
    command = ["cement", tmp_path / "ct.nii.gz", "--neural", tmp_path / "canal.nii.gz"]
    document = osteotrace(*command, "--json").document
    assert document["materials"] == []
    told = document["neural_ml"]
    assert told is None if neural_ml is None else told["value"] == neural_ml
    assert ("NEURAL_NOT_EXCLUDED" in {finding["code"] for finding in document["findings"]}) == (neural_ml is None)
    said = osteotrace(*command)
    assert words in said.out + said.err


def test_cement_on_mr_is_refused(files: Path, osteotrace: Osteotrace) -> None:
    assert osteotrace("cement", files / "mr.nii.gz", "--modality", "mr").code == 2


def test_register_exits_with_0_whatever_its_verdict(
    files: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    out = tmp_path / "t.json"
    modality = ["--fixed-modality", "mr", "--moving-modality", "mr"]
    done = osteotrace("register", files / "mr.nii.gz", files / "mr.nii.gz", *modality, "--out", out, "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    assert json.loads(out.read_text()) == done.document


def test_register_moves_each_bone_and_bends_soft_tissue_when_asked(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    exams = sorted(sample_case.glob("*_MR"))[:2]
    field = tmp_path / "field.nrrd"
    t1 = [
        next(row["series_uid"] for row in osteotrace("scan", exam, "--json").document["volumes"] if row["role"] == "t1")
        for exam in exams
    ]
    series = ["--fixed-series", t1[0], "--moving-series", t1[1]]
    (row,) = (row for row in osteotrace("scan", exams[0], "--json").document["volumes"] if row["series_uid"] == t1[0])
    grid = Grid(tuple(row["shape"]), np.array(row["affine_lps"]))
    halves = np.zeros(grid.shape, np.uint8)
    halves[:, :, : grid.shape[2] // 2], halves[0, 0, 0] = 1, 2  # a large part, and one of which nothing can be told
    (tmp_path / "bones.nii.gz").write_bytes(nifti_bytes(halves, grid))
    more = ["--bones", tmp_path / "bones.nii.gz", "--deformable", field]
    done = osteotrace("register", *exams, *series, "--out", tmp_path / "t.json", *more, "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    whole, part = (np.array(at["matrix_lps_fixed_from_moving"]) for at in (done.document, done.document["bones"][0]))
    assert [bone["verdict"] for bone in done.document["bones"]] == ["accepted", "rejected"]
    assert np.abs((whole - part) @ [0.0, 0.0, 0.0, 1.0]).max() < 5.0
    told = done.document["deformation"]
    assert told["verdict"] == "accepted" and told["field"] == "field.nrrd", told
    bends = sitk.DisplacementFieldTransform(sitk.ReadImage(field, sitk.sitkVectorFloat64))
    fixed_from_moving = np.array(done.document["matrix_lps_fixed_from_moving"])
    middle = np.array(bends.GetDisplacementField().TransformContinuousIndexToPhysicalPoint((20, 20, 15)))
    back = fixed_from_moving @ [*bends.TransformPoint(middle), 1.0]
    assert np.linalg.norm(back[:3] - middle) <= told["evidence"]["displacement_most_mm"] + 0.1


def test_register_refuses_another_name_for_the_field(files: Path, osteotrace: Osteotrace, tmp_path: Path) -> None:
    both = [files / "mr.nii.gz", files / "mr.nii.gz", "--fixed-modality", "mr", "--moving-modality", "mr"]
    done = osteotrace("register", *both, "--out", tmp_path / "t.json", "--deformable", tmp_path / "field.mha")
    assert done.code == 2
    assert "BAD_OUTPUT_NAME" in done.err


def test_convert_writes_what_nibabel_puts_at_the_same_place(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("convert", sample_case / "2003-01-06_MR", "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    assert len(done.document["volumes"]) == 2
    for row in done.document["volumes"]:
        image = nibabel.load(tmp_path / row["path"])
        assert image.header["sform_code"] == 1
        assert image.header["qform_code"] == 0
        ras_from_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
        ours = ras_from_lps @ np.array(row["affine_lps"])
        assert np.allclose(image.affine, ours[:, [2, 1, 0, 3]], atol=1e-3)
        assert list(image.shape) == row["shape"][::-1]


def test_several_volumes_and_no_choice_is_a_usage_error_that_lists_them(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    study = sample_case / "2003-01-06_MR"
    done = osteotrace("segment", study, "--point", 0, 0, 0, "--out", tmp_path / "m.nii.gz")
    assert done.code == 2
    assert "AMBIGUOUS_SERIES" in done.err
    uids = [row["series_uid"] for row in osteotrace("scan", study, "--json").document["volumes"]]
    assert all(uid in done.err for uid in uids)


@pytest.mark.parametrize("command", ["scan", "convert", "measure", "compare", "cement", "register", "run", "segment"])
def test_junk_gives_a_document_with_the_reason_and_exit_code_3(
    command: str, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    junk = tmp_path / "junk"
    junk.mkdir()
    (junk / "notes.txt").write_text("not an image")
    (junk / "broken.nii.gz").write_bytes(gzip.compress(b"nonsense" * 50))
    out = ["--out", str(tmp_path / "out.json")]
    arguments = {
        "scan": [junk],
        "convert": [junk, *out],
        "measure": [junk / "broken.nii.gz"],
        "compare": [junk / "broken.nii.gz", junk / "broken.nii.gz"],
        "cement": [junk],
        "register": [junk, junk, *out],
        "run": [junk, *out],
        "segment": [junk, "--point", 0, 0, 0, "--out", tmp_path / "m.nii.gz"],
    }[command]
    done = osteotrace(command, *arguments, "--json")
    assert done.code == 3, done.err
    assert "Traceback" not in done.err
    assert keeps_contract(done.out) == ""
    if command not in ("scan", "convert"):
        findings = done.document.get("findings") or done.document["quality"]["findings"]
        assert findings[0]["severity"] == "error"


def test_a_path_that_is_not_there_is_a_usage_error(osteotrace: Osteotrace, tmp_path: Path) -> None:
    done = osteotrace("scan", tmp_path / "nothing", "--json")
    assert (done.code, done.out) == (2, "")


def test_a_read_only_workspace_loses_nothing_and_says_so(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    blocked = tmp_path / "workspace"
    blocked.write_text("a file where the folder should be")
    shutil.copytree(sample_case / "2003-01-06_MR" / "T1", tmp_path / "case")
    done = osteotrace("run", tmp_path / "case", "--out", blocked, "--json")
    assert done.code in (2, 3)
    assert blocked.read_text() == "a file where the folder should be"


def test_a_case_without_lesions_says_that_none_was_given(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    shutil.copytree(sample_case / "2003-01-17_CT", tmp_path / "Doe^John")
    done = osteotrace("run", tmp_path / "Doe^John", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    assert "NO_LESION_GIVEN" in {finding["code"] for finding in done.document["findings"]}
    assert done.document["materials"], "material is found without lesions too"
    assert not any("Doe" in str(path) for path in (tmp_path / "out").rglob("*"))


def test_the_sample_command_writes_the_sample_case(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path, tree: Callable[[Path], dict[str, tuple[str, int]]]
) -> None:
    done = osteotrace("sample", tmp_path / "case", "--json")
    assert done.code == 0, done.err
    written = {name: digest for name, (digest, _) in tree(tmp_path / "case").items()}
    assert written == {name: digest for name, (digest, _) in tree(sample_case).items()}


def test_doctor_lists_every_segmenter_with_what_is_missing_and_where_weights_go(osteotrace: Osteotrace) -> None:
    rows = {row["name"]: row for row in osteotrace("doctor", "--json").document["checks"]}
    assert rows["segmenter agreement"]["ok"]
    for name, place in (("onnx", "model.json"), ("nnunet", "dataset.json"), ("monai", "configs/metadata.json")):
        row = rows[f"segmenter {name}"]
        assert place in row["detail"]
        assert row["ok"] != ("pip install" in row["detail"])
    assert "totalseg_download_weights" in rows["bone by TotalSegmentator"]["detail"]


def test_doctor_finds_all_that_a_case_needs(osteotrace: Osteotrace) -> None:
    done = osteotrace("doctor", "--json")
    assert done.code == 0
    assert all(row["ok"] for row in done.document["checks"] if row["needed"])


def test_quiet_says_nothing(files: Path, osteotrace: Osteotrace) -> None:
    done = osteotrace("measure", files / "before.nii.gz", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")


def plan_files(folder: Path) -> Path:
    """A CT of a cylinder of tissue, a lesion, a canal beside it."""
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
    across = np.hypot(points[:, 0], points[:, 1]).reshape(GRID.shape)
    samples = np.where(across < 0.8 * across.max() / np.sqrt(2), 40, -1000).astype(np.int16)
    (folder / "ct.nii.gz").write_bytes(nifti_bytes(samples, GRID))
    lesion = (np.linalg.norm(points - [12, 0, 0], axis=1) <= 8).reshape(GRID.shape)
    canal = (np.hypot(points[:, 0] + 12, points[:, 1]) <= 4).reshape(GRID.shape)
    for name, mask in (("lesion", lesion), ("canal", canal)):
        (folder / f"{name}.nii.gz").write_bytes(nifti_bytes(mask.astype(np.uint8), GRID))
    return folder


def test_plan_says_where_how_much_and_which_way(osteotrace: Osteotrace, tmp_path: Path) -> None:
    folder = plan_files(tmp_path)
    command = ["plan", folder / "ct.nii.gz", "--modality", "ct", "--lesion", folder / "lesion.nii.gz"]
    done = osteotrace(*command, "--neural", folder / "canal.nii.gz", "--no-breach", "--json")
    assert done.code == 0, done.err
    assert done.document["target_lps_mm"] == pytest.approx([12, 0, 0], abs=2)
    assert done.document["margins"]["neural_mm"]["value"] == pytest.approx(20, abs=2)
    assert done.document["margins"]["breach_mm"] is None
    assert done.document["paths"][0]["neural_clearance_mm"] >= 5
    told = osteotrace(*command, "--neural", folder / "canal.nii.gz", "--no-breach")
    assert "vessels, bowel, nerves not modelled; patient position as scanned" in told.out + told.err


@pytest.mark.parametrize(
    ("more", "code"), [((), "NEURAL_NOT_CONFIRMED"), (("--neural", "canal.nii.gz"), "BREACHES_NOT_CONFIRMED")]
)
def test_plan_is_refused_until_a_reader_has_confirmed_foramina_and_breaches(
    osteotrace: Osteotrace, tmp_path: Path, more: tuple[str, ...], code: str
) -> None:
    folder = plan_files(tmp_path)
    options = [folder / word if word.endswith(".gz") else word for word in more]
    command = ["plan", folder / "ct.nii.gz", "--modality", "ct", "--lesion", folder / "lesion.nii.gz", *options]
    done = osteotrace(*command, "--json")
    assert done.code == 3
    assert done.document["findings"][0]["code"] == code
    assert done.document["paths"] == []


def test_a_file_that_marks_nothing_is_no_canal_but_may_say_that_nothing_is_breached(
    osteotrace: Osteotrace, tmp_path: Path
) -> None:
    folder = plan_files(tmp_path)
    empty = folder / "empty.nii.gz"
    empty.write_bytes(nifti_bytes(np.zeros(GRID.shape, np.uint8), GRID))
    command = ["plan", folder / "ct.nii.gz", "--modality", "ct", "--lesion", folder / "lesion.nii.gz", "--json"]
    none_breached = osteotrace(*command, "--neural", folder / "canal.nii.gz", "--breach", empty)
    assert none_breached.code == 0, none_breached.err
    assert none_breached.document["margins"]["breach_mm"] is None
    no_canal = osteotrace(*command, "--neural", empty, "--no-breach")
    assert no_canal.code == 3
    assert no_canal.document["findings"][0]["code"] == "EMPTY_MASK"
