"""Colours that people with any colour vision can tell apart, on light and on dark paper (Okabe and Ito, 2008)."""

from __future__ import annotations

__all__ = ["LESION_COLOURS", "MATERIAL_COLOURS", "lesion_colour", "lesion_colour_on_dark"]

# Yellow is left out because it vanishes on white. Shape and dash always repeat what colour says.
LESION_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7f7f7f")
# Light enough for a thin line on a dark image, and none near the blue, pink, mint and grey of material.
LESION_COLOURS_ON_DARK = ("#ffb000", "#b58cff", "#7ad151", "#ff6a3d", "#f0e442")
MATERIAL_COLOURS = {"cement": "#56b4e9", "embolic": "#f0a0d0", "metal": "#4fd6a8", "unclassified": "#d0d0d0"}


def lesion_colour(position: int) -> str:
    """The colour of the lesion at this position in the document; colours return after the last.

    Examples
    --------
    >>> lesion_colour(0), lesion_colour(7) == lesion_colour(0)
    ('#0072b2', True)
    """
    return LESION_COLOURS[position % len(LESION_COLOURS)]


def lesion_colour_on_dark(position: int) -> str:
    """The colour of that lesion's outline on a grey image; unlike every material's.

    Examples
    --------
    >>> lesion_colour_on_dark(0), lesion_colour_on_dark(5) == lesion_colour_on_dark(0)
    ('#ffb000', True)
    """
    return LESION_COLOURS_ON_DARK[position % len(LESION_COLOURS_ON_DARK)]
