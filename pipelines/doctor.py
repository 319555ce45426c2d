"""What works on this machine, told before a case fails for want of it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

import imaging
from imaging.errors import BackendUnavailable
from imaging.segmentation.backends import totalsegmentator
from imaging.segmentation.catalogue import backend_points, load_backend

__all__ = ["doctor_document"]

NEEDED = (
    "numpy",
    "scipy",
    "scikit-image",
    "SimpleITK",
    "pyarrow",
    "pydicom",
    "highdicom",
    "imagecodecs",
    "click",
    "jinja2",
    "rich",
)
OPTIONAL = {
    "review": ("napari", "qtpy", "PySide6-Essentials"),
    "pacs": ("pynetdicom", "dicomweb-client"),
    "cluster": ("dask", "distributed"),
    "models": ("onnxruntime",),
    "interactive": ("nninteractive-client",),
}
VALIDATORS = {"dciodvfy": "dicom3tools", "dcmdump": "dcmtk", "chromium": "chromium", "Xvfb": "xvfb"}
DECODERS = {
    "JPEG": "jpeg_decode",
    "JPEG lossless": "ljpeg_decode",
    "JPEG-LS": "jpegls_decode",
    "JPEG 2000 and HTJ2K": "jpeg2k_decode",
    "RLE": "dicomrle_decode",
}


def doctor_document() -> dict[str, Any]:
    """``osteotrace.doctor/1``: one row a check, with whether a case needs it."""
    checks = [check("Python", platform.python_version(), needed=True, ok=True)]
    checks += [package(name, needed=True) for name in NEEDED]
    checks += [decoder(name, function) for name, function in DECODERS.items()]
    checks += [package(name, needed=False, extra=extra) for extra, names in OPTIONAL.items() for name in names]
    checks += [segmenter_check(point) for point in backend_points().values()]
    checks.append(bone_check())
    for program, debian in VALIDATORS.items():
        found = shutil.which(program)
        checks.append(check(program, "found" if found else f"only tests use it; Debian: {debian}", ok=bool(found)))
    checks.append(check("processor cores", str(os.cpu_count()), ok=True))
    return {"schema": "osteotrace.doctor/1", "version": imaging.__version__, "checks": checks, "findings": []}


def check(name: str, detail: str, *, ok: bool, needed: bool = False) -> dict[str, Any]:
    return {"name": name, "detail": detail, "ok": ok, "needed": needed}


def package(name: str, *, needed: bool, extra: str = "") -> dict[str, Any]:
    try:
        return check(name, importlib.metadata.version(name), ok=True, needed=needed)
    except importlib.metadata.PackageNotFoundError:
        return check(
            name, f"not installed; pip install 'osteotrace[{extra}]'" if extra else "missing", ok=False, needed=needed
        )


def segmenter_check(point: EntryPoint) -> dict[str, Any]:
    """Whether a segmenter's packages are here, how it is named, and where its weights go."""
    try:
        backend = load_backend(point)
    except BackendUnavailable as error:
        return check(f"segmenter {point.name}", str(error), ok=False)
    missing = backend.missing()
    name = f"--backend {point.name}{':' if backend.location else ''}{backend.location}"
    lacking = f"not installed: {', '.join(missing)}; {backend.install}" if missing else name
    detail = "; ".join(filter(None, (backend.summary, lacking, backend.weights)))
    return check(f"segmenter {point.name}", detail, ok=not missing)


def bone_check() -> dict[str, Any]:
    """The same for TotalSegmentator, which gives bone and no lesions."""
    missing = [module for module in totalsegmentator.MODULES if find_spec(module) is None]
    lacking = f"not installed: {', '.join(missing)}; {totalsegmentator.INSTALL}" if missing else "installed"
    return check("bone by TotalSegmentator", f"{lacking}; {totalsegmentator.WEIGHTS}", ok=not missing)


def decoder(name: str, function: str) -> dict[str, Any]:
    import imagecodecs

    codec = function.removesuffix("_decode").upper()
    ok = hasattr(imagecodecs, function) and getattr(getattr(imagecodecs, codec, None), "available", False)
    return check(f"decoder {name}", "imagecodecs" if ok else "missing", ok=bool(ok), needed=True)
