"""Forty study folders: good ones of every size, and everything that has ever stopped a batch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom

from pipelines.workspace import case_id_of

# Stands in every folder's name, and must stand nowhere else. Long: three letters stand in pictures' base64 by chance.
PATIENT = "Unwahrscheinlich^Jane"

# What native code can do to the process that calls it. The interpreter of each case's process loads it at its start
# and waits for the case's folder to be listed; the code under test knows nothing of it.
SITECUSTOMIZE = """
import os, sys
if "pipelines.batch.child" in sys.orig_argv:
    def misbehave(event, arguments):
        if event != "os.scandir" or not arguments or arguments[0] is None:
            return
        name = os.path.basename(os.fsdecode(arguments[0]))
        if "aborts" in name:
            os.abort()
        if "dies once" in name:
            try:
                os.mkdir(os.environ["DIED_ONCE"])
            except FileExistsError:
                return
            os.abort()
        while "hangs" in name:
            pass
        meals = []
        while "eats" in name:
            meals.append(bytearray(2**26))
    sys.addaudithook(misbehave)
"""


@dataclass
class Root:
    """A ROOT being filled, and what each of its folders must come to: (status, code)."""

    path: Path
    sample: Path
    expected: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, status: str, code: str | None, fill: Callable[[Path], object], *, id: str = "") -> None:
        folder = self.path / f"{PATIENT} {name}"
        folder.mkdir()
        fill(folder)
        if id:
            text = (self.sample / "case.toml").read_text().replace("SACROPLASTY-001", id)
            (folder / "case.toml").write_text(text)
        self.expected[folder.name] = (status, code)
        self.ids[folder.name] = id or case_id_of(None, folder.name)

    def slices(self, folder: Path, first: int = 4, last: int = 16, series: str = "T1") -> list[Path]:
        """Some slices of the sample's first exam: a small case that costs little."""
        source = sorted((self.sample / "2003-01-06_MR" / series).glob("*.dcm"))[first:last]
        (folder / series).mkdir()
        return [Path(shutil.copy2(path, folder / series / path.name)) for path in source]

    def exam(self, folder: Path) -> None:
        shutil.copytree(self.sample / "2003-01-06_MR", folder / "exam")

    def truncated(self, folder: Path, series: str = "T1") -> None:
        for path in self.slices(folder, series=series):
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    def two_patients(self, folder: Path) -> None:
        self.slices(folder)
        for path in self.slices(folder, series="STIR"):
            with_patient(path, "SOMEBODY-ELSE")

    def good(self, number: int) -> None:
        self.add(f"good {number:02}", "done", None, lambda folder: self.slices(folder, number % 5, 12 + number % 5))

    def with_a_pipe(self, folder: Path) -> None:
        self.slices(folder)
        os.mkfifo(folder / "T1" / "pipe.dcm")


def with_patient(path: Path, patient: str) -> None:
    dataset = pydicom.dcmread(path)
    dataset.PatientID = dataset.PatientName = patient
    dataset.save_as(path)


def forty_folders(path: Path, sample: Path) -> Root:
    root = Root(path, sample)
    noise = np.random.default_rng(40)
    # the longest first, so that they do not come last
    root.add("0 hangs", "failed", "TIMEOUT", root.slices)
    root.add("1 sample", "done", None, lambda f: shutil.copytree(sample, f, dirs_exist_ok=True), id="SACROPLASTY-001")
    root.add("aborts", "failed", "WORKER_DIED", root.slices)
    root.add("broken case file", "refused", "BAD_CASE_FILE", lambda f: (f / "case.toml").write_text("[case\n"))
    root.add("case file of another kind", "refused", "BAD_CASE_FILE", lambda f: os.mkfifo(f / "case.toml"))
    root.add("dies once", "done", None, root.slices)
    root.add("eats", "failed", "OUT_OF_MEMORY", root.slices)
    root.add("empty", "refused", "NO_IMAGE", lambda f: None)
    root.add("id of a path", "refused", "BAD_CASE_ID", root.slices, id="../../etc")
    root.ids[f"{PATIENT} id of a path"] = case_id_of(None, f"{PATIENT} id of a path")
    root.add("junk", "refused", "NO_IMAGE", lambda f: (f / "1.dcm").write_bytes(noise.bytes(4096)))
    root.add("lesions", "done", None, root.exam, id="LESIONS-1")
    root.add(
        "half of it truncated", "done", "TRUNCATED_PIXEL_DATA", lambda f: (root.slices(f), root.truncated(f, "STIR"))
    )
    root.add("pipe", "done", None, root.with_a_pipe)
    root.add("same id 1", "refused", "DUPLICATE_CASE_ID", root.slices, id="TWICE")
    root.add("same id 2", "refused", "DUPLICATE_CASE_ID", root.slices, id="TWICE")
    root.add("truncated", "refused", "TRUNCATED_PIXEL_DATA", root.truncated)
    root.add("two patients", "refused", "SEVERAL_PATIENTS", root.two_patients)
    root.add(os.fsdecode(b"no text \xff"), "done", None, root.slices)
    for name, target, code in (("away", "/etc", "LINK_OUTSIDE"), ("nowhere", "nothing", "LINK_BROKEN")):
        link = path / f"{PATIENT} link {name}"
        link.symlink_to(target)
        root.expected[link.name], root.ids[link.name] = ("refused", code), case_id_of(None, link.name)
    for number in range(40 - len(root.expected)):
        root.good(number)
    (path / f"{PATIENT} loose.dcm").write_bytes(b"")
    return root
