"""Where things are: grids of voxels and rigid transforms, in LPS millimetres."""

from imaging.geometry.grid import Grid
from imaging.geometry.transform import Rigid

__all__ = ["Grid", "Rigid"]
