"""The synthetic sample case as a folder of DICOM exams with its case file: joins the phantom and the DICOM writer.

``sample_data/sacroplasty`` is exactly what :func:`write_sample` writes; ``scripts/make_sample_data.py --check`` proves
it. Every byte follows from the numbers in ``imaging.synthetic.sacroplasty``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from imaging.dicom.write import CtHeader, MrHeader, Patient, SeriesHeader, StoredScale, series_files
from imaging.formats.nifti import nifti_bytes
from imaging.provenance import uid_from
from imaging.synthetic.chord import surface_points
from imaging.synthetic.sacroplasty.anatomy import STRUCTURES, outlines_on
from imaging.synthetic.sacroplasty.course import LESIONS, lesion_at
from imaging.synthetic.sacroplasty.exam import EXAMS, Exam
from imaging.synthetic.sacroplasty.images import images_of
from imaging.synthetic.sacroplasty.truth import truth
from imaging.volume.volume import Volume
from pipelines.workspace import atomic_write

__all__ = ["CASE_ID", "case_file_text", "exam_files", "sample_files", "truth_json", "write_sample"]

CASE_ID = "SACROPLASTY-001"
PATIENT = Patient(name="Synthetic^Sacroplasty", id="SYNTHETIC-001", birth_date="19260601", sex="M")
COMMENTS = "Synthetic image of a digital phantom; no person was imaged"
# A reader's box is not exact: each side is off by 1 to 2 mm, inwards or outwards.
BOX_ERROR_MM = (1.0, 2.0)
BOX_SEED = 20030106
PHASE_ENCODING = {"T0": "ROW", "T2": "COL", "T4": "ROW"}  # across the direction of the chemical shift


def write_sample(out: Path) -> dict[str, Any]:
    """Write the sample case into ``out`` (which becomes the case folder) and return what was written.

    Returns
    -------
    dict
        ``outputs`` (path relative to ``out``, sha256), ``truth`` (schema osteotrace.truth/1), ``findings``.
    """
    outputs = [{"path": path, "sha256": atomic_write(out / path, content)} for path, content in sample_files(EXAMS)]
    return {"schema": "osteotrace.sample/1", "outputs": outputs, "truth": truth(), "findings": []}


def sample_files(exams: Sequence[Exam]) -> Iterator[tuple[str, bytes]]:
    """The case file and all files of the given exams, as (path in the case folder, content)."""
    yield "case.toml", case_file_text().encode()
    for exam in exams:
        yield from exam_files(exam)


def exam_files(exam: Exam) -> Iterator[tuple[str, bytes]]:
    """One exam's DICOM files, with the outlined structures on the first, as (path in the case folder, content)."""
    start = datetime.fromisoformat(exam.start)
    study = uid_from(CASE_ID, exam.id, "study")
    for number, volume in enumerate(images_of(exam), start=1):
        name = folder_name(exam, volume)
        identified = replace(
            volume,
            series_uid=uid_from(CASE_ID, exam.id, name, "series"),
            frame_of_reference_uid=uid_from(CASE_ID, exam.id, "frame of reference"),
        )
        header = SeriesHeader(
            patient=PATIENT,
            study_uid=study,
            study_start=start,
            acquired=start + timedelta(minutes=6 * number),
            technique=technique(exam, volume),
            study_description="Pelvis after sacroplasty" if exam.id != "T0" else "Pelvis",
            study_id=str(EXAMS.index(exam) + 1),
            series_number=number,
            series_description=description(volume),
            patient_position=exam.position,
            thickness_mm=exam.thickness_mm,
            scale=scale(volume),
            comments=COMMENTS,
        )
        for file_name, content in series_files(identified, header=header):
            yield f"{exam.folder}/{name}/{file_name}", content
    if exam is EXAMS[0]:
        yield structures_path(), nifti_bytes(outlines_on(exam), exam.grid, description="labels as in case.toml")


def structures_path() -> str:
    """Where the structures of the first exam lie in the case folder."""
    return f"{EXAMS[0].folder}/structures.nii.gz"


def folder_name(exam: Exam, volume: Volume) -> str:
    return "SOFT" if exam.modality == "CT" else volume.role.upper()


def description(volume: Volume) -> str:
    return {"t1": "T1 TSE axial", "stir": "STIR axial", "ct": "Pelvis 2.0 soft tissue"}[volume.role]


def technique(exam: Exam, volume: Volume) -> CtHeader | MrHeader:
    if exam.modality == "CT":
        spacing, columns = exam.grid.spacing_mm, exam.grid.shape[2]
        return CtHeader(kernel="B30s", reconstruction_diameter_mm=spacing[2] * columns)
    phase = PHASE_ENCODING[exam.id]
    if volume.role == "stir":
        return MrHeader(
            scanning_sequence=("SE", "IR"),
            sequence_variant=("SK", "SP"),
            repetition_ms=4200.0,
            echo_ms=38.0,
            inversion_ms=150.0,
            echo_train=9,
            phase_encoding=phase,
        )
    return MrHeader(repetition_ms=560.0, echo_ms=11.0, echo_train=3, phase_encoding=phase)


def scale(volume: Volume) -> StoredScale:
    """12 bits for MR and for the clipped CT; 16 bits from −8192 for the extended scale."""
    if volume.role != "ct":
        return StoredScale()
    top = -1024 + 2**12 - 1
    return StoredScale(intercept=-1024) if int(volume.samples.max()) <= top else StoredScale(intercept=-8192, bits=16)


def truth_json() -> bytes:
    """The sample case's truth as a JSON file."""
    return (json.dumps(truth(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def case_file_text() -> str:
    """case.toml: two lesions with one box each on the first exam, three procedures, the record, the anatomy."""
    boxes = dict(zip(LESIONS, reader_boxes(), strict=True))
    rows = [
        STRUCTURE.format(kind=kind, name=name, timepoint=EXAMS[0].id, path=structures_path(), label=label)
        for label, kind, name in STRUCTURES
    ]
    return CASE_FILE.format(id=CASE_ID, left=boxes["L1"], right=boxes["L2"], structures="".join(rows))


def reader_boxes() -> list[str]:
    """Each lesion's bounding box on the first exam, every side off by 1 to 2 mm, as TOML."""
    generator = np.random.Generator(np.random.PCG64(BOX_SEED))
    first = EXAMS[0]
    boxes = []
    for id in LESIONS:
        points = surface_points(lesion_at(id, first.day).solid, first.patient_from_body)
        sides = np.stack([points.min(axis=0), points.max(axis=0)])
        off = generator.uniform(*BOX_ERROR_MM, sides.shape) * generator.choice([-1.0, 1.0], sides.shape)
        boxes.append(str(np.round(sides + off, 1).tolist()))
    return boxes


STRUCTURE = """
[[structure]]
kind = "{kind}"
name = "{name}"
timepoint = "{timepoint}"
mask = "{path}#{label}"
reader = "phantom"
"""

CASE_FILE = """\
# The synthetic sample case: five exams of one invented patient. No person was imaged.
# Written by scripts/make_sample_data.py; the truth is in sacroplasty.truth.json beside this folder.
[case]
id = "{id}"

[[lesion]]
id = "L1"
name = "left sacrum"
side = "left"
kind = "target"
  [[lesion.prompt]]  # as a reader draws it: every side is off by 1 to 2 mm
  timepoint = "T0"
  kind = "box"
  points_lps_mm = {left}

[[lesion]]
id = "L2"
name = "right sacrum"
side = "right"
kind = "target"
  [[lesion.prompt]]
  timepoint = "T0"
  kind = "box"
  points_lps_mm = {right}

# Day 0: the needle met brisk bleeding; glue, and no cement.
[[procedure]]
id = "P1"
when = 2003-01-10T10:00:00
kind = "embolization"
lesion = "L1"
materials = [{{agent = "nbca-lipiodol", injected_ml = 2.0}}]

# Day 7: glue again, then cement through the same needle.
[[procedure]]
id = "P2"
when = 2003-01-17T10:30:00
kind = "sacroplasty"
lesion = "L1"
materials = [{{agent = "pmma-barium", injected_ml = 7.0}}, {{agent = "nbca-lipiodol", injected_ml = 2.0}}]

# Day 100: the right side.
[[procedure]]
id = "P3"
when = 2003-04-20T10:30:00
kind = "sacroplasty"
lesion = "L2"
materials = [{{agent = "pmma-barium", injected_ml = 3.0}}]

[[clinical]]
when = 2003-01-06
pain_nrs = 10
side = "left"
walking = "unable"

[[clinical]]
when = 2003-01-21
pain_nrs = 3
side = "left"
walking = "assisted"

[[clinical]]
when = 2003-01-27
pain_nrs = 0
side = "left"
walking = "unaided"

[[clinical]]
when = 2003-04-17
pain_nrs = 8
side = "right"
walking = "assisted"

[[clinical]]
when = 2003-04-21
pain_nrs = 6
side = "right"
walking = "assisted"
event = "transient numbness of the right leg"
grade = 1

[[clinical]]
when = 2003-04-23
pain_nrs = 2
side = "right"
walking = "walker"

# The anatomy on the first exam, voxel by voxel as the phantom is made: bone as it was, canal and foramina open.
{structures}"""
