"""The words by which series descriptions name an image, as vendors and radiographers write them.

English, German, French, Dutch, Spanish and Italian; the text itself is never repeated.
"""

from __future__ import annotations

import re

__all__ = ["words_in"]

WORDS = {
    "stir": r"stir",
    "tirm": r"tirm",  # an inversion whose time, or the words beside it, tell what it nulls
    "flair": r"flair|dark ?fluid",
    "t2*": r"t2 ?\*|t2 ?star|swi|swan|medic|merge|hemo",
    "t1": r"t1(w|wi)?",
    "t2": r"t2(w|wi)?",
    "pd": r"pd(w|wi)?|proton ?density|rho",
    "dwi": r"dwi|dti|diff|diffusion|ep2d diff|resolve|b ?\d{2,4}|tracew?",
    "adc": r"e?adc|dadc",
    "fat saturation": (
        r"fs|fat ?sat|fatsat|spair|spir|spectral|chess|fat ?supp?|fat ?suppressed|we|wats|fsat|sfs|fett ?sat\w*|"
        r"fettges\w*|fett ?supp?r\w*|fettunterdr\w*|sat(uration)? ?(de )?graisse|vet ?(suppr|onderdr)\w*"
    ),
    "dixon": r"m?dixon|ideal|lava ?flex|dix",
    "fat": r"fat|f",
    "water": r"water|w",
    "in phase": r"in ?phase|inphase|in|ip",
    "opposed phase": r"opp|opposed|out ?phase|opp ?phase|op|out",
    "contrast": (
        r"gd|gado?|post|ce|km|c\+|\+c|\+gd|\+km|t1\+c|contrast[eo]?|kontrast\w*|gado\w+|dotarem|mdc|inj(ection)?|"
        r"post ?con(trast)?|t1c"
    ),
    "no contrast": r"pre|native?|non? ?con(trast)?|without|wo|ohne|sans|zonder|blanco|unenhanced|pre ?con(trast)?",
    "localizer": r"loc|localizer|localiser|scout|survey|topogram|aahscout|3 ?pl(ane)?|plan|tri ?pilot",
    "calibration": r"cal|calib|calibration|ref ?scan|b1 ?map|shim|field ?map|phoenix ?zip ?report",
    "asset": r"asset",  # GE's parallel imaging: the calibration for it where no weighting is named beside it
    "projection": r"min ?ip|mip|projection|collapse|sub|subtr\w*|soustr\w*|sottr\w*|sustr\w*",
    "map": r"map|mapping|mapit|relaxometry",
}  # fmt: skip
# What a word says of what follows it: without, or before, and after something that is no contrast agent.
NOT, BEFORE = r"(?:non?|not|without|wo|ohne|sans|zonder|geen|sin|senza)", r"(?:vor|avant|voor|before|prima|antes)"
TREATMENT = (
    r"(?:op|rt|rtx|tx|bx|rfa|mwa|hifu|(?:op|oper|surg|proc|interv|radi|chemo|thera|treat|biops|embol|abla|cryo|cement|"
    r"kyph|vertebr|sacro|fra[ck]t|trauma)[^\W\d_]*)"
)
DENIED_SIGNS = r"(?<![a-z0-9])(?:c|km|gd)-(?![a-z0-9])|(?<=[\s_(])-(?:c|km|gd)(?![a-z0-9])"  # "C-", " -KM"; not "T1-KM"
JOINED = {"t1": ("t1fs", "t1se", "t1tse", "t1gre", "t1vibe"), "t2": ("t2fs", "t2tse", "t2fse", "t2se", "t2stir")}


def words_in(text: str) -> frozenset[str]:
    """The known words in a text, each between characters that are neither letters nor digits.

    What a text says is absent is not in it: "without fat sat" holds no fat saturation, and "before contrast" is a word
    for the lack of it. Nor is a treatment an agent: "post op" holds no contrast.

    Examples
    --------
    >>> sorted(words_in("T1 TSE non FS, vor KM")), sorted(words_in("t1_fs post-op"))
    (['no contrast', 't1'], ['fat saturation', 't1'])
    """
    signed = re.sub(DENIED_SIGNS, " unenhanced ", text.lower().replace("w/o", " without ").replace("w/", " with "))
    plain = _without_denials(re.sub(r"[_\-.,;:()\[\]<>/\\ ]+", " ", signed))
    for weighting, spellings in JOINED.items():
        for spelling in spellings:
            plain = re.sub(rf"(?<![a-z0-9]){spelling}(?![a-z0-9])", f"{weighting} {spelling[2:]}", plain)
    return frozenset(word for word, pattern in WORDS.items() if re.search(_alone(pattern), plain))


def _without_denials(plain: str) -> str:
    """The text without what it says is absent, and without treatments that are named by "post" and "pre" too."""
    plain = re.sub(_alone(rf"(?:post|pre) ?{TREATMENT}"), " ", plain)
    plain = re.sub(_alone(rf"{NOT} ?(?:{WORDS['fat saturation']})"), " ", plain)
    return re.sub(_alone(rf"(?:{NOT}|{BEFORE}) ?(?:[^\W\d_]+ de )?(?:{WORDS['contrast']})"), " unenhanced ", plain)


def _alone(pattern: str) -> str:
    return rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9*])"
