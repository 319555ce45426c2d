"""What each measured number means, in the vocabularies that DICOM reports use.

Source: IBSI reference manual (feature identifiers); DICOM PS3.16 CID 7464, 7469, 7470, 7472 and the shape features of
CID 7475.
A WHO product and a centroid have no code in either.
"""

from __future__ import annotations

from imaging.coding import Code

__all__ = [
    "AXIS_LEAST",
    "AXIS_MAJOR",
    "AXIS_MINOR",
    "DIAMETER_3D",
    "ELONGATION",
    "FLATNESS",
    "INTENSITY",
    "LONG_AXIS",
    "SHORT_AXIS",
    "SPHERICITY",
    "SURFACE",
    "VOLUME_MESH",
    "VOLUME_PARTIAL",
    "VOLUME_VOXELS",
]

VOLUME_VOXELS = Code("YEKZ", "IBSI", "Volume from Voxel Summation")
VOLUME_MESH = Code("RNU0", "IBSI", "Volume of Mesh")
VOLUME_PARTIAL = Code("118565006", "SCT", "Volume")  # by shares of voxels: no identifier of IBSI's
SURFACE = Code("C0JK", "IBSI", "Surface Area of Mesh")
SPHERICITY = Code("QCFX", "IBSI", "Sphericity")
DIAMETER_3D = Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")
AXIS_MAJOR = Code("TDIC", "IBSI", "Major Axis in 3D Length")
AXIS_MINOR = Code("P9VJ", "IBSI", "Minor Axis in 3D Length")
AXIS_LEAST = Code("7J51", "IBSI", "Least Axis in 3D Length")
ELONGATION = Code("Q3CK", "IBSI", "Elongation")
FLATNESS = Code("N17B", "IBSI", "Flatness")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")

INTENSITY = {
    "mean": Code("Q4LE", "IBSI", "Mean Intensity"),
    "sd": Code("386136009", "SCT", "Standard Deviation"),
    "min": Code("1GSF", "IBSI", "Minimum Intensity"),
    "median": Code("Y12H", "IBSI", "Median Intensity"),
    "max": Code("84IY", "IBSI", "Maximum Intensity"),
    "p10": Code("QG58", "IBSI", "10th Intensity Percentile"),
    "p90": Code("8DWT", "IBSI", "90th Intensity Percentile"),
}
