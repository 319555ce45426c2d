"""Which purpose a series serves, from what its header says: words first, then timings.

Only images of one role are compared with one another, so a wrong role is worse than none: where the rules below do not
agree with the header, the role is None and the reason says what was missing. A person overrides it in the case file.
"""

from __future__ import annotations

from dataclasses import dataclass

from imaging.study.words import words_in

__all__ = ["SequenceFacts", "decide_role"]

# Repetition and echo times that divide the weightings, in ms. Source: Bitar et al., RadioGraphics 26 (2006) 513-537,
# table 1 (spin echo: T1 TR < 750, TE < 40; T2 TR > 1500, TE > 75; PD TR > 1500, TE < 40), with the gap between the
# echo times left undecided because turbo spin echoes fill it.
T1_TR_FROM = 150.0  # below, only gradient echoes repeat
T1_TR_BELOW, T1_TE_BELOW = 1000.0, 30.0  # 3 T and turbo factors stretch T1 spin echoes up to about 1000 ms
LONG_TR_FROM = 1500.0
T2_TE_FROM, PD_TE_BELOW = 60.0, 40.0
STIR_TI = (80.0, 300.0)  # nulls fat: 0.69 × T1(fat) of 250-380 ms at 1.5-3 T, and a margin for vendors' definitions
FLAIR_TI_FROM = 1500.0  # nulls fluid
SPOILED_TR_BELOW, SPOILED_TE_BELOW, SPOILED_ANGLE_FROM = 20.0, 8.0, 5.0  # VIBE, THRIVE, LAVA, MPRAGE: T1-weighted
FLASH_TE_BELOW, FLASH_ANGLE_FROM = 8.0, 40.0  # two-dimensional spoiled gradient echo with a longer TR
T2_STAR_TE_FROM = 12.0

WEIGHTINGS = ("t1", "t2", "pd", "dwi", "stir", "flair")
DIXON_WEIGHTINGS = {"t1", "t1c", "t2", "pd"}
DIXON_TYPES = {
    "FAT": "dixon_fat", "F": "dixon_fat", "WATER": "dixon_water", "W": "dixon_water",
    "IN_PHASE": "dixon_in", "IP": "dixon_in", "IN": "dixon_in",
    "OPP_PHASE": "dixon_out", "OUT_PHASE": "dixon_out", "OP": "dixon_out", "OUT_OF_PHASE": "dixon_out",
}  # fmt: skip
FAT_SATURATION_OPTIONS = {"FS", "FAT_SAT", "FSAT", "FATSAT", "SPIR", "SPAIR", "SFS", "FS_GEMS", "WE"}
# Image Type value 3 of enhanced MR (PS3.3 C.8.13.3.1.1): the weighting in the scanner's own words.
FLAVORS = {"T1": "t1", "T2": "t2", "PROTON_DENSITY": "pd", "STIR": "stir", "DIFFUSION": "dwi", "T2_STAR": "gre"}
NOT_FOR_ROLES = {
    "LOCALIZER": "a localizer",
    "PROJECTION IMAGE": "a projection",
    "MIP": "a projection",
    "MIN_IP": "a projection",
    "SUBTRACTION": "a difference of images",
    "SUB": "a difference of images",
    "ADC": "an ADC map",
    "EADC": "an ADC map",
    "PHASE": "a phase image",
    "PHASE MAP": "a phase image",
    "P": "a phase image",
    "VELOCITY MAP": "a velocity map",
    **dict.fromkeys(("T1 MAP", "T2 MAP", "T2* MAP", "T2_STAR MAP", "R2_STAR", "FF"), "a parameter map"),
    **dict.fromkeys(("FA", "TENSOR", "CALC_BVALUE"), "a map computed from diffusion"),
    # Image Type value 4 of multi-energy CT (PS3.3 C.8.2.1.1.1): values that are no Hounsfield units of the patient.
    **dict.fromkeys(
        ("MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY"), "a material map"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFacts:
    """What a header says of how an image was made; None, "" or () where it says nothing. Times in ms, angle in degrees.

    ``description`` is free text: the rule looks for known words in it and never repeats it.
    """

    modality: str
    description: str = ""
    sequence_name: str = ""
    image_type: tuple[str, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    scan_options: tuple[str, ...] = ()
    repetition_time: float | None = None
    echo_time: float | None = None
    inversion_time: float | None = None
    flip_angle: float | None = None
    b_value: float | None = None
    has_contrast_agent: bool = False
    fat_saturated: bool | None = None


def decide_role(facts: SequenceFacts) -> tuple[str | None, str]:
    r"""The role of a series, and the reason for it or for the lack of one.

    Parameters
    ----------
    facts
        Of one volume.

    Returns
    -------
    tuple
        One of ct, t1, t1c, t1fs, t1cfs, t2, t2fs, stir, flair, pd, pdfs, dwi, gre, dixon_fat, dixon_water, dixon_in or
        dixon_out, or None; a Dixon part of known weighting ends in _t1, _t1c, _t2 or _pd.
        And a sentence that names keywords and timings but repeats no text of the header.

    Notes
    -----
    Localizers, projections, differences, phase images, maps and DERIVED\SECONDARY images serve no purpose by
    themselves. Contrast needs a T1 weighting: a word for it, or a contrast agent in the header and no word against it.

    Examples
    --------
    >>> decide_role(SequenceFacts(modality="CT"))
    ('ct', 'modality CT')
    >>> decide_role(SequenceFacts(modality="MR", description="t1_tse_sag_fs KM"))
    ('t1cfs', 'described as t1, contrast, fat saturation')
    >>> decide_role(SequenceFacts(modality="MR", repetition_time=500.0, echo_time=12.0))
    ('t1', 'TR 500 ms, TE 12 ms: T1-weighted')
    """
    kind = {value.strip().upper() for value in facts.image_type}
    for value, meaning in NOT_FOR_ROLES.items():
        if value in kind:
            return None, f"image type says {meaning}"
    if facts.modality not in ("CT", "MR"):
        return None, "neither CT nor MR"
    if [value.upper() for value in facts.image_type[:2]] == ["DERIVED", "SECONDARY"]:
        return None, "derived from other images"
    if facts.modality == "CT":
        return "ct", "modality CT"
    words = words_in(facts.description)
    for word in ("localizer", "calibration", "projection", "adc", "map"):
        if word in words or (word == "calibration" and "asset" in words and words.isdisjoint(WEIGHTINGS)):
            return None, f"described as {word}"
    return _by_words(facts, kind, words) or _by_sequence(facts)


def _by_words(facts: SequenceFacts, kind: set[str], words: frozenset[str]) -> tuple[str | None, str] | None:
    if "dwi" in words or facts.b_value:
        return "dwi", "described as dwi" if "dwi" in words else "has a b-value"
    return _dixon(facts, kind, words) or _by_contrast_name(facts, words) or _by_weighting(facts, kind, words)


def _by_contrast_name(facts: SequenceFacts, words: frozenset[str]) -> tuple[str, str] | None:
    """Weightings that one word names completely."""
    if "stir" in words:
        return "stir", "described as stir"
    if "tirm" in words and "t1" not in words:
        nulls_fluid = "flair" in words or (facts.inversion_time or 0.0) >= FLAIR_TI_FROM
        return ("flair", "described as tirm of fluid") if nulls_fluid else ("stir", "described as tirm")
    if "t2*" in words:
        return "gre", "described as t2*"
    if "flair" in words and "t1" not in words:
        return "flair", "described as flair"
    return None


def _by_weighting(facts: SequenceFacts, kind: set[str], words: frozenset[str]) -> tuple[str, str] | None:
    weightings = words & {"t1", "t2", "pd"}
    if len(weightings) == 1:
        (weighting,) = weightings
        return _refined(weighting, f"described as {weighting}", facts, words)
    flavors = {FLAVORS[value] for value in kind & FLAVORS.keys()}
    if weightings or len(flavors) != 1:
        return None
    (flavor,) = flavors
    because = f"image type says {flavor}"
    return _refined(flavor, because, facts, words) if flavor in {"t1", "t2", "pd"} else (flavor, because)


def _dixon(facts: SequenceFacts, kind: set[str], words: frozenset[str]) -> tuple[str | None, str] | None:
    """The Dixon part with its weighting, for the parts of a T1 and of a T2 have opposite contrasts."""
    found = _dixon_part(kind, words)
    if found is None or found[0] is None:
        return found
    part, because = found
    weighting, reason = _by_weighting(facts, kind, words) or _by_sequence(facts)
    base = (weighting or "").removesuffix("fs")
    return (f"{part}_{base}", f"{because}; {reason}") if base in DIXON_WEIGHTINGS else (part, because)


def _dixon_part(kind: set[str], words: frozenset[str]) -> tuple[str | None, str] | None:
    for value in sorted(kind & DIXON_TYPES.keys()):
        if len(value) > 2 or "DIXON" in kind or "dixon" in words:
            return DIXON_TYPES[value], "image type names the Dixon part"
    if "dixon" not in words:
        return None
    parts = {"fat": "dixon_fat", "water": "dixon_water", "in phase": "dixon_in", "opposed phase": "dixon_out"}
    named = [word for word in parts if word in words]
    if len(named) == 1:
        return parts[named[0]], f"described as dixon, {named[0]}"
    return None, "described as dixon, but which part it holds is not said"


def _refined(weighting: str, because: str, facts: SequenceFacts, words: frozenset[str]) -> tuple[str, str]:
    """The weighting together with contrast and fat saturation."""
    if weighting == "t1":
        if "contrast" in words and "no contrast" not in words:
            weighting, because = "t1c", f"{because}, contrast"
        elif facts.has_contrast_agent and "no contrast" not in words:
            weighting, because = "t1c", f"{because}; the header names a contrast agent"
    if "fat saturation" in words:
        return f"{weighting}fs", f"{because}, fat saturation"
    if facts.fat_saturated or FAT_SATURATION_OPTIONS & {option.upper() for option in facts.scan_options}:
        return f"{weighting}fs", f"{because}; the header says fat saturation"
    return weighting, because


def _by_sequence(facts: SequenceFacts) -> tuple[str | None, str]:
    """The weighting that the timings give."""
    tr, te = facts.repetition_time, facts.echo_time
    if "EP" in facts.scanning_sequence:
        return None, "echo-planar without a b-value"
    if not tr or te is None:
        return None, "no known word, and no repetition and echo time"
    timings = f"TR {tr:g} ms, TE {te:g} ms"
    inverted = _by_inversion(facts.inversion_time, tr, te, timings)
    if inverted is not None:
        return inverted
    if "GR" in facts.scanning_sequence and "SE" not in facts.scanning_sequence:
        return _by_gradient_echo(facts, tr, te, timings)
    return _by_spin_echo(facts, tr, te, timings)


def _by_inversion(ti: float | None, tr: float, te: float, timings: str) -> tuple[str, str] | None:
    if ti and STIR_TI[0] <= ti <= STIR_TI[1] and tr >= LONG_TR_FROM:
        return "stir", f"{timings}, TI {ti:g} ms: fat nulled by inversion"
    if ti and ti >= FLAIR_TI_FROM and te >= T2_TE_FROM:
        return "flair", f"{timings}, TI {ti:g} ms: fluid nulled by inversion"
    return None


def _by_spin_echo(facts: SequenceFacts, tr: float, te: float, timings: str) -> tuple[str | None, str]:
    words = words_in(facts.description)
    if T1_TR_FROM <= tr < T1_TR_BELOW and te < T1_TE_BELOW:
        return _refined("t1", f"{timings}: T1-weighted", facts, words)
    if tr >= LONG_TR_FROM and te >= T2_TE_FROM:
        return _refined("t2", f"{timings}: T2-weighted", facts, words)
    if tr >= LONG_TR_FROM and te < PD_TE_BELOW:
        return _refined("pd", f"{timings}: proton density", facts, words)
    return None, f"{timings} fit no weighting"


def _by_gradient_echo(facts: SequenceFacts, tr: float, te: float, timings: str) -> tuple[str | None, str]:
    if facts.flip_angle is None:
        return None, f"{timings}: gradient echo of unknown flip angle"
    angle = facts.flip_angle
    spoiled = tr < SPOILED_TR_BELOW and te < SPOILED_TE_BELOW and angle >= SPOILED_ANGLE_FROM
    prepared = "MP" in facts.sequence_variant and te < SPOILED_TE_BELOW
    flash = te < FLASH_TE_BELOW and angle >= FLASH_ANGLE_FROM and tr < T1_TR_BELOW
    steady = "SS" in facts.sequence_variant and "SP" not in facts.sequence_variant
    if (spoiled or prepared or flash) and not steady:
        return _refined("t1", f"{timings}, {angle:g}°: T1-weighted gradient echo", facts, words_in(facts.description))
    if te >= T2_STAR_TE_FROM:
        return "gre", f"{timings}: gradient echo"
    return None, f"{timings}, {angle:g}°: gradient echo of no clear weighting"
