"""Whether a contrast agent was given, by a field in which people write what they like."""

from __future__ import annotations

import re

from imaging.dicom import tags
from imaging.dicom.elements import Elements

__all__ = ["has_contrast_agent"]

# What is written where no agent was given, in English, German, French, Dutch, Spanish and Italian.
NONE = {
    "0", "n", "a", "na", "nil", "no", "non", "none", "nothing", "not", "null", "plain", "pre", "unenhanced", "without",
    "wo", "w", "o", "kein", "keine", "keines", "nein", "nativ", "native", "ohne", "sans", "aucun", "aucune", "neant",
    "néant", "zonder", "geen", "nee", "blanco", "sin", "ningun", "ninguno", "senza", "nessuno",
}  # fmt: skip
OF_ANY_AGENT = {
    "contrast", "contraste", "contrasto", "kontrast", "kontrastmittel", "agent", "bolus", "iv", "i", "v", "km", "gd",
    "gado", "mdc", "given", "administered", "applied", "applicable", "injection", "produit", "de",
}  # fmt: skip


def has_contrast_agent(elements: Elements) -> bool:
    """Whether an agent is named; a field that must not stay empty is filled with a word for none.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.ContrastBolusAgent = "No IV contrast"
    >>> has_contrast_agent(Elements.from_dataset(dataset))
    False
    """
    words = set(re.findall(r"\w+", elements.text(tags.CONTRAST_AGENT).casefold()))
    if words & NONE and words <= NONE | OF_ANY_AGENT:
        return False
    return bool(words or elements.items(tags.CONTRAST_AGENT_SEQUENCE))
