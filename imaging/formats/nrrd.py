"""NRRD: images and masks with attached headers, raw or gzip, in a named anatomical space; displacements are written.

Source: http://teem.sourceforge.net/nrrd/format.html; segment fields as 3D Slicer writes them into ``.seg.nrrd``.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray
from imaging.errors import GeometryError, InputError, UnreadableFile
from imaging.formats.label_map import (
    LabelText,
    read_label_texts,
    segment_of,
    segments_from,
    sidecar_of,
)
from imaging.formats.payload import Payload, declared_bytes, opened
from imaging.formats.samples import as_volume
from imaging.geometry import Grid
from imaging.segmentation.choice import is_chosen, segment_not_found
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

__all__ = ["displacement_bytes", "read_nrrd", "read_nrrd_masks"]

MAGIC = re.compile(rb"NRRD000[1-5]\r?\n")
MAX_LINE = 2**20  # Slicer writes terminologies of some hundred characters; a line longer than this is no header
MAX_LINES = 10_000
LPS_FROM = {
    "left-posterior-superior": np.diag([1.0, 1.0, 1.0]),
    "lps": np.diag([1.0, 1.0, 1.0]),
    "right-anterior-superior": np.diag([-1.0, -1.0, 1.0]),
    "ras": np.diag([-1.0, -1.0, 1.0]),
    "left-anterior-superior": np.diag([1.0, -1.0, 1.0]),
    "las": np.diag([1.0, -1.0, 1.0]),
}
SAMPLE_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(
        ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"), "i8"
    ),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
VECTOR = re.compile(r"\(([^()]*)\)|(none)")


@dataclass(frozen=True, slots=True, eq=False)
class _Content:
    layers: NDArray[Any]  # (layer, k, j, i); one layer but for segmentations that overlap
    grid: Grid
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _SlicerSegment:
    name: str
    value: int
    layer: int


def read_nrrd(path: Path, modality: Modality) -> Volume:
    r"""The image in an attached NRRD file.

    Parameters
    ----------
    modality
        NRRD does not say; CT samples are assumed to be HU, which a finding ASSUMED_HU records.

    Raises
    ------
    UnreadableFile
        No NRRD file, damaged, or of a kind that is not read (detached, ASCII, bzip2).
    InputError
        By code: NO_GEOMETRY, NOT_A_VOLUME, UNSUPPORTED_DATA_TYPE, DECLARED_SIZE_TOO_LARGE, TRUNCATED_PIXEL_DATA, …

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 1 1\nspace: RAS\nencoding: raw\n"
    >>> header += b"space directions: (-1,0,0) (0,-1,0) (0,0,5)\nspace origin: (-3,0,0)\n\n"
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "x.nrrd")
    ...     _ = file.write_bytes(header + bytes([7, 9]))
    ...     volume = read_nrrd(file, Modality.MR)
    >>> volume.samples.tolist(), volume.grid.points([[0, 0, 1]]).tolist()
    ([[[7, 9]]], [[4.0, 0.0, 0.0]])
    """
    content = _read(path)
    if len(content.layers) != 1:
        raise InputError("one image is expected; this file has several", code="NOT_A_VOLUME", where=path.name)
    return as_volume(content.layers[0], content.grid, modality, where=path.name)


def read_nrrd_masks(path: Path, *, choice: str | None = None) -> tuple[Segment, ...]:
    r"""One segment for every label of an NRRD file: Slicer's segments by their names, else every positive number.

    Segments of a ``.seg.nrrd`` that overlap lie in different layers and come out whole.

    Parameters
    ----------
    choice
        Only the segment of this number or name.

    Raises
    ------
    InputError
        As :func:`read_nrrd`; and NOT_A_LABEL_MAP where the samples are no labels.
    UsageError
        The chosen label is not in the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 3 1 1\nspace: LPS\nencoding: raw\n"
    >>> header += b"space directions: (1,0,0) (0,1,0) (0,0,5)\nspace origin: (0,0,0)\n"
    >>> header += b"Segment0_Name:=cyst\nSegment0_LabelValue:=2\n\n"
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "x.seg.nrrd")
    ...     _ = file.write_bytes(header + bytes([0, 2, 2]))
    ...     [(part.label, part.name, int(part.mask.sum())) for part in read_nrrd_masks(file)]
    [(2, 'cyst', 2)]
    """
    content = _read(path)
    listed = _slicer_segments(content.texts, len(content.layers), path.name)
    if len(content.layers) == 1:
        texts = read_label_texts(sidecar_of(path)) | {entry.value: LabelText(name=entry.name) for entry in listed}
        return segments_from(content.layers[0], content.grid, texts, choice=choice, where=path.name)
    return _layered(content, listed, choice, path.name)


def _layered(
    content: _Content, listed: tuple[_SlicerSegment, ...], choice: str | None, where: str
) -> tuple[Segment, ...]:
    """Segments that overlap: label values may repeat in other layers, so the number counts the listed segments."""
    meant = [(label, entry) for label, entry in enumerate(listed, 1) if is_chosen(choice, label, entry.name)]
    if choice is not None and not meant:
        raise segment_not_found(choice, range(1, len(listed) + 1), where)
    return tuple(
        segment_of(content.layers[entry.layer] == entry.value, content.grid, label, LabelText(name=entry.name))
        for label, entry in meant
    )


def _slicer_segments(texts: Mapping[str, str], layers: int, where: str) -> tuple[_SlicerSegment, ...]:
    """Name, value and layer of each segment that Slicer listed, in its order."""
    segments = []
    number = 0
    while (prefix := f"Segment{number}_") + "ID" in texts or prefix + "Name" in texts:
        name = texts.get(prefix + "Name") or texts.get(prefix + "ID", "")
        try:
            entry = _SlicerSegment(
                name, int(texts.get(prefix + "LabelValue", number + 1)), int(texts.get(prefix + "Layer", 0))
            )
        except ValueError as error:
            raise InputError(f"segment {number} has no whole label", code="BAD_HEADER", where=where) from error
        if not 0 <= entry.layer < layers:
            raise InputError(
                f"segment {number} lies in layer {entry.layer} of {layers}", code="BAD_HEADER", where=where
            )
        segments.append(entry)
        number += 1
    return tuple(segments)


def _read(path: Path) -> _Content:
    with opened(path) as payload:
        fields, texts = _parsed_header(payload)
        sizes = _sizes(fields, payload.where)
        stored_type = _sample_type(fields, payload.where)
        count = declared_bytes(sizes, stored_type.itemsize, where=payload.where)
        raw = np.frombuffer(_samples(payload, fields).take(count), dtype=stored_type)
    directions, layer_axis = _directions(fields, sizes, path.name)
    array = raw.reshape(sizes[::-1])
    layers = array[np.newaxis] if layer_axis is None else np.moveaxis(array, len(sizes) - 1 - layer_axis, 0)
    affine = np.eye(4)
    affine[:3, :3] = directions[:, ::-1]
    affine[:3, 3] = _lps(fields, path.name) @ _vector(fields.get("space origin", ""), path.name)
    try:
        shape = layers.shape[1:]
        grid = Grid((shape[0], shape[1], shape[2]), affine)
    except GeometryError as error:
        raise InputError(
            f"the header's geometry is impossible: {error}", code="BAD_GEOMETRY", where=path.name
        ) from error
    return _Content(layers, grid, texts)


def _parsed_header(payload: Payload) -> tuple[dict[str, str], dict[str, str]]:
    """Fields (``key: value``, keys in small letters) and texts (``key:=value``), up to the empty line."""
    if not MAGIC.fullmatch(payload.line(MAX_LINE)):
        raise UnreadableFile("the file does not begin as NRRD does", code="NOT_NRRD", where=payload.where)
    fields: dict[str, str] = {}
    texts: dict[str, str] = {}
    for _ in range(MAX_LINES):
        line = payload.line(MAX_LINE).decode("utf-8", "replace")
        if not line.endswith("\n"):
            break
        text = line.rstrip("\r\n")
        if not text:
            return fields, texts
        if text.startswith("#"):
            continue
        key, equals, value = text.partition(":=")
        if equals:
            texts[key] = value
        else:
            key, _, value = text.partition(":")
            fields[key.strip().lower()] = value.strip()
    raise UnreadableFile("the header has no end", code="BAD_HEADER", where=payload.where)


def _samples(payload: Payload, fields: Mapping[str, str]) -> Payload:
    """Where the samples begin, by encoding."""
    if "data file" in fields or "datafile" in fields:
        raise UnreadableFile(
            "header and samples lie in several files; save them as one .nrrd", code="NRRD_DETACHED", where=payload.where
        )
    skips = (
        fields.get("line skip", "0"),
        fields.get("lineskip", "0"),
        fields.get("byte skip", "0"),
        fields.get("byteskip", "0"),
    )
    encoding = fields.get("encoding", "").lower()
    if encoding in ("gzip", "gz") and set(skips) == {"0"}:
        return payload.inflating()
    if encoding == "raw" and set(skips) == {"0"}:
        return payload
    raise UnreadableFile(
        f"samples encoded as {encoding!r} (or behind skipped bytes) are not read; save them as gzip",
        code="NRRD_ENCODING",
        where=payload.where,
    )


def _sizes(fields: Mapping[str, str], where: str) -> tuple[int, ...]:
    """Extents, fastest axis first: three, or four with one axis that is a list of layers."""
    try:
        sizes = tuple(int(size) for size in fields["sizes"].split())
        dimension = int(fields["dimension"])
    except (KeyError, ValueError) as error:
        raise InputError("the header has no readable dimension and sizes", code="BAD_HEADER", where=where) from error
    if dimension != len(sizes):
        raise InputError(f"dimension {dimension} and {len(sizes)} sizes disagree", code="BAD_HEADER", where=where)
    if dimension not in (3, 4):
        raise InputError(
            f"one three-dimensional image is expected; this file has extents {sizes}", code="NOT_A_VOLUME", where=where
        )
    return sizes


def _sample_type(fields: Mapping[str, str], where: str) -> np.dtype[Any]:
    name = SAMPLE_TYPES.get(fields.get("type", "").lower())
    if name is None:
        raise InputError(
            f"samples of type {fields.get('type')!r} are not read", code="UNSUPPORTED_DATA_TYPE", where=where
        )
    endian = fields.get("endian", "").lower()
    stored = np.dtype(name)
    if stored.itemsize > 1 and endian not in ("little", "big"):
        raise InputError("the header names no byte order (endian)", code="BAD_HEADER", where=where)
    return stored.newbyteorder(">" if endian == "big" else "<")


def _directions(fields: Mapping[str, str], sizes: tuple[int, ...], where: str) -> tuple[FloatArray, int | None]:
    """LPS step of each spatial axis as the columns of a (3, 3) matrix, and which axis counts layers."""
    lps_from_space = _lps(fields, where)
    vectors = VECTOR.findall(fields.get("space directions", ""))
    if len(vectors) != len(sizes):
        raise InputError("the header has no direction for each axis", code="NO_GEOMETRY", where=where)
    lists = [axis for axis, (_, none) in enumerate(vectors) if none]
    if len(sizes) - len(lists) != 3:
        raise InputError(
            f"three spatial axes are expected; this file has {len(sizes) - len(lists)}",
            code="NOT_A_VOLUME",
            where=where,
        )
    steps = np.column_stack([_vector(f"({vector})", where) for vector, none in vectors if not none])
    return np.asarray(lps_from_space @ steps, dtype=np.float64), lists[0] if lists else None


def _lps(fields: Mapping[str, str], where: str) -> FloatArray:
    space = fields.get("space", "").lower()
    if space not in LPS_FROM:
        raise InputError(
            f"space {space!r} does not say where the patient's left is; LPS, RAS or LAS is expected",
            code="NO_GEOMETRY",
            where=where,
        )
    return LPS_FROM[space]


def _vector(text: str, where: str) -> FloatArray:
    match = VECTOR.fullmatch(text.strip())
    parts = match.group(1).split(",") if match and match.group(1) else []
    try:
        vector = np.array([float(part) for part in parts])
    except ValueError as error:
        raise InputError(f"{text!r} is no vector", code="BAD_HEADER", where=where) from error
    if not np.isfinite(vector).all():
        raise InputError(
            "a direction or the origin holds a value that is no finite number", code="BAD_GEOMETRY", where=where
        )
    if vector.shape != (3,):
        raise InputError("the header gives no origin and directions of three numbers", code="NO_GEOMETRY", where=where)
    return vector


def displacement_bytes(displacement_mm: FloatArray, grid: Grid) -> bytes:
    """A displacement field as ITK, ANTs and 3D Slicer read it: where a point goes, less where it is, LPS mm.

    Parameters
    ----------
    displacement_mm
        (slices, rows, columns, 3), LPS.
    grid
        Where the displacements are.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 2), (3.0, 2.0, 1.0))
    >>> displacement_bytes(np.zeros((1, 1, 2, 3)), grid).splitlines()[4]
    b'sizes: 3 2 1 1'
    """
    if displacement_mm.shape != (*grid.shape, 3):
        raise GeometryError(f"displacements {displacement_mm.shape} do not fill the grid {grid.shape}")
    slices, rows, columns = grid.shape

    def vector(numbers: FloatArray) -> str:
        return f"({','.join(repr(float(n)) for n in numbers)})"

    steps = " ".join(vector(grid.affine[:3, axis]) for axis in (2, 1, 0))
    header = (
        "NRRD0005",
        "type: float",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: 3 {columns} {rows} {slices}",
        f"space directions: none {steps}",
        "kinds: vector domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {vector(grid.affine[:3, 3])}",
    )
    samples = gzip.compress(displacement_mm.astype("<f4").tobytes(), mtime=0)
    return ("\n".join(header) + "\n\n").encode() + samples
