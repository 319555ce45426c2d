"""Which lesions RECIST 1.1 lets be measured, so that they may be targets.

Source: Eisenhauer et al., Eur J Cancer 2009;45:228–247, §3.1 and §3.2 (from summaries; the paper's own text could not
be read when this was written).
"""

from __future__ import annotations

from enum import StrEnum

from imaging.lesions.lesion import Eligibility
from imaging.response.exact import Size, exact

__all__ = ["NodeClass", "is_measurable", "least_diameter_mm", "measurability", "node_class"]

LEAST_DIAMETER_MM = 10.0  # up to slices of 5 mm
SLICES_ACROSS = 2  # above, the diameter is at least two slices
TARGET_NODE_MM, NORMAL_NODE_MM = 15, 10  # short axis


class NodeClass(StrEnum):
    """What a lymph node counts as, by its short axis."""

    TARGET = "target"
    NON_TARGET = "non-target"
    NORMAL = "normal"


def least_diameter_mm(slice_mm: float | None) -> float:
    """The smallest longest diameter that is measurable, on CT or MR.

    Parameters
    ----------
    slice_mm
        The larger of slice thickness and slice distance; None where unknown, as if thin.

    Examples
    --------
    >>> least_diameter_mm(5.0), least_diameter_mm(6.5), least_diameter_mm(None)
    (10.0, 13.0, 10.0)
    """
    return max(LEAST_DIAMETER_MM, float(SLICES_ACROSS * exact(slice_mm or 0)))


def is_measurable(
    long_axis_mm: Size,
    *,
    slice_mm: float | None = None,
    prior_local_therapy: bool = False,
    progressed_since: bool | None = None,
) -> bool | None:
    """Whether a lesion other than a node is measurable; None where a reader must say.

    In bone only the soft-tissue component counts: the diameter given must be its own, and a purely blastic lesion has
    none. A lesion in an irradiated or locally treated place is measurable only if it has progressed since.

    Examples
    --------
    >>> is_measurable(10.0), is_measurable(9.99), is_measurable(12.0, slice_mm=7.0)
    (True, False, False)
    >>> is_measurable(30.0, prior_local_therapy=True) is None
    True
    """
    if exact(long_axis_mm) < exact(least_diameter_mm(slice_mm)):
        return False
    return progressed_since if prior_local_therapy else True


def node_class(short_axis_mm: Size) -> NodeClass:
    """What a node of that short axis counts as at baseline.

    Examples
    --------
    >>> str(node_class(15.0)), str(node_class(14.9)), str(node_class(9.9))
    ('target', 'non-target', 'normal')
    """
    short = exact(short_axis_mm)
    if short >= TARGET_NODE_MM:
        return NodeClass.TARGET
    return NodeClass.NON_TARGET if short >= NORMAL_NODE_MM else NodeClass.NORMAL


def measurability(
    eligibility: Eligibility,
    *,
    long_axis_mm: Size | None,
    short_axis_mm: Size | None,
    slice_mm: float | None,
    prior_local_therapy: bool,
) -> tuple[bool | None, str]:
    """Whether a lesion may be a target at baseline, with the reason; None where a reader must say.

    A reader's own word stands above what was not said, and below the size and the rule that a blastic lesion is never
    measurable.

    Examples
    --------
    >>> sizes = {"long_axis_mm": 30.0, "short_axis_mm": 20.0, "slice_mm": 4.0}
    >>> measurability(Eligibility(soft_tissue=True), **sizes, prior_local_therapy=False)
    (True, '')
    >>> measurability(Eligibility(soft_tissue=True), **sizes, prior_local_therapy=True)[0] is None
    True
    """
    size = short_axis_mm if eligibility.node else long_axis_mm
    if reason := _bone_reason(eligibility):
        return False, reason
    if size is None:
        return None, "its diameter is not known"
    if reason := _size_reason(size, slice_mm, is_node=eligibility.node):
        return False, reason
    if eligibility.measurable or not prior_local_therapy or eligibility.progressed_since:
        return True, ""
    if eligibility.progressed_since is None:
        return None, "it was irradiated or treated locally before baseline: a reader says whether it progressed since"
    return False, "it was irradiated or treated locally before baseline and has not progressed since"


def _bone_reason(eligibility: Eligibility) -> str:
    if eligibility.appearance == "blastic":
        return "a blastic lesion is never measurable"
    if eligibility.measurable is False:
        return "a reader says that it is not measurable"
    if eligibility.soft_tissue is False:
        return "in bone only the soft-tissue component is measured, not the lytic cavity, and there is none"
    return ""


def _size_reason(size_mm: Size, slice_mm: float | None, *, is_node: bool) -> str:
    if is_node and node_class(size_mm) is not NodeClass.TARGET:
        return (
            f"a node of {float(size_mm):.1f} mm is {node_class(size_mm)}: {TARGET_NODE_MM} mm of short axis are needed"
        )
    if not is_node and not is_measurable(size_mm, slice_mm=slice_mm):
        return f"{float(size_mm):.1f} mm is too small to be a target: {least_diameter_mm(slice_mm):g} mm are needed"
    return ""
