"""What was acquired when, and which series serves which purpose."""

from imaging.study.series import Annotation, FrameSource, Index, PatientId, SeriesRecord, SeriesUid, Skipped, Verdict

__all__ = ["Annotation", "FrameSource", "Index", "PatientId", "SeriesRecord", "SeriesUid", "Skipped", "Verdict"]
