from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.geometry import Grid, Rigid
from imaging.synthetic.acquisition import CtScan, MrScan, Sampling, acquire_ct, acquire_mr, fractions
from imaging.synthetic.phantom import Insert, Lesion, Phantom
from imaging.synthetic.sacroplasty.exam import pose
from imaging.synthetic.shape import Ellipsoid, in_plane_turn
from imaging.synthetic.streak import Streak
from imaging.synthetic.tissue import Contrast, Tissue

SOLID = Ellipsoid(center_mm=(4.0, -3.0, 2.0), axes_mm=(34.0, 22.0, 28.0), turn=in_plane_turn(30), lobulation=0.08)
BATH = Phantom(pelvis=None, lesions=(Lesion(id="L1", solid=SOLID, oedema_mm=0.0),))


def sampling(
    spacing_mm: tuple[float, float, float],
    *,
    turns_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    fine: tuple[int, int, int] = (4, 2, 2),
    thickness_mm: float | None = None,
) -> Sampling:
    """An axial grid, 52 mm wide each way, around the solid of a body turned and moved in the scanner."""
    patient_from_body = pose(turns_deg, (10.0, -20.0, 300.0))
    shape = tuple(int(np.ceil(52 / step)) for step in spacing_mm)
    middle = patient_from_body.apply([SOLID.center_mm])[0]
    origin = middle - (np.array(shape) - 1)[::-1] / 2 * np.array(spacing_mm)[::-1]
    grid = Grid.from_spacing(shape, spacing_mm, origin_mm=tuple(origin))
    return Sampling(grid=grid, body_from_patient=patient_from_body.inverse(), fine=fine, thickness_mm=thickness_mm)


def only(*tissues: int) -> dict[str, np.ndarray]:
    table = np.zeros(256, dtype=np.float32)
    table[list(tissues)] = 1
    return {"share": table}


@pytest.mark.parametrize("turns_deg", [(0.0, 0.0, 0.0), (12.0, 0.0, 5.0), (-3.0, 20.0, 40.0)])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 0.7, 0.7), (6.0, 0.85, 0.85)])
def test_partial_volume_conserves_mass(
    spacing_mm: tuple[float, float, float], turns_deg: tuple[float, float, float]
) -> None:
    where = sampling(spacing_mm, turns_deg=turns_deg)
    share = fractions(BATH, where, only(Tissue.TUMOUR))["share"]
    volume_ml = float(share.sum(dtype=np.float64)) * where.grid.voxel_volume_mm3 / 1000
    # only fine cells that the surface cuts can be wrong: variance 1/12 cell each, about two shadows of them per axis
    dz, dy, dx = (step / fine for step, fine in zip(spacing_mm, where.fine, strict=True))
    shadow = np.pi / 4 * max(SOLID.axes_mm) ** 2
    cut = 2 * shadow * (1 / (dx * dy) + 1 / (dy * dz) + 1 / (dx * dz))
    assert volume_ml == pytest.approx(SOLID.volume_ml, abs=6 * np.sqrt(cut / 12) * dx * dy * dz / 1000)
    assert share.min() == 0 and share.max() == 1
    assert ((share > 0) & (share < 1)).any()


def test_a_thin_slice_with_a_gap_sees_nothing_of_the_gap() -> None:
    plate = Insert(
        shape=Ellipsoid(center_mm=(0.0, 0.0, 3.0), axes_mm=(80.0, 80.0, 0.9)), contrast=Contrast(3000, 0, 0, 0, 0, 0)
    )
    grid = Grid.from_spacing((2, 4, 4), (6.0, 1.0, 1.0), origin_mm=(-2.0, -2.0, 0.0))
    body = Phantom(pelvis=None, inserts=(plate,))
    with_gap = Sampling(grid=grid, body_from_patient=Rigid.identity(), thickness_mm=5.0, fine=(8, 2, 2))
    assert fractions(body, with_gap, only(32))["share"].max() == 0
    assert fractions(body, replace(with_gap, thickness_mm=None), only(32))["share"].max() > 0


def test_the_lesion_is_where_the_pose_puts_it() -> None:
    where = sampling((1.0, 1.0, 1.0), turns_deg=(12.0, 0.0, 5.0))
    share = fractions(BATH, where, only(Tissue.TUMOUR))["share"].astype(np.float64)
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in share.shape), indexing="ij"), axis=-1)
    centroid = (indices * share[..., None]).sum(axis=(0, 1, 2)) / share.sum()
    found = where.body_from_patient.apply(where.grid.points([centroid]))[0]
    # P is odd, so the lobes move the centroid by 4 ε ⟨P u⟩ of a semi-axis, and ⟨P u⟩ = 0: P has degrees 3 and 5, u 1
    assert found == pytest.approx(SOLID.center_mm, abs=0.25)


def test_noise_has_the_stated_size() -> None:
    grid = Grid.from_spacing((4, 64, 64), (2.0, 0.8, 0.8))
    still = Phantom(pelvis=None, contrasts={Tissue.MUSCLE: Contrast(55, 0, 0.28, 0.0, 0.25, 0.0)})
    where = Sampling(grid=grid, body_from_patient=Rigid.identity(), fine=(1, 1, 1))
    image = acquire_ct(still, CtScan(sampling=where, noise_hu=12.0))
    assert image.samples.mean() == pytest.approx(55, abs=1)
    assert image.samples.std() == pytest.approx(12, rel=0.03)
    air = Phantom(pelvis=None, contrasts={Tissue.MUSCLE: Contrast(-1000, 0, 0, 0, 0, 0)})
    (magnitude,) = acquire_mr(air, MrScan(sampling=where, noise=0.012, scale=2000.0))
    # a Rician signal of nothing is Rayleigh: its mean is σ √(π/2)
    assert magnitude.samples.mean() == pytest.approx(24 * np.sqrt(np.pi / 2), rel=0.02)


def test_a_twelve_bit_scan_is_clipped_and_says_so() -> None:
    dense = Insert(
        shape=Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(9.0, 9.0, 9.0)), contrast=Contrast(5500, 0, 0, 0, 0, 0)
    )
    grid = Grid.from_spacing((8, 16, 16), (2.0, 1.0, 1.0), origin_mm=(-8.0, -8.0, -7.0))
    where = Sampling(grid=grid, body_from_patient=Rigid.identity())
    body = Phantom(pelvis=None, inserts=(dense,))
    clipped = acquire_ct(body, CtScan(sampling=where))
    extended = acquire_ct(body, CtScan(sampling=where, ceiling_hu=8191))
    assert clipped.samples.max() == 3071 and clipped.saturation_hu == 3071
    assert extended.samples.max() > 5000 and extended.saturation_hu is None
    assert np.array_equal(np.minimum(extended.samples, 3071), clipped.samples)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    where = sampling((4.0, 2.0, 2.0), fine=(2, 1, 1))
    one, again, other = (acquire_ct(BATH, CtScan(sampling=where, noise_seed=seed)).samples for seed in (3, 3, 4))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_chemical_shift_moves_fat_and_nothing_else() -> None:
    contrasts = {
        Tissue.MUSCLE: Contrast(0, 0, 0.3, 0.0, 0.3, 0.0),
        Tissue.TUMOUR: Contrast(0, 0, 0.9, 0.9, 0.0, 0.0),
    }
    where = sampling((2.0, 1.0, 1.0))
    body = replace(BATH, contrasts=contrasts)
    still = MrScan(sampling=where, scale=3000.0, noise=0.0, shading_per_100_mm=0.0)
    moved = replace(still, fat_shift_pixels=(0.0, 2.0))
    (here,), (there,) = acquire_mr(body, still), acquire_mr(body, moved)
    water = replace(body, contrasts={**contrasts, Tissue.TUMOUR: Contrast(0, 0, 0.0, 0.0, 0.0, 0.0)})
    (background,) = acquire_mr(water, still)
    fat_here = here.samples.astype(int) - background.samples
    fat_there = there.samples.astype(int) - background.samples
    assert np.abs(fat_there[:, :, 2:] - fat_here[:, :, :-2]).max() <= 2  # rounding of two images
    assert fat_here.max() > 2500  # 0.9 of 3000 is fat


def test_a_bone_kernel_overshoots_by_its_share_of_the_step() -> None:
    # a ball of 60 mm is flat on the scale of the blur
    ball = Ellipsoid(center_mm=(30.0, 0.0, 0.0), axes_mm=(60.0, 60.0, 60.0))
    edge = Phantom(
        pelvis=None,
        lesions=(Lesion(id="L1", solid=ball, oedema_mm=0.0),),
        contrasts={Tissue.MUSCLE: Contrast(0, 0, 0, 0, 0, 0), Tissue.TUMOUR: Contrast(1000, 0, 0, 0, 0, 0)},
    )
    grid = Grid.from_spacing((1, 40, 40), (0.5, 0.25, 0.25), origin_mm=(-5.0, -5.0, 0.0))
    where = Sampling(grid=grid, body_from_patient=Rigid.identity())
    soft = acquire_ct(edge, CtScan(sampling=where, noise_hu=0.0)).samples[0, 20]
    bone = acquire_ct(edge, CtScan(sampling=where, noise_hu=0.0, overshoot=0.12)).samples[0, 20]
    assert (soft.min(), soft.max()) == (0, 1000)
    assert bone.max() == pytest.approx(1120, abs=12)
    assert bone.min() == pytest.approx(-120, abs=12)


def test_a_streak_darkens_its_band_and_doubles_the_noise_in_it() -> None:
    grid = Grid.from_spacing((3, 80, 80), (2.0, 1.0, 1.0), origin_mm=(-40.0, -40.0, -2.0))
    still = Phantom(pelvis=None, contrasts={Tissue.MUSCLE: Contrast(55, 0, 0, 0, 0, 0)})
    streak = Streak(start_mm=(-30.0, 0.0, 0.0), stop_mm=(30.0, 0.0, 0.0))
    where = Sampling(grid=grid, body_from_patient=Rigid.identity(), fine=(1, 1, 1))
    image = acquire_ct(still, CtScan(sampling=where, noise_hu=10.0, streak=streak)).samples
    band, clear = image[:, 36:45, 20:60], image[:, :20, :]
    assert band.mean() == pytest.approx(55 - 120, abs=3)
    assert clear.mean() == pytest.approx(55, abs=1)
    assert band.std() / clear.std() == pytest.approx(2, rel=0.15)
