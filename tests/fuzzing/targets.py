"""What is put to the test: every door through which a foreign file comes in, and what must hold behind it.

A door may refuse, with one of our own errors. It may not raise anything else, warn of arithmetic, quote a name, or let
in a volume that is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from imaging.dicom.assemble import load_volume
from imaging.dicom.rtstruct import read_rtstruct
from imaging.dicom.scan import scan
from imaging.dicom.seg import read_seg
from imaging.errors import OsteotraceError
from imaging.finding import Finding
from imaging.formats.nifti import read_nifti, read_nifti_masks
from imaging.formats.nrrd import read_nrrd, read_nrrd_masks
from imaging.study import Index
from imaging.volume import Modality, Volume
from pipelines.case_file import read_case_file
from pipelines.single import read_prompts
from tests.fuzzing.seeds import MARKER, Seed

__all__ = ["TARGETS", "put_to"]

Door = Callable[[Path], str]


def put_to(seed: Seed, content: bytes, folder: Path) -> str:
    """Let the input in at its door; the code of what became of it.

    Parameters
    ----------
    folder
        Empty or left over from the last call; used again because making folders costs more than reading.
    """
    home = folder / seed.target.replace(" ", "-")
    home.mkdir(exist_ok=True)
    kept = {f"{number:02d}": other for number, other in enumerate(seed.others)} | {"input": content}
    for path in home.iterdir():
        if path.name not in kept:
            path.unlink()
    for name, other in kept.items():
        (home / name).write_bytes(other)
    return TARGETS[seed.target](home)


def _dicom(home: Path) -> str:
    index = scan([home])  # which never raises: each file has a row, whatever it holds
    _require_silence(finding for record in index.volumes for finding in record.findings)
    told = [record.code or "EXACT" for record in index.volumes] + [row.code for row in index.skipped]
    with_gaps = [record.with_gaps for record in index.volumes if record.with_gaps is not None]
    for record in (*index.loadable, *with_gaps):
        try:
            told.append(_checked(load_volume(record)))
        except OsteotraceError as error:
            told.append(_checked_error(error))
    told += _annotations(index)
    return "+".join(sorted(set(told)))


def _annotations(index: Index) -> Iterable[str]:
    for annotation in index.annotations:
        try:
            if annotation.modality == "SEG":
                read_seg(annotation.path)
            elif index.volumes:
                read_rtstruct(annotation.path, index.volumes[0])
            yield "ANNOTATION"
        except OsteotraceError as error:
            yield _checked_error(error)


def _nifti(home: Path) -> str:
    return _research_file(home / "input", read_nifti, read_nifti_masks)


def _nrrd(home: Path) -> str:
    return _research_file(home / "input", read_nrrd, read_nrrd_masks)


def _research_file(
    path: Path, image: Callable[[Path, Modality], Volume], masks: Callable[[Path], tuple[object, ...]]
) -> str:
    told = []
    try:
        told.append(_checked(image(path, Modality.CT)))
    except OsteotraceError as error:
        told.append(_checked_error(error))
    try:
        masks(path)
    except OsteotraceError as error:
        told.append(_checked_error(error))
    return "+".join(told)


def _case_file(home: Path) -> str:
    return _document(lambda: _require_silence(read_case_file(home / "input").findings))


def _prompts(home: Path) -> str:
    return _document(lambda: read_prompts(home / "input"))


def _document(read: Callable[[], object]) -> str:
    try:
        read()
    except OsteotraceError as error:
        return error.code  # a person wrote it: its words may be quoted
    return "EXACT"


def _checked(volume: Volume) -> str:
    assert np.isfinite(volume.grid.affine).all()
    assert abs(np.linalg.det(volume.grid.affine)) > 0
    assert np.isfinite(volume.samples).all()
    _require_silence(volume.findings)
    return "LOADED"


def _checked_error(error: OsteotraceError) -> str:
    assert MARKER not in str(error), "an error quotes a name"
    return error.code


def _require_silence(findings: Iterable[Finding]) -> None:
    for finding in findings:
        assert MARKER not in finding.message, "a finding quotes a name"


TARGETS: dict[str, Door] = {
    "dicom": _dicom, "archive": _dicom, "nifti": _nifti, "nrrd": _nrrd, "case file": _case_file, "prompts": _prompts,
}  # fmt: skip
