"""Masks: prompts in, segments with identity, provenance and status out."""

from imaging.segmentation.segment import LesionId, Segment, SegmentKind, Status

__all__ = ["LesionId", "Segment", "SegmentKind", "Status"]
