"""The documents of the commands: what they show of where things lie."""

from __future__ import annotations

import zipfile

import pytest

from imaging.dicom.scan import scan
from pipelines.documents import scan_document


def shown(*paths) -> list[tuple[str, str]]:
    document = scan_document(scan(paths), key=b"", scanned=paths)
    return [(row["path"], row["code"]) for row in document["skipped"]]


def test_what_was_skipped_is_named_by_its_way_from_what_was_scanned(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        (tmp_path / "ZZPHI^MARKER" / folder / "deep").mkdir(parents=True)
        (tmp_path / "ZZPHI^MARKER" / folder / "deep" / "note.txt").write_text("no image at all, but a note")
    home = tmp_path / "ZZPHI^MARKER"
    assert shown(home / "one") == [("deep/note.txt", "NOT_DICOM")]
    assert shown(home / "one", home / "two") == [
        ("one/deep/note.txt", "NOT_DICOM"),
        ("two/deep/note.txt", "NOT_DICOM"),
    ]
    assert shown(home / "one" / "deep" / "note.txt") == [("note.txt", "NOT_DICOM")]
    assert shown(home / "gone") == [("gone", "NOT_A_FILE")]
    monkeypatch.chdir(home)
    assert shown(type(home)("one")) == [("deep/note.txt", "NOT_DICOM")]


@pytest.mark.parametrize("named", ["folder", "archive"])
def test_members_of_archives_are_named_below_them(named, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/note.txt", "no image at all, but a note")
    path = tmp_path if named == "folder" else tmp_path / "x.zip"
    assert shown(path) == [("x.zip/a/note.txt" if named == "folder" else "a/note.txt", "NOT_DICOM")]
