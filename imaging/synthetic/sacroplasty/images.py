"""The seed case's images: the body on each exam's day, seen by that day's scanner."""

from __future__ import annotations

from dataclasses import replace

from imaging.synthetic.acquisition import CtScan, MrScan, Sampling, acquire_ct, acquire_mr
from imaging.synthetic.material import bloomed, merged
from imaging.synthetic.pelvis import Pelvis
from imaging.synthetic.phantom import Phantom
from imaging.synthetic.sacroplasty.course import LESIONS, lesion_at
from imaging.synthetic.sacroplasty.deposit import deposits_by
from imaging.synthetic.sacroplasty.exam import Exam
from imaging.synthetic.tissue import CONTRASTS, Tissue, with_radiodensity
from imaging.volume.volume import Volume

__all__ = ["images_of", "phantom_at"]

TEXTURE_SEED = 20030106  # one body, one texture
CEMENT_HU = 5500.0  # 30 % barium of the powder is about 20 % by weight when set: by calculation, at 120 kVp
GLUE_HU = 3500.0
GLUE_FADED = 0.6  # share of the glue's radiodensity left by day 100
FADED_DAY = 90
TWELVE_BIT_HU = 3071
EXTENDED_HU = 8191
CT_NOISE_HU = 14.0  # 12 HU at 3 mm is 12 √(3/2) = 14.7 at 2 mm
STIR_SHARE = 0.6  # STIR images are stored at 0.6 of the T1 scale, and are noisier
STIR_NOISE = 0.025
# Per MR exam: stored value of fat, chemical shift in pixels along (row, column).
MR_SETTINGS = {
    "T0": (500.0, (1.3, 0.0)),
    "T2": (610.0, (0.0, 1.6)),
    "T4": (430.0, (-1.0, 0.0)),
}


def phantom_at(moment: Exam, *, cement_hu: float = CEMENT_HU, bloom_mm: float = 0.4) -> Phantom:
    """The patient's body at one exam.

    Parameters
    ----------
    moment
        Which exam.
    cement_hu
        CT plateau of the cement.
    bloom_mm
        Reach of the signal loss around material on MR: 0–0.5 for spin echo, 1–2 for gradient echo.
    """
    glue_hu = GLUE_HU * (GLUE_FADED if moment.day >= FADED_DAY else 1.0)
    present = deposits_by(moment.day)
    maps = []
    for side in LESIONS:
        own = [deposit for deposit in present if deposit.lesion == side]
        if own:
            numbers = {"cement": Tissue.CEMENT, "embolic": Tissue.GLUE}
            material = merged(own[0].lattice, *((deposit.mask, numbers[deposit.kind]) for deposit in own))
            maps.append(bloomed(material, bloom_mm if moment.modality == "MR" else 0.0))
    return Phantom(
        pelvis=Pelvis(ilium_turn_deg=moment.ilium_turn_deg),
        lesions=(lesion_at("L1", moment.day), lesion_at("L2", moment.day)),
        materials=tuple(maps),
        contrasts=with_radiodensity(CONTRASTS, cement_hu=cement_hu, glue_hu=glue_hu),
    )


def images_of(moment: Exam) -> tuple[Volume, ...]:
    """The exam's images, without DICOM identity: one CT, or a T1 and a STIR.

    The first CT is stored in 12 bits and so clipped at 3071 HU; the second on an extended scale.
    """
    phantom = phantom_at(moment)
    fine = (3, 2, 2) if moment.modality == "CT" else (4, 2, 2)
    sampling = Sampling(
        grid=moment.grid,
        body_from_patient=moment.patient_from_body.inverse(),
        thickness_mm=moment.thickness_mm,
        fine=fine,
    )
    seed = TEXTURE_SEED + moment.day
    if moment.modality == "CT":
        scan = CtScan(
            sampling=sampling,
            noise_hu=CT_NOISE_HU,
            ceiling_hu=TWELVE_BIT_HU if moment.id == "T1" else EXTENDED_HU,
            texture_seed=TEXTURE_SEED,
            noise_seed=seed,
        )
        return (acquire_ct(phantom, scan),)
    scale, shift = MR_SETTINGS[moment.id]
    t1 = MrScan(sampling=sampling, scale=scale, fat_shift_pixels=shift, texture_seed=TEXTURE_SEED, noise_seed=seed)
    stir = replace(
        t1, role="stir", scale=STIR_SHARE * scale, noise=STIR_NOISE, fat_shift_pixels=(0.0, 0.0), noise_seed=seed + 1000
    )
    return acquire_mr(phantom, t1, stir)
