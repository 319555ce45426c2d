"""What works on this machine, told before a case fails for want of it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from typing import Any

import imaging

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


def decoder(name: str, function: str) -> dict[str, Any]:
    import imagecodecs

    codec = function.removesuffix("_decode").upper()
    ok = hasattr(imagecodecs, function) and getattr(getattr(imagecodecs, codec, None), "available", False)
    return check(f"decoder {name}", "imagecodecs" if ok else "missing", ok=bool(ok), needed=True)
