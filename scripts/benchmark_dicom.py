#!/usr/bin/env python
"""Reading DICOM against the libraries that others use, on this machine, in one run.

    python scripts/benchmark_dicom.py [--rounds 5] [--study FOLDER] [--only index,load,codecs]

Everything is synthetic (tests/benchmarks/corpus.py) unless a study folder is named, whose files are then indexed too.
The peers take turns with us in every round, on a warm cache, and the best round of each counts: a busy machine slows
some rounds, none is ever too fast. dicomsdl is measured where it is installed. What is measured:

index    what every file is, and (ours alone) verdict, geometry and role of every series
load     512 × 512 × 200 uncompressed slices as Hounsfield units; the limit is np.fromfile of the same bytes
codecs   60 slices of each compression, all cores; pydicom with its own plug-ins on one
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813 - the name that its users write
from pydicom.errors import InvalidDicomError
from pydicom.pixels import get_decoder

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.study import SeriesRecord

ROOT = Path(__file__).resolve().parent.parent
OURS = "osteotrace"
PEAK = """
import sys
from pathlib import Path
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan

def memory(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024

record = scan([Path(sys.argv[1])]).loadable[0]
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = memory("VmRSS")
volume = load_volume(record)
print((memory("VmHWM") - before) / volume.samples.nbytes)
"""


@dataclass(frozen=True)
class Timing:
    """The best round of one way of doing a task."""

    name: str
    seconds: float


def best_of(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Every way in turn, round after round."""
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {name: Timing(name, best) for name, best in seconds.items()}


def index_ways(folder: Path) -> dict[str, Callable[[], object]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    folders = sorted({str(path.parent) for path in files})

    def limit() -> None:
        for path in files:
            with path.open("rb", buffering=0) as stream:
                stream.read(32 * 2**10)

    def by_pydicom() -> None:
        with warnings.catch_warnings(action="ignore"):
            for path in files:
                try:
                    pydicom.dcmread(path, stop_before_pixels=True)
                except InvalidDicomError:
                    continue

    def by_simpleitk() -> None:
        for home in folders:
            for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(home):
                sitk.ImageSeriesReader.GetGDCMSeriesFileNames(home, uid)

    # dicomsdl 0.109 kills the process on an empty file, so it is given the DICOM files only.
    whole = [path for path in files if path.read_bytes()[128:132] == b"DICM"]
    ways: dict[str, Callable[[], object]] = {
        "limit: first 32 KiB of each": limit,
        OURS: lambda: scan([folder]),
        "pydicom stop_before_pixels": by_pydicom,
        "SimpleITK GetGDCMSeriesFileNames": by_simpleitk,
    }
    if importlib.util.find_spec("dicomsdl") is not None:
        ways["dicomsdl open_file(load_until)"] = lambda: by_dicomsdl(whole)
    return ways


def by_dicomsdl(files: Iterable[Path]) -> None:
    import dicomsdl

    for path in files:
        dataset = dicomsdl.open_file(str(path), load_until=0x7FE00000)
        dataset.getValues(["SeriesInstanceUID", "SOPInstanceUID", "ImagePositionPatient", "Rows", "Columns"])


def load_ways(record: SeriesRecord) -> dict[str, Callable[[], object]]:
    paths = [frame.path for frame in record.frames]
    assert record.grid is not None
    count = int(np.prod(record.grid.shape[1:]))
    skips = [path.stat().st_size - 2 * count for path in paths]

    def limit() -> object:
        return np.stack([np.fromfile(path, "<i2", count, offset=skip) for path, skip in zip(paths, skips, strict=True)])

    def by_pydicom() -> object:
        with warnings.catch_warnings(action="ignore"):
            return np.stack([pydicom.dcmread(path).pixel_array for path in paths])

    return {
        "limit: np.fromfile": lambda: [
            np.fromfile(p, "<i2", count, offset=s) for p, s in zip(paths, skips, strict=True)
        ],
        "np.fromfile into one volume": limit,
        OURS: lambda: load_volume(record),
        "pydicom pixel_array, stacked": by_pydicom,
        "SimpleITK reader": lambda: by_simpleitk(paths),
        "SimpleITK with series lookup": lambda: by_simpleitk(looked_up(paths)),
    }


def codec_ways(record: SeriesRecord) -> dict[str, Callable[[], object]]:
    ways = load_ways(record)
    names = [OURS, "SimpleITK reader"]
    if get_decoder(pydicom.dcmread(record.frames[0].path).file_meta.TransferSyntaxUID).is_available:
        names.append("pydicom pixel_array, stacked")
    return {name: ways[name] for name in names}


def by_simpleitk(paths: Sequence[Path | str]) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return reader.Execute()


def looked_up(paths: Sequence[Path]) -> tuple[str, ...]:
    home = str(paths[0].parent)
    (uid,) = sitk.ImageSeriesReader.GetGDCMSeriesIDs(home)
    return tuple(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(home, uid))


def peak_memory(folder: Path) -> float:
    """The largest memory that loading the folder's series takes, in volumes; measured in a process of its own."""
    child = subprocess.run([sys.executable, "-c", PEAK, str(folder)], capture_output=True, text=True, check=True)
    return float(child.stdout)


def table(title: str, timings: dict[str, Timing], items: int, unit: str) -> None:
    print(f"\n| {title} | s | ms per {unit} | time ÷ ours |\n|---|---|---|---|")
    for timing in sorted(timings.values(), key=lambda timing: timing.seconds):
        ratio = timing.seconds / timings[OURS].seconds
        print(f"| {timing.name} | {timing.seconds:.3f} | {1000 * timing.seconds / items:.3f} | {ratio:.1f} × |")


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--study", type=Path, help="a folder of real files, indexed too")
    parser.add_argument("--only", default="index,load,codecs")
    options = parser.parse_args()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    import corpus

    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if "index" in options.only:
            corpus.write_mixed(home / "mixed")
            for folder in filter(None, (home / "mixed", options.study)):
                count = files_in(folder)
                table(f"index of {count} mixed files", best_of(index_ways(folder), options.rounds), count, "file")
        if "load" in options.only:
            corpus.write_slices(home / "ct", 200, (512, 512), series=2)
            (record,) = scan([home / "ct"]).volumes
            table("512 × 512 × 200 CT to HU", best_of(load_ways(record), options.rounds), 200, "slice")
            print(f"\nPeak memory of loading it: {peak_memory(home / 'ct'):.2f} × the volume.")
        if "codecs" in options.only:
            for number, syntax in enumerate((*corpus.ENCODERS, corpus.RLELossless)):
                folder = home / f"codec{number}"
                corpus.write_slices(folder, 60, (512, 512), series=20 + number, syntax=syntax)
                (record,) = scan([folder]).volumes
                label = pydicom.uid.UID(syntax).name
                table(f"60 slices, {label}", best_of(codec_ways(record), min(options.rounds, 3)), 60, "slice")


if __name__ == "__main__":
    main()
