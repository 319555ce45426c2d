"""The one bridge to SimpleITK: geometry and axis order are kept, shear is refused.

SimpleITK counts axes (x, y, z) = (column, row, slice) and knows origin, spacing and an orthogonal direction; ours are
(slice, row, column) and one affine. The reversal happens here and nowhere else.
"""

# mypy: allow-untyped-calls
# SimpleITK is generated and carries no types.

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own documentation spells it so
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid

__all__ = ["distance_outside_mm", "grid_from", "image_from", "rigid_from", "samples_from", "sitk_transform"]

NEGLIGIBLE_COSINE = 1e-12  # nanometres at the end of a metre; ITK's SVD does not converge on denormal numbers


def image_from(samples: NDArray[Any], grid: Grid) -> sitk.Image:
    """A SimpleITK image with these samples at these places; boolean samples become 0 and 1 of uint8.

    Parameters
    ----------
    samples
        (slices, rows, columns).
    grid
        Orthogonal axes, LPS mm.

    Raises
    ------
    GeometryError
        The samples do not fill the grid, or the grid is sheared, which SimpleITK cannot express (code SHEARED_GRID).

    Examples
    --------
    >>> import numpy as np
    >>> image = image_from(np.zeros((2, 3, 4), np.int16), Grid.from_spacing((2, 3, 4), (5.0, 1.0, 0.5)))
    >>> image.GetSize(), image.GetSpacing()
    ((4, 3, 2), (0.5, 1.0, 5.0))
    """
    if samples.shape != grid.shape:
        raise GeometryError(f"samples {samples.shape} do not fill the grid {grid.shape}")
    if not grid.is_orthogonal:
        raise GeometryError(
            "the grid is sheared (tilted gantry), a SimpleITK image cannot be; resample it by name onto straight axes",
            code="SHEARED_GRID",
        )
    image = sitk.GetImageFromArray(samples.astype(np.uint8) if samples.dtype == np.bool_ else samples)
    spacing = np.array(grid.spacing_mm[::-1])
    image.SetSpacing(spacing.tolist())
    direction = grid.affine[:3, 2::-1] / spacing
    direction[np.abs(direction) < NEGLIGIBLE_COSINE] = 0.0
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    return image


def samples_from(image: sitk.Image) -> NDArray[Any]:
    """The image's samples as a (slices, rows, columns) array of its own, never a view into SimpleITK's memory.

    Examples
    --------
    >>> import SimpleITK
    >>> samples_from(SimpleITK.Image(4, 3, 2, SimpleITK.sitkInt16)).shape
    (2, 3, 4)
    """
    return np.asarray(sitk.GetArrayFromImage(image))


def grid_from(image: sitk.Image) -> Grid:
    """Where the image's voxels are.

    Raises
    ------
    GeometryError
        The image is not three-dimensional.

    Examples
    --------
    >>> grid = Grid.from_spacing((2, 3, 4), (5.0, 1.0, 0.5), origin_mm=(1.0, 2.0, 3.0))
    >>> grid_from(image_from(np.zeros((2, 3, 4), np.int16), grid)).matches(grid)
    True
    """
    if image.GetDimension() != 3:
        raise GeometryError(f"a volume has three dimensions; this image has {image.GetDimension()}")
    columns, rows, slices = image.GetSize()
    affine = np.eye(4)
    affine[:3, :3] = (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return Grid((slices, rows, columns), affine)


def sitk_transform(moving_from_fixed: Rigid) -> sitk.AffineTransform:
    """The transform that SimpleITK's resampling wants: it leads from the output's space to the input's.

    An affine one, because ITK's rigid classes hold a versor or angles and lose digits near half turns.

    Examples
    --------
    >>> sitk_transform(Rigid.from_shift((1.0, 2.0, 3.0))).TransformPoint((0.0, 0.0, 0.0))
    (1.0, 2.0, 3.0)
    """
    matrix = moving_from_fixed.matrix
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def rigid_from(transform: sitk.Transform) -> Rigid:
    """The rigid transform that a SimpleITK transform does, whatever its class, centre or nesting.

    Raises
    ------
    GeometryError
        It bends, scales, shears or mirrors.

    Examples
    --------
    >>> turn = sitk.Euler3DTransform((10.0, 0.0, 0.0), 0.0, 0.0, np.pi / 2)
    >>> rigid_from(turn).apply([[0.0, 0.0, 5.0]]).round(6).tolist()
    [[10.0, -10.0, 5.0]]
    """
    if not transform.IsLinear():
        raise GeometryError("a deformable transform has no rigid matrix")
    origin, *ends = (
        np.array(transform.TransformPoint(point)) for point in np.vstack([np.zeros(3), np.eye(3)]).tolist()
    )
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([end - origin for end in ends])
    matrix[:3, 3] = origin
    return Rigid(matrix)


def distance_outside_mm(mask: BoolArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Distance of each centre to the nearest one inside the mask, 0 inside. Half of the time that SciPy takes.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool, one True at least.
    spacing_mm
        Of slices, rows and columns.

    Source: C. R. Maurer et al., IEEE Trans. Pattern Anal. Mach. Intell. 25 (2003) 265.

    Examples
    --------
    >>> distance_outside_mm(np.array([[[0, 1, 0, 0]]], bool), (3.0, 1.0, 0.5)).tolist()
    [[[0.5, 0.0, 0.5, 1.0]]]
    """
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing_mm[::-1])
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    return np.asarray(np.maximum(sitk.GetArrayViewFromImage(distance), 0.0), dtype=np.float64)
