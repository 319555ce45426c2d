"""NIfTI-1, read and written: the only place that knows RAS.

On disk the first index runs fastest; the array here is ``array[k, j, i]``, so that the slice axis is the file's third.
Source: NIfTI-1.1 header ``nifti1.h`` (method 2 = qform, method 3 = sform), https://nifti.nimh.nih.gov/nifti-1.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray
from imaging.errors import GeometryError, InputError, UnreadableFile, UsageError
from imaging.finding import Finding, Severity
from imaging.formats.label_map import read_label_texts, segments_from, sidecar_of
from imaging.formats.payload import Payload, declared_bytes, opened
from imaging.formats.samples import as_volume
from imaging.geometry import Grid
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

__all__ = ["nifti_bytes", "read_nifti", "read_nifti_masks"]

HEADER_SIZE = 348
NIFTI2_HEADER_SIZE = 540
VOXEL_OFFSET = 352  # header plus four bytes that say "no extension"
LARGEST_GAP = 64 * 2**20  # bytes of extensions (DICOM headers, XML) before the samples; they are read to be passed over
COMPRESSION_LEVEL = 6  # part of the bytes that a result's digest covers: never change it for speed alone
MILLIMETRES = 2  # NIFTI_UNITS_MM
SCANNER_ANAT = 1  # NIFTI_XFORM_SCANNER_ANAT
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown (taken as mm, as every reader does), metre, mm, micron
SAME_PLACE_MM = 0.1  # sform and qform are float32 of different formulas; real disagreements are a voxel and more
HALF_TURN_REST = 1e-7  # nifti_quatern_to_mat44: below it float32 rounding is all that differs from a half turn
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SAMPLE_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
TYPE_CODES = {np.dtype(name): code for code, name in SAMPLE_TYPES.items()}
WRITABLE = ("uint8", "uint16", "int16", "float32")

HEADER = np.dtype(
    [
        ("sizeof_hdr", "i4"), ("unused", "S35"), ("dim_info", "u1"), ("dim", "i2", 8), ("intent_p", "f4", 3),
        ("intent_code", "i2"), ("datatype", "i2"), ("bitpix", "i2"), ("slice_start", "i2"), ("pixdim", "f4", 8),
        ("vox_offset", "f4"), ("scl_slope", "f4"), ("scl_inter", "f4"), ("slice_end", "i2"), ("slice_code", "u1"),
        ("xyzt_units", "u1"), ("cal_max", "f4"), ("cal_min", "f4"), ("slice_duration", "f4"), ("toffset", "f4"),
        ("glmax", "i4"), ("glmin", "i4"), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "i2"),
        ("sform_code", "i2"), ("quatern", "f4", 3), ("qoffset", "f4", 3), ("srow", "f4", (3, 4)),
        ("intent_name", "S16"), ("magic", "S4"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Content:
    samples: NDArray[Any]  # (k, j, i), scaled
    grid: Grid
    findings: tuple[Finding, ...]


def read_nifti(path: Path, modality: Modality) -> Volume:
    """The image in a NIfTI-1 file, ``.nii`` or ``.nii.gz``.

    Parameters
    ----------
    modality
        NIfTI does not say; CT samples are assumed to be HU, which a finding ASSUMED_HU records.

    Returns
    -------
    Volume
        int16 where the stored numbers fit, else float32; samples that are no number are 0 and not valid.

    Raises
    ------
    UnreadableFile
        No NIfTI-1 file, or damaged.
    InputError
        By code: NO_GEOMETRY, NOT_A_VOLUME, UNSUPPORTED_DATA_TYPE, DECLARED_SIZE_TOO_LARGE, TRUNCATED_PIXEL_DATA, …

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> grid = Grid.from_spacing((2, 3, 4), (5.0, 1.0, 1.0), origin_mm=(1.0, 2.0, 3.0))
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "x.nii.gz")
    ...     _ = file.write_bytes(nifti_bytes(np.full((2, 3, 4), -7, np.int16), grid))
    ...     volume = read_nifti(file, Modality.CT)
    >>> int(volume.samples[1, 2, 3]), volume.grid.matches(grid), volume.findings[0].code
    (-7, True, 'ASSUMED_HU')
    """
    content = _read(path)
    return as_volume(content.samples, content.grid, modality, where=path.name, findings=content.findings)


def read_nifti_masks(path: Path, *, choice: str | None = None) -> tuple[Segment, ...]:
    """One segment for every positive label in a NIfTI-1 file, in ascending order.

    Names come from the sidecar that this project writes beside its masks, else they are ``label 3``.

    Parameters
    ----------
    choice
        Only the label of this number or name.

    Raises
    ------
    InputError
        As :func:`read_nifti`; and NOT_A_LABEL_MAP where the samples are no labels.
    UsageError
        The chosen label is not in the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> labels = np.array([[[0, 1, 1, 4]]], np.uint8)
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "x.nii.gz")
    ...     _ = file.write_bytes(nifti_bytes(labels, Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))))
    ...     [(part.label, int(part.mask.sum())) for part in read_nifti_masks(file)]
    [(1, 2), (4, 1)]
    """
    content = _read(path)
    texts = read_label_texts(sidecar_of(path))
    segments = segments_from(content.samples, content.grid, texts, choice=choice, where=path.name)
    return tuple(segment.with_status(segment.status, *content.findings) for segment in segments)


def nifti_bytes(array: NDArray[Any], grid: Grid, *, description: str = "") -> bytes:
    """A ``.nii.gz`` file of the array: sform 1, qform 0, the same bytes for the same values.

    Parameters
    ----------
    array
        (slices, rows, columns): uint8 or uint16 labels (bool becomes uint8), int16 or float32 samples.
    grid
        Its affine is kept as it is, sheared or not.
    description
        At most 79 ASCII characters; never a patient's.

    Raises
    ------
    GeometryError
        The array does not fill the grid.
    UsageError
        Another sample type (code UNSUPPORTED_DATA_TYPE), or an extent beyond 32767 (code TOO_LARGE_FOR_NIFTI).

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 2, 2), (3.0, 1.0, 1.0))
    >>> content = nifti_bytes(np.ones((1, 2, 2), bool), grid)
    >>> content[:4].hex(), len(gzip.decompress(content))
    ('1f8b0800', 356)
    """
    samples = array.astype(np.uint8) if array.dtype == np.bool_ else array
    if samples.shape != grid.shape:
        raise GeometryError(f"the array {samples.shape} does not fill the grid {grid.shape}")
    if samples.dtype.name not in WRITABLE:
        raise UsageError(f"{samples.dtype.name} is not written; one of {WRITABLE} is", code="UNSUPPORTED_DATA_TYPE")
    if max(samples.shape) > np.iinfo(np.int16).max:
        raise UsageError(f"NIfTI-1 holds at most 32767 samples an axis: {samples.shape}", code="TOO_LARGE_FOR_NIFTI")
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    header = _header_for(little, grid, description)
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=COMPRESSION_LEVEL, mtime=0) as packed:
        packed.write(header.tobytes() + bytes(VOXEL_OFFSET - HEADER_SIZE))
        packed.write(np.ascontiguousarray(little).tobytes())
    return buffer.getvalue()


def _header_for(samples: NDArray[Any], grid: Grid, description: str) -> NDArray[Any]:
    header = np.zeros((), dtype=HEADER.newbyteorder("<"))
    header["sizeof_hdr"] = HEADER_SIZE
    header["dim"] = (3, *samples.shape[::-1], 1, 1, 1, 1)
    header["datatype"] = TYPE_CODES[samples.dtype.newbyteorder("=")]
    header["bitpix"] = samples.dtype.itemsize * 8
    header["pixdim"] = (1.0, *grid.spacing_mm[::-1], 0.0, 0.0, 0.0, 0.0)
    header["vox_offset"] = VOXEL_OFFSET
    header["scl_slope"] = 1.0
    header["xyzt_units"] = MILLIMETRES
    header["descrip"] = description.encode("ascii", "replace")[:79]
    header["sform_code"] = SCANNER_ANAT
    header["srow"] = (LPS_FROM_RAS @ grid.affine)[:3, [2, 1, 0, 3]]  # the flip is its own inverse
    header["magic"] = b"n+1"
    return header


def _read(path: Path) -> _Content:
    with opened(path) as payload:
        header = _parsed_header(payload)
        sizes = _sizes(header, payload.where)
        stored_type = _sample_type(header, payload.where)
        count = declared_bytes(sizes, stored_type.itemsize, where=payload.where)
        payload.take(_gap(header, payload.where))
        raw = np.frombuffer(payload.take(count), dtype=stored_type)
    grid, findings = _geometry(header, sizes, path.name)
    return _Content(_scaled(raw.reshape(sizes[::-1]), header), grid, findings)


def _parsed_header(payload: Payload) -> NDArray[Any]:
    raw = payload.take(HEADER_SIZE)
    for order in (HEADER.newbyteorder("<"), HEADER.newbyteorder(">")):
        header = np.frombuffer(raw, dtype=order)[0]
        if header["sizeof_hdr"] == NIFTI2_HEADER_SIZE:
            raise UnreadableFile("NIfTI-2 is not read; save it as NIfTI-1", code="NIFTI2", where=payload.where)
        if header["sizeof_hdr"] == HEADER_SIZE:
            break
    else:
        raise UnreadableFile("the file does not begin with a NIfTI-1 header", code="NOT_NIFTI", where=payload.where)
    if header["magic"] == b"ni1":
        raise UnreadableFile(
            "header and samples lie in two files; save them as one .nii", code="NIFTI_PAIR", where=payload.where
        )
    if header["magic"] != b"n+1":
        raise UnreadableFile(
            "the header is of Analyze 7.5, which has no geometry", code="NOT_NIFTI", where=payload.where
        )
    return np.asarray(header)


def _sizes(header: NDArray[Any], where: str) -> tuple[int, int, int]:
    """Extents along i, j, k."""
    dimensions = int(header["dim"][0])
    extents = [int(extent) for extent in header["dim"][1 : dimensions + 1]]
    if not 1 <= dimensions <= 7 or min(extents) < 1:
        raise InputError(f"the header's dim {header['dim'].tolist()} is impossible", code="BAD_HEADER", where=where)
    if dimensions < 2 or any(extent != 1 for extent in extents[3:]):
        raise InputError(
            f"one three-dimensional image is expected; this file has extents {extents}",
            code="NOT_A_VOLUME",
            where=where,
        )
    return (extents[0], extents[1], extents[2] if dimensions > 2 else 1)


def _sample_type(header: NDArray[Any], where: str) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code not in SAMPLE_TYPES:
        raise InputError(
            f"samples of NIfTI type {code} (colour, complex, bits or quadruple precision) are no image of one value",
            code="UNSUPPORTED_DATA_TYPE",
            where=where,
        )
    order = header.dtype["sizeof_hdr"].byteorder
    return np.dtype(SAMPLE_TYPES[code]).newbyteorder(order)


def _gap(header: NDArray[Any], where: str) -> int:
    """Bytes between the header and the first sample: extensions, which are passed over."""
    offset = float(header["vox_offset"])
    if not HEADER_SIZE <= offset <= HEADER_SIZE + LARGEST_GAP or not offset.is_integer():
        raise InputError(f"samples cannot begin at byte {offset}", code="BAD_HEADER", where=where)
    return int(offset) - HEADER_SIZE


def _scaled(stored: NDArray[Any], header: NDArray[Any]) -> NDArray[Any]:
    """Samples after ``scl_slope`` and ``scl_inter``; slope 0 (or none) means as stored."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope) or not np.isfinite(intercept) or (slope, intercept) == (1.0, 0.0):
        return stored
    return stored * slope + intercept


def _geometry(header: NDArray[Any], sizes: tuple[int, int, int], where: str) -> tuple[Grid, tuple[Finding, ...]]:
    unit = MM_PER_UNIT.get(int(header["xyzt_units"]) & 0b111, 1.0)
    sform = _sform(header) if header["sform_code"] > 0 else None
    qform = _qform(header) if header["qform_code"] > 0 else None
    chosen = sform if sform is not None else qform
    if chosen is None:
        raise InputError(
            "neither sform nor qform says where the voxels are; a volume cannot be trusted",
            code="NO_GEOMETRY",
            where=where,
        )
    grid = _grid(chosen, sizes, unit, where)
    findings = []
    if sform is not None and qform is not None:
        corners = grid.corners() - _grid(qform, sizes, unit, where).corners()
        if np.abs(corners).max() > SAME_PLACE_MM:
            message = f"sform and qform differ by up to {np.abs(corners).max():.1f} mm; the sform was taken"
            findings.append(Finding("SFORM_QFORM_DISAGREE", Severity.WARNING, message, where))
    if unit != 1.0:
        findings.append(Finding("UNITS_CONVERTED", Severity.INFO, f"lengths were converted by {unit:g} to mm", where))
    return grid, tuple(findings)


def _grid(ras_from_ijk: FloatArray, sizes: tuple[int, int, int], unit: float, where: str) -> Grid:
    if not np.isfinite(ras_from_ijk).all():
        raise InputError("the header's geometry holds what is no number", code="BAD_GEOMETRY", where=where)
    affine = (LPS_FROM_RAS @ ras_from_ijk)[:, [2, 1, 0, 3]]
    affine[:3] *= unit
    try:
        return Grid(sizes[::-1], affine)
    except GeometryError as error:
        raise InputError(f"the header's geometry is impossible: {error}", code="BAD_GEOMETRY", where=where) from error


def _sform(header: NDArray[Any]) -> FloatArray:
    return np.vstack([header["srow"].astype(np.float64), [0.0, 0.0, 0.0, 1.0]])


def _qform(header: NDArray[Any]) -> FloatArray:
    """Method 2 of nifti1.h: b, c, d of a unit quaternion, spacings, and in ``pixdim[0]`` whether k is flipped."""
    b, c, d = header["quatern"].astype(np.float64)
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < HALF_TURN_REST:
        b, c, d = np.array([b, c, d]) / np.sqrt(1.0 - rest)
        rest = 0.0
    a = np.sqrt(rest)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    pixdim = header["pixdim"].astype(np.float64)
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.abs(pixdim[1:4]) * (1.0, 1.0, -1.0 if pixdim[0] < 0 else 1.0)
    affine[:3, 3] = header["qoffset"]
    return affine
