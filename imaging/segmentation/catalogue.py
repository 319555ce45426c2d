"""Segmenters by name: those of this project, and those that installed packages offer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from imaging.errors import BackendFailed, BackendUnavailable, UsageError
from imaging.segmentation.backend import Backend, Segmenter
from imaging.segmentation.guest import Guest, as_guest
from imaging.segmentation.lesion import BACKEND

__all__ = ["GROUP", "backend_points", "load_backend", "segmenter"]

GROUP = "osteotrace.segmenters"
# As in pyproject.toml, where other packages see them; here too, so that a checkout works without being installed.
BUILT_IN = {
    BACKEND: "imaging.segmentation.backend:AGREEMENT",
    "onnx": "imaging.segmentation.backends.onnx_model:ONNX",
    "nninteractive": "imaging.segmentation.backends.nninteractive:NNINTERACTIVE",
    "nnunet": "imaging.segmentation.backends.nnunet:NNUNET",
    "monai": "imaging.segmentation.backends.monai_bundle:MONAI",
}


def backend_points() -> Mapping[str, EntryPoint]:
    """Every segmenter's name and where it is defined; nothing is imported. No package can replace a built-in one.

    Examples
    --------
    >>> {"agreement", "onnx"} <= set(backend_points())
    True
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    return dict(sorted({**found, **{name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}}.items()))


def load_backend(point: EntryPoint) -> Backend:
    """The backend that an entry point names.

    Raises
    ------
    BackendUnavailable
        The entry point leads nowhere, to something else, or to a module that cannot be imported.
    """
    try:
        with as_guest(point.name):
            backend = point.load()
    except BackendFailed as error:
        reason = type(error.__cause__).__name__
        raise BackendUnavailable(
            f"the segmenter {point.name!r} cannot be loaded from {point.value} ({reason}: {error.__cause__}); "
            "reinstall the package that offers it",
            where=point.name,
        ) from error
    if not isinstance(backend, Backend):
        raise BackendUnavailable(
            f"{point.value} is no imaging.segmentation.backend.Backend, which the segmenter {point.name!r} must be",
            where=point.name,
        )
    return backend


def segmenter(name: str = BACKEND) -> Segmenter:
    """The segmenter of that name, ready to use.

    Parameters
    ----------
    name
        NAME, or NAME:LOCATION for those that need a folder of weights or a server.

    Raises
    ------
    UsageError
        UNKNOWN_BACKEND, with the names there are; BACKEND_LOCATION if a place is lacking or too much.
    BackendUnavailable
        A package or the weights are missing; the message says what to install and where weights go.
    BackendFailed
        Another package's segmenter cannot be opened.

    Examples
    --------
    >>> segmenter("agreement").capabilities().device
    'cpu'
    """
    kind, _, location = name.partition(":")
    points = backend_points()
    if kind not in points:
        raise UsageError(f"no segmenter is called {kind!r}; there are: {', '.join(points)}", code="UNKNOWN_BACKEND")
    backend = load_backend(points[kind])
    if bool(location) != bool(backend.location):
        wanted = f"{kind}:{backend.location}" if backend.location else f"{kind}, alone"
        raise UsageError(f"this segmenter is named as {wanted}; {backend.weights}", code="BACKEND_LOCATION")
    missing = backend.missing()
    if missing:
        raise BackendUnavailable(f"{kind} needs {', '.join(missing)}: {backend.install}. {backend.weights}", where=kind)
    if kind in BUILT_IN:
        return backend.open(location)
    with as_guest(kind):
        opened = backend.open(location)
    return Guest(opened, name=kind)
