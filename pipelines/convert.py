"""Every loadable volume of an index as one NIfTI file in its native grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imaging.dicom.assemble import load_volume
from imaging.errors import InputError
from imaging.finding import Finding, Severity
from imaging.formats.nifti import nifti_bytes
from imaging.provenance import sha256_hex
from imaging.study import Index, SeriesRecord, Verdict
from pipelines.workspace import atomic_write

__all__ = ["convert_volumes"]


def convert_volumes(index: Index, out: Path) -> tuple[Index, dict[str, str]]:
    """Write what can be loaded, and return the index as it is now known, with each written file by volume id.

    A series whose header promised well but whose samples cannot be decoded becomes refused. File names derive from
    UIDs alone: free text never becomes a file name.
    """
    rows, written = [], {}
    for record in index.volumes:
        if record.verdict is Verdict.REFUSED:
            rows.append(record)
            continue
        try:
            volume = load_volume(record)
        except InputError as error:
            rows.append(refused(record, error))
            continue
        name = f"{record.modality.lower()}-{sha256_hex(record.volume_id.encode())[:12]}.nii.gz"
        atomic_write(out / name, nifti_bytes(volume.samples, volume.grid))
        rows.append(replace(record, findings=tuple(dict.fromkeys((*record.findings, *volume.findings)))))
        written[record.volume_id] = name
    return replace(index, volumes=tuple(rows)), written


def refused(record: SeriesRecord, error: InputError) -> SeriesRecord:
    finding = Finding(error.code, Severity.ERROR, str(error), record.series_uid)
    findings = (*record.findings, finding)
    return replace(record, verdict=Verdict.REFUSED, code=error.code, grid=None, findings=findings)
