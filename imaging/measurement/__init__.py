"""Numbers from masks: volume, surface, diameters, intensities, change — each with unit, method and error.

::

    Segment ──measure_segment──► SegmentMeasurement ─┐
    Segment ──measure_segment──► SegmentMeasurement ─┴─measure_change──► Change ──(imaging.response)──► categories

=============  ==============================================================================
extent         the voxels: count, pieces, centroid, principal axes
surface        the mesh: area and volume inside
diameter       longest distances, in space and on acquired slices; chord: the perpendicular
intensity      the image under the mask
uncertainty    how far a volume or a diameter may be off: voxel grid, outline, reader
change         two exams: millilitres, per cent, and whether it is more than the error; qiba
agreement      two masks of one lesion, or the numbers of several readers: how well they agree
=============  ==============================================================================

Volumes are those of the native grid. The primary one is the voxel sum; the mesh's stands beside it.
"""

from imaging.measurement.quantity import Quantity

__all__ = ["Quantity"]
