"""The one way in which files get onto the disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imaging.errors import ConflictError, InputError, UsageError
from pipelines.workspace import (
    CaseFolder,
    append_line,
    atomic_create,
    atomic_write,
    case_id_of,
    find_case_folder,
    locked,
    remove_scraps,
)


def test_written_content_is_there_and_nothing_else(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a" / "x.bin", b"one")
    atomic_write(tmp_path / "a" / "x.bin", b"two")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()] == [("x.bin", b"two")]


KILLED_WRITER = """
import sys
from pathlib import Path
from pipelines.workspace import atomic_write
target, n = Path(sys.argv[1]), 0
while True:
    n += 1
    atomic_write(target, bytes([n % 251]) * 300_000)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "mask.bin"
    atomic_write(target, b"\0" * 300_000)
    for kill in range(12):
        child = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, str(target)])
        time.sleep(0.25 + 0.013 * kill)
        child.send_signal(signal.SIGKILL)
        child.wait()
        content = target.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def test_a_full_disk_leaves_the_old_file_and_no_scrap(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    atomic_write(target, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(InputError) as caught:
            atomic_write(target, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert caught.value.code == "OUTPUT_NOT_WRITABLE"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"report.html": b"old"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_typed_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InputError) as caught:
        atomic_write(tmp_path / "x", b"")
    assert caught.value.code == "OUTPUT_NOT_WRITABLE"


def test_of_many_creators_exactly_one_wins(tmp_path: Path) -> None:
    won, lost = [], []

    def create(number: int) -> None:
        try:
            atomic_create(tmp_path / "r1.json", str(number).encode())
        except ConflictError:
            lost.append(number)
        else:
            won.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 15
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"r1.json": str(won[0])}


@pytest.mark.parametrize("bad", ["../x", "a/b", ".hidden", "", "a" * 121, "ä", "con\0", "batch.json"])
def test_a_written_case_id_is_a_safe_folder_name(bad: str) -> None:
    with pytest.raises(UsageError):
        case_id_of(bad, "folder")


def test_a_folder_name_never_becomes_the_case_id() -> None:
    assert "Doe" not in case_id_of(None, "Doe^John")


def test_a_folder_name_that_is_no_text_has_an_id() -> None:
    assert case_id_of(None, os.fsdecode(b"\xff\xfe")).startswith("case-")


def test_only_scraps_of_runs_are_taken_away(tmp_path: Path) -> None:
    case = CaseFolder(tmp_path / "C1")
    scraps = [".case.json.x1.part", "figures/.L1-T0.svg.x2.part", "review/.L1-T0.r1.json.x3.part"]
    kept = ["case.json", "figures/L1-T0.svg", "review/L1-T0.r1.json"]
    for name in (*scraps, *kept):
        case.write(name, b"")
    for folder in case.written_by_runs:
        remove_scraps(folder)
    left = {path.relative_to(case.root).as_posix() for path in case.root.rglob("*") if path.is_file()}
    assert left == {*kept, scraps[2]}
    assert CaseFolder(tmp_path / "none").written_by_runs == []


def test_a_workspace_is_held_by_one_until_it_ends_however_that_happens(tmp_path: Path) -> None:
    hold = "import sys, time\nfrom pathlib import Path\nfrom pipelines.workspace import locked\n"
    hold += "with locked(Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(ConflictError) as caught, locked(tmp_path):
        pass
    assert caught.value.code == "WORKSPACE_BUSY"
    holder.kill()
    holder.communicate()
    for _ in range(2):
        with locked(tmp_path):
            pass


def test_a_line_that_the_disk_cannot_take_is_a_typed_error_and_the_next_one_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "journal.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(InputError) as caught:
            append_line(log, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert caught.value.code == "OUTPUT_NOT_WRITABLE"
    append_line(log, "whole")
    assert log.read_text().splitlines()[-1] == "whole"


def test_a_case_is_meant_by_its_document_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text("{}")
    assert find_case_folder(tmp_path) == find_case_folder(tmp_path / "case.json") == CaseFolder(tmp_path)
    with pytest.raises(InputError) as caught:
        find_case_folder(tmp_path / "nothing")
    assert caught.value.code == "NO_CASE_RESULT"
