"""Many study folders at once: every good one done, every bad one one typed row, and nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.journeys.hostile import PATIENT, SITECUSTOMIZE, Root, forty_folders, with_patient
from tests.pipelines.batch.conftest import gone, processes

if TYPE_CHECKING:
    from tests.journeys.conftest import Done, Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("batch")]

TIMEOUT_S = 120  # three times what the sample case takes on two busy cores
CLOCKED = {"run.log", "journal.jsonl", "batch.json"}


@dataclass(frozen=True)
class First:
    """The batch over forty folders with two workers."""

    root: Root
    workspace: Path
    done: Done
    seconds: float
    options: tuple[object, ...]
    environment: dict[str, str]
    before: dict[str, Any]


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the processes of some cases abort, hang or eat, as native code would make them."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return {"PYTHONPATH": str(site), "DIED_ONCE": str(site / "died")}


def entries(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that a folder holds, pipes and links too, without opening a pipe."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_size,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def results(workspace: Path) -> dict[str, bytes]:
    """Every file of a workspace but those that may tell the time."""
    files = (path for path in sorted(workspace.rglob("*")) if path.is_file() and path.name not in CLOCKED)
    return {str(path.relative_to(workspace)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def first(
    osteotrace: Osteotrace, sample_case: Path, misbehaving: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> First:
    folder = tmp_path_factory.mktemp("forty")
    (folder / "in").mkdir()
    root = forty_folders(folder / "in", sample_case)
    before = entries(root.path)
    options = ("--timeout", TIMEOUT_S, "--memory", 2, "--json")
    started = time.monotonic()
    done = osteotrace("batch", root.path, "--out", folder / "out", "--workers", 2, *options, **misbehaving)
    seconds = time.monotonic() - started
    return First(root, folder / "out", done, seconds, options, misbehaving, before)


def test_every_folder_has_exactly_the_row_that_it_must_have(first: First) -> None:
    rows = Counter((row["case"], row["status"], row["code"]) for row in first.done.document["cases"])
    assert len(first.root.expected) == 40
    assert rows == Counter((first.root.ids[name], *end) for name, end in first.root.expected.items())
    assert first.done.code == 4


def test_the_document_keeps_the_contract_and_lies_in_the_workspace(
    first: First, keeps_contract: Callable[[Path | str], str]
) -> None:
    assert keeps_contract(first.done.out) == ""
    assert json.loads((first.workspace / "batch.json").read_text()) == first.done.document
    counts = first.done.document["counts"]
    assert counts["cases"] == counts["done"] + counts["refused"] + counts["failed"] == 40


def test_the_deaths_say_how_and_that_they_were_tried_twice(first: First) -> None:
    messages = {row["code"]: row["message"] for row in first.done.document["cases"]}
    assert "SIGABRT" in messages["WORKER_DIED"] and "twice" in messages["WORKER_DIED"]
    assert str(TIMEOUT_S) in messages["TIMEOUT"]


def test_nothing_of_the_input_was_touched_and_nothing_was_left(first: First) -> None:
    assert entries(first.root.path) == first.before
    left = [path for path in first.workspace.rglob(".*") if path.name != ".lock"]
    assert left == []
    assert [p for p in first.workspace.iterdir() if p.is_dir() and not (p / "case.json").is_file()] == []


def test_no_folder_name_is_told_anywhere(first: First) -> None:
    surname = PATIENT.split("^", maxsplit=1)[0]
    assert surname not in first.done.out + first.done.err
    assert [
        name for name, content in results(first.workspace).items() if surname.encode() in name.encode() + content
    ] == []
    for path in (path for name in CLOCKED for path in first.workspace.rglob(name)):
        assert surname not in path.read_text()


def test_a_second_run_does_nothing_again_and_takes_a_tenth_of_the_time(first: First, osteotrace: Osteotrace) -> None:
    before = results(first.workspace)
    started = time.monotonic()
    again = osteotrace("batch", first.root.path, "--out", first.workspace, *first.options, **first.environment)
    assert time.monotonic() - started <= 0.1 * first.seconds
    assert again.code == 4
    ends = [(row["case"], row["status"], row["code"]) for row in again.document["cases"]]
    assert ends == [(row["case"], row["status"], row["code"]) for row in first.done.document["cases"]]
    planned_refusals = {"LINK_OUTSIDE", "LINK_BROKEN", "DUPLICATE_CASE_ID"}
    assert all(row["resumed"] for row in again.document["cases"] if row["code"] not in planned_refusals)
    assert results(first.workspace) == before


def test_one_worker_gives_the_same_bytes_as_two(first: First, osteotrace: Osteotrace, tmp_path: Path) -> None:
    # What hangs would hang again for as long: its row is taken over from the first journal, as a resumed batch does.
    lines = (first.workspace / "journal.jsonl").read_text().splitlines()
    failures = [line for line in lines if json.loads(line)["outcome"]["code"] == "TIMEOUT"]
    (tmp_path / "journal.jsonl").write_text("\n".join(failures) + "\n")
    done = osteotrace("batch", first.root.path, "--out", tmp_path, "--workers", 1, *first.options, **first.environment)
    assert [row["resumed"] for row in done.document["cases"]].count(True) == 1
    one, two = results(tmp_path), results(first.workspace)
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []


def test_a_case_has_the_bytes_that_a_run_of_it_alone_gives(
    first: First, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    lesions = next(path for path in first.root.path.iterdir() if path.name.endswith("lesions"))
    assert osteotrace("run", lesions, "--out", tmp_path).code == 0
    assert results(tmp_path / "LESIONS-1") == results(first.workspace / "LESIONS-1")


class Links(HTMLParser):
    """Every attribute of a page, and every element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str | None]] = []
        self.names: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes += attrs


def test_the_cohort_holds_every_figure_of_every_done_case(first: First) -> None:
    lines = (first.workspace / "cohort.csv").read_text().splitlines()
    measurements = sorted(first.workspace.glob("*/measurements.csv"))
    expected = [line for path in measurements for line in path.read_text().splitlines()[1:]]
    assert len(expected) > 20
    assert lines[1:] == expected
    table = pq.read_table(first.workspace / "cohort.parquet")
    assert table.num_rows == len(expected)
    volumes = [row for row in table.to_pylist() if row["case"] == "SACROPLASTY-001" and row["quantity"] == "volume_ml"]
    document = json.loads((first.workspace / "SACROPLASTY-001" / "case.json").read_text())
    measured = [o["volume_ml"] for lesion in document["lesions"] for o in lesion["observations"]]
    assert [row["value"] for row in volumes] == [quantity and quantity["value"] for quantity in measured]


def test_the_cohort_page_needs_nothing_and_names_every_case(first: First) -> None:
    text = (first.workspace / "cohort.html").read_text()
    page = Links(text)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert "default-src 'none'" in text and page.names["script"] == page.names["link"] == 0
    assert page.names["svg"] == 1
    assert all(text.count(f">{row['case']}<") >= 1 for row in first.done.document["cases"])


# --- smaller batches ------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path, sample_case: Path) -> Root:
    (tmp_path / "in").mkdir()
    return Root(tmp_path / "in", sample_case)


@pytest.fixture
def running(small: Root, tmp_path: Path, misbehaving: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A batch of which one case is done and one hangs."""
    small.add("0 good", "done", None, small.slices)
    small.add("1 hangs", "done", None, small.slices)
    command = [str(Path(sys.executable).with_name("osteotrace")), "batch", str(small.path), "--out"]
    batch = subprocess.Popen(
        [*command, str(tmp_path / "out"), "--workers", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **misbehaving},
    )
    journal, deadline = tmp_path / "out" / "journal.jsonl", time.monotonic() + 60
    while not journal.is_file():
        assert time.monotonic() < deadline and batch.poll() is None
        time.sleep(0.1)
    yield batch
    batch.kill()
    batch.communicate()


def children_of(pid: int) -> list[int]:
    return [child for child, (parent, _, _) in processes().items() if parent == pid]


@pytest.mark.parametrize("call", [signal.SIGINT, signal.SIGTERM])
def test_a_call_to_stop_is_obeyed_at_once_and_the_same_call_goes_on(
    running: subprocess.Popen[str],
    small: Root,
    tmp_path: Path,
    osteotrace: Osteotrace,
    keeps_contract: Callable[[Path | str], str],
    call: signal.Signals,
) -> None:
    (hanging,) = children_of(running.pid)
    started = time.monotonic()
    running.send_signal(call)
    out, _ = running.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert running.returncode == 130
    assert gone(hanging)
    assert keeps_contract(out) == ""
    document = json.loads(out)
    assert document == json.loads((tmp_path / "out" / "batch.json").read_text())
    assert ([row["status"] for row in document["cases"]], document["findings"][-1]["code"]) == (["done"], "INTERRUPTED")
    assert sorted(path.name for path in (tmp_path / "out").glob(".*")) == [".lock"]
    again = osteotrace("batch", small.path, "--out", tmp_path / "out", "--json")
    assert (again.code, [row["resumed"] for row in again.document["cases"]]) == (0, [True, False])


def test_a_batch_that_is_killed_leaves_no_process_and_the_next_one_cleans_up(
    running: subprocess.Popen[str], small: Root, tmp_path: Path, osteotrace: Osteotrace
) -> None:
    (hanging,) = children_of(running.pid)
    running.kill()
    running.wait()
    assert gone(hanging)
    assert list((tmp_path / "out" / ".scratch").iterdir())
    (tmp_path / "out" / ".batch.json.x.part").touch()
    again = osteotrace("batch", small.path, "--out", tmp_path / "out", "--json")
    assert (again.code, [row["resumed"] for row in again.document["cases"]]) == (0, [True, False])
    assert sorted(path.name for path in (tmp_path / "out").rglob(".*")) == [".lock"]


def test_two_batches_do_not_share_a_workspace(
    running: subprocess.Popen[str], small: Root, tmp_path: Path, osteotrace: Osteotrace
) -> None:
    second = osteotrace("batch", small.path, "--out", tmp_path / "out", "--json")
    assert (second.code, second.document["findings"][0]["code"]) == (3, "WORKSPACE_BUSY")
    assert running.poll() is None


def test_a_full_disk_ends_with_a_code_and_the_same_call_goes_on(
    small: Root, tmp_path: Path, osteotrace: Osteotrace
) -> None:
    small.add("good", "done", None, small.slices)
    program = Path(sys.executable).with_name("osteotrace")
    call = f'ulimit -f 6; exec "{program}" batch "{small.path}" --out "{tmp_path / "out"}" --json'
    full = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=False)
    assert full.returncode == 3, full.stderr
    rows = json.loads((tmp_path / "out" / "batch.json").read_text())["cases"]
    assert [(row["status"], row["code"]) for row in rows] == [("failed", "OUTPUT_NOT_WRITABLE")]
    assert osteotrace("batch", small.path, "--out", tmp_path / "out").code == 0


def test_what_readers_accepted_survives_every_later_batch(small: Root, tmp_path: Path, osteotrace: Osteotrace) -> None:
    small.add("lesions", "done", None, small.exam, id="L-1")
    out = tmp_path / "out"

    def statuses() -> list[str]:
        document = json.loads((out / "L-1" / "case.json").read_text())
        return [o["status"] for lesion in document["lesions"] for o in lesion["observations"]]

    def batch(*options: str) -> bool:
        (row,) = osteotrace("batch", small.path, "--out", out, "--json", *options).document["cases"]
        assert row["status"] == "done"
        return bool(row["resumed"])

    assert (batch(), statuses()) == (False, ["proposed", "proposed"])
    accepted = osteotrace("accept", out / "L-1", "--lesion", "L1", "--timepoint", "T0", "--reader", "me")
    assert accepted.code == 0
    words = entries(out / "L-1" / "review")
    assert [batch(), batch(), batch("--fresh")] == [False, True, False]
    assert statuses() == ["accepted", "proposed"]
    assert entries(out / "L-1" / "review") == words


def test_a_dry_run_writes_nothing_and_tells_what_would_be_done(
    small: Root, tmp_path: Path, osteotrace: Osteotrace, keeps_contract: Callable[[Path | str], str]
) -> None:
    small.add("good", "done", None, small.slices)
    (small.path / "link").symlink_to("/etc")
    planned = osteotrace("batch", small.path, "--out", tmp_path / "out", "--dry-run", "--json")
    assert keeps_contract(planned.out) == ""
    assert (planned.code, planned.document["planned"]) == (0, [small.ids[f"{PATIENT} good"]])
    assert [row["code"] for row in planned.document["cases"]] == ["LINK_OUTSIDE"]
    assert not (tmp_path / "out").exists()
    assert osteotrace("batch", small.path, "--out", tmp_path / "out", "-q").err == ""
    before = entries(tmp_path / "out")
    planned = osteotrace("batch", small.path, "--out", tmp_path / "out", "--dry-run", "--json")
    assert planned.document["planned"] == [] and len(planned.document["cases"]) == 2
    assert entries(tmp_path / "out") == before


def test_folders_of_one_patient_are_one_case_where_that_is_asked(
    small: Root, tmp_path: Path, osteotrace: Osteotrace
) -> None:
    small.add("1", "done", None, small.slices)
    small.add("2", "done", None, lambda folder: small.slices(folder, series="STIR"))
    small.add("3", "done", None, lambda folder: [with_patient(path, "OTHER") for path in small.slices(folder)])
    for name in "45":
        small.add(name, "done", None, lambda folder: [with_patient(path, "") for path in small.slices(folder)])
    small.add("6", "refused", "SEVERAL_PATIENTS", small.two_patients)
    call = ("batch", small.path, "--out", tmp_path / "out", "--group-by", "patient", "--identified", "--json")
    done = osteotrace(*call)
    rows = {tuple(name[-1] for name in row["folders"]): row["status"] for row in done.document["cases"]}
    assert rows == {("1", "2"): "done", ("3",): "done", ("4",): "done", ("5",): "done", ("6",): "refused"}
    assert [finding["code"] for finding in done.document["findings"]] == ["PATIENT_UNKNOWN"]
    merged = json.loads((tmp_path / "out" / done.document["cases"][0]["case"] / "case.json").read_text())
    assert sorted(series["role"] for series in merged["timepoints"][0]["series"]) == ["stir", "t1"]
    again = osteotrace(*call)
    assert all(row["resumed"] for row in again.document["cases"])


def test_a_name_that_is_no_text_is_shown_as_far_as_it_can_be(
    small: Root, tmp_path: Path, osteotrace: Osteotrace
) -> None:
    small.add(os.fsdecode(b"\xff"), "done", None, small.slices)
    done = osteotrace("batch", small.path, "--out", tmp_path / "out", "--identified", "--json")
    (row,) = done.document["cases"]
    assert (done.code, row["folders"]) == (0, [f"{PATIENT} \ufffd"])


def test_a_cluster_gives_the_same_bytes(small: Root, tmp_path: Path, osteotrace: Osteotrace) -> None:
    from distributed import LocalCluster

    small.add("lesions", "done", None, small.exam, id="L-1")
    small.add("good", "done", None, small.slices)
    small.add("empty", "refused", "NO_IMAGE", lambda folder: None)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster:
        far = osteotrace(
            "batch", small.path, "--out", tmp_path / "far", "--json", "--scheduler", cluster.scheduler_address
        )
    near = osteotrace("batch", small.path, "--out", tmp_path / "near", "--json")
    ends = [[(row["case"], row["status"], row["code"]) for row in done.document["cases"]] for done in (far, near)]
    assert ends[0] == ends[1]
    assert (far.code, near.code) == (4, 4)
    assert results(tmp_path / "far") == results(tmp_path / "near")


@pytest.mark.parametrize(("folders", "code", "finding"), [([], 3, "NO_CASE_FOLDER"), (["empty"], 3, None)])
def test_a_batch_without_a_result_is_refused(
    small: Root, tmp_path: Path, osteotrace: Osteotrace, folders: list[str], code: int, finding: str | None
) -> None:
    for name in folders:
        small.add(name, "refused", "NO_IMAGE", lambda folder: None)
    done = osteotrace("batch", small.path, "--out", tmp_path / "out", "--json")
    assert done.code == code
    assert [row["code"] for row in done.document["findings"]] == ([finding] if finding else [])


def test_calls_that_make_no_sense_are_usage_errors(small: Root, tmp_path: Path, osteotrace: Osteotrace) -> None:
    small.add("good", "done", None, small.slices)
    (tmp_path / "typo.toml").write_text("reader_vcw_ct = 0.1\n")
    out = ("--out", tmp_path / "out")
    calls: tuple[tuple[object, ...], ...] = (
        (tmp_path / "nothing", *out),
        (small.path, "--out", small.path),
        (small.path, "--out", small.path / f"{PATIENT} good" / "out"),
        (small.path, *out, "--config", tmp_path / "typo.toml"),
        (small.path, *out, "--workers", 0),
        (small.path, *out, "--memory", 0.1),
        (small.path, *out, "--group-by", "moon"),
    )
    for call in calls:
        done = osteotrace("batch", *call)
        assert (done.code, done.out) == (2, ""), call
    assert not (tmp_path / "out").exists()
