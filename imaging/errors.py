"""Every error that osteotrace raises, in one tree.

::

    OsteotraceError
    ├── UsageError            (ValueError)    a call that makes no sense, whatever the data           exit 2
    │   ├── AmbiguousSeries                   several volumes could be meant and none was chosen      exit 2
    │   └── BackendUnavailable                a segmenter without its package, weights or server      exit 2
    ├── BackendFailed         (RuntimeError)  a segmenter that began and gave no usable answer        exit 3
    ├── InputError            (ValueError)    data that cannot be used; the code says why             exit 3
    │   ├── UnreadableFile    (OSError)       not a readable file of a known kind
    │   ├── SeriesRefused                     a series whose geometry or values cannot be trusted
    │   ├── NoReferenceImage                  contours without the image that they were drawn on
    │   ├── CaseFileError                     case.toml or prompts that say something impossible
    │   └── RecordError                       a stored document of ours that is damaged or too new
    ├── GeometryError         (ValueError)    two values that do not live on one grid
    ├── EmptyMask             (ValueError)    a mask without a voxel where one is needed
    └── ConflictError         (RuntimeError)  saving over somebody else's newer work

Every error has a stable ``code``. Messages say what was found, what was expected, where and what to do; they never
hold a patient's name or the text of a tag that may hold one.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousSeries",
    "BackendFailed",
    "BackendUnavailable",
    "CaseFileError",
    "ConflictError",
    "EmptyMask",
    "GeometryError",
    "InputError",
    "NoReferenceImage",
    "OsteotraceError",
    "RecordError",
    "SeriesRefused",
    "UnreadableFile",
    "UsageError",
]


class OsteotraceError(Exception):
    """Anything that osteotrace raises on purpose.

    Parameters
    ----------
    message
        What was found, what was expected, what to do.
    code
        Stable identifier in capitals; the class's own code where left out.
    where
        Series UID, file or segment that the message is about.

    Examples
    --------
    >>> error = InputError("12 of 24 slices are missing", code="MISSING_SLICES", where="1.2.3")
    >>> error.code, str(error)
    ('MISSING_SLICES', '12 of 24 slices are missing')
    """

    CODE = "INTERNAL_ERROR"

    def __init__(self, message: str, *, code: str | None = None, where: str = "") -> None:
        super().__init__(message)
        self.code = code or self.CODE
        self.where = where


class UsageError(OsteotraceError, ValueError):
    """The call makes no sense, whatever the data."""

    CODE = "USAGE"


class AmbiguousSeries(UsageError):
    """Several volumes could be meant and none was chosen."""

    CODE = "AMBIGUOUS_SERIES"


class BackendUnavailable(UsageError):
    """A segmenter was named whose package, weights or server is not here; the message says what to install where."""

    CODE = "BACKEND_UNAVAILABLE"


class BackendFailed(OsteotraceError, RuntimeError):
    """A segmenter began and gave no usable answer."""

    CODE = "BACKEND_FAILED"


class InputError(OsteotraceError, ValueError):
    """The data cannot be used; the code says why."""

    CODE = "BAD_INPUT"


class UnreadableFile(InputError, OSError):
    """The file cannot be read as any kind that is known."""

    CODE = "UNREADABLE_FILE"


class SeriesRefused(InputError):
    """A series whose geometry or values cannot be trusted."""

    CODE = "SERIES_REFUSED"


class NoReferenceImage(InputError):
    """Contours or a segmentation without the image that it was drawn on."""

    CODE = "NO_REFERENCE_IMAGE"


class CaseFileError(InputError):
    """The case file or the prompts say something impossible."""

    CODE = "BAD_CASE_FILE"


class RecordError(InputError):
    """A stored document of ours is damaged or was written by a newer version."""

    CODE = "BAD_RECORD"


class GeometryError(OsteotraceError, ValueError):
    """Two values that should live on one grid do not, or a grid is impossible."""

    CODE = "GEOMETRY_MISMATCH"


class EmptyMask(OsteotraceError, ValueError):
    """A mask without a voxel where one is needed."""

    CODE = "EMPTY_MASK"


class ConflictError(OsteotraceError, RuntimeError):
    """Saving would replace somebody else's newer work."""

    CODE = "CONFLICT"
