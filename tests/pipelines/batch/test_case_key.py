"""The key changes with anything that the outcome depends on, and with nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.batch.case_key import case_key, folder_key


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "case"
    (folder / "exam" / "series").mkdir(parents=True)
    (folder / "case.toml").write_text("[case]\n")
    (folder / "exam" / "series" / "1.dcm").write_bytes(b"one")
    (folder / "exam" / "link").symlink_to("series/1.dcm")
    return folder


def rewritten(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda case: (case / "exam" / "2.dcm").write_bytes(b""),
    "a new folder": lambda case: (case / "exam2").mkdir(),
    "a file less": lambda case: (case / "exam" / "series" / "1.dcm").unlink(),
    "a longer file": lambda case: (case / "case.toml").write_text("[case]\nid = 'x'\n"),
    "a rewritten file of the same size": lambda case: rewritten(case / "exam" / "series" / "1.dcm"),
    "a renamed file": lambda case: (case / "exam" / "series" / "1.dcm").rename(case / "exam" / "series" / "2.dcm"),
    "other permissions": lambda case: (case / "exam" / "series" / "1.dcm").chmod(0o600),
    "a closed folder": lambda case: (case / "exam").chmod(0o711),
    "a link that leads elsewhere": lambda case: relinked(case / "exam" / "link"),
    "another name": lambda case: case.rename(case.with_name("other")).rename(case) and case.rename(case.parent / "x"),
}


def relinked(link: Path) -> None:
    link.unlink()
    link.symlink_to("series/none.dcm")


@pytest.mark.parametrize("change", CHANGES)
def test_it_changes_with_every_change_of_the_input(case: Path, change: str) -> None:
    before = folder_key(case)
    assert folder_key(case) == before
    CHANGES[change](case)
    (after,) = case.parent.iterdir()
    assert folder_key(after) != before


def test_it_does_not_depend_on_where_the_folder_lies_or_who_looks(case: Path, tmp_path: Path) -> None:
    before = folder_key(case)
    for path in case.rglob("*"):
        if path.is_file():
            path.read_bytes()
    shutil.move(case.parent, tmp_path / "elsewhere")
    assert folder_key(tmp_path / "elsewhere" / "case") == before


def test_it_changes_with_options_and_readers_words_and_not_with_the_order_of_folders(
    case: Path, tmp_path: Path
) -> None:
    other = case.with_name("other")
    other.mkdir()
    reviews = tmp_path / "review"

    def key(*folders: Path, **options: object) -> str:
        return case_key(folders, reviews=reviews, options=options)

    assert key(case, other) == key(other, case) != key(case)
    keys = [key(case), key(case, identified=True), key(case, identified=False), key(other)]
    reviews.mkdir()
    assert key(case) == keys[0]
    (reviews / "L1-T0.r1.json").write_text("{}")
    assert len({*keys, key(case)}) == 5


def test_folders_nested_deeper_than_any_stack_have_a_key(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 1500)
    subprocess.run(["mkdir", "-p", str(deep)], check=True)
    try:
        assert folder_key(tmp_path)
    finally:  # what cleans up after tests recurses
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)
