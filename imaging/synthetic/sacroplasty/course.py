"""The course of the seed case's two lesions: their size on any day has a formula.

Day 0 is the first procedure. A lesion's axes change linearly with time between the MR exams.
"""

from __future__ import annotations

import numpy as np

from imaging.errors import UsageError
from imaging.synthetic.phantom import Lesion
from imaging.synthetic.shape import Ellipsoid, in_plane_turn

__all__ = ["LEFT_CENTER_MM", "LESIONS", "RIGHT_CENTER_MM", "lesion_at"]

LESIONS = ("L1", "L2")
LOBULATION = 0.08
# 6 mm in front of the sacrum and 1 mm from the first foramen's tunnel
LEFT_CENTER_MM, LEFT_TURN_DEG = (28.0, 32.6, -24.3), 25.0
RIGHT_CENTER_MM, RIGHT_TURN_DEG = (-42.0, 30.0, -9.0), 65.0
AXES_MM = {
    "L1": ((-4.0, (52.0, 42.0, 48.0)), (97.0, (50.0, 40.0, 46.0)), (135.0, (49.0, 39.0, 45.0))),
    "L2": ((-4.0, (18.0, 15.0, 16.0)), (97.0, (36.0, 27.0, 30.0)), (135.0, (35.0, 26.5, 29.5))),
}
# Blood 10 mm deep, touching the lesion's margin, about 15 % of the left lesion.
BLOOD_CENTER_MM, BLOOD_AXES_MM = (36.0, 38.1, -5.3), (43.0, 43.0, 21.0)


def lesion_at(id: str, day: float) -> Lesion:
    """A lesion on any day, its axes linear in time between the MR exams and constant outside.

    Examples
    --------
    >>> [round(lesion_at("L1", day).solid.volume_ml, 1) for day in (-4, 97, 135)]
    [54.9, 48.2, 45.0]
    >>> [round(lesion_at("L2", day).solid.volume_ml, 1) for day in (-4, 97, 135)]
    [2.3, 15.3, 14.3]
    """
    if id not in AXES_MM:
        raise UsageError(f"the seed case has lesions {sorted(AXES_MM)}; got {id!r}")
    days = [known for known, _ in AXES_MM[id]]
    a, b, c = (float(np.interp(day, days, [axes[k] for _, axes in AXES_MM[id]])) for k in range(3))
    left = id == "L1"
    solid = Ellipsoid(
        center_mm=LEFT_CENTER_MM if left else RIGHT_CENTER_MM,
        axes_mm=(a, b, c),
        turn=in_plane_turn(LEFT_TURN_DEG if left else RIGHT_TURN_DEG),
        lobulation=LOBULATION,
    )
    blood = Ellipsoid(center_mm=BLOOD_CENTER_MM, axes_mm=BLOOD_AXES_MM) if left else None
    return Lesion(id=id, solid=solid, oedema_mm=7.0 if left else 5.5, blood=blood)
