"""Words that every report uses alike. They keep to what was measured and say what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imaging.segmentation import SegmentKind
from imaging.segmentation.material_kind import agent_kind
from pipelines.reports.document import Document, visible
from pipelines.reports.number import NBSP, UNKNOWN, rounded

__all__ = [
    "MEASURED",
    "RESEARCH_ONLY",
    "beyond_error_text",
    "elapsed_text",
    "fill_sentence",
    "link_text",
    "procedure_text",
    "recovery_sentence",
    "reference_text",
    "standing_sentence",
    "status_text",
]

RESEARCH_ONLY = "Research software, not a medical device. Not for diagnosis or treatment decisions."
MEASURED = ("proposed", "accepted")  # the statuses under which a contour's volume counts
# Clinical limits of the comparison of injected and imaged cement: graduation of a syringe, cannula, setting of PMMA.
RECOVERY_LIMITS = (
    f"syringe ±{NBSP}0.5{NBSP}mL, cannula dead space about 0.5{NBSP}mL and shrinkage not corrected; "
    "not evidence of embolisation or its absence"
)
STATUS_WORDS = {
    "proposed": "proposed — not confirmed by a reader",
    "accepted": "confirmed by a reader",
    "rejected": "rejected by a reader",
    "absent": "not seen any more",
    "not_assessable": "not assessable",
}
MATERIAL_WORDS = {"cement": "Cement", "embolic": "Glue", "metal": "Metal"}
# People count the days of a fortnight or two, then weeks, then months; 30.44 days is the mean month.
COUNTED_IN_DAYS, COUNTED_IN_WEEKS, COUNTED_IN_MONTHS, DAYS_PER_MONTH, DAYS_PER_YEAR = 21, 70, 730, 30.44, 365.25


def status_text(observation: Mapping[str, Any]) -> str:
    """The observation's status in words, naming the reader where the document does.

    Examples
    --------
    >>> status_text({"status": "accepted", "reader": "reader-1"})
    'confirmed by reader-1'
    """
    status = observation["status"]
    if status == "accepted" and observation.get("reader"):
        return f"confirmed by {visible(str(observation['reader']))}"
    return STATUS_WORDS.get(status, visible(str(status)))


def link_text(observation: Mapping[str, Any], lesion: str) -> str:
    """How far it is settled that the observation's mask is that lesion's, and by whom; empty where there is no mask.

    Examples
    --------
    >>> said = [{"status": "proposed", "lesion": "L1", "by": "osteotrace"}]
    >>> link_text({"identity": {"status": "proposed", "history": said}}, "L1")
    'link proposed'
    >>> said.append({"status": "corrected", "lesion": "L2", "by": "reader-1"})
    >>> link_text({"identity": {"status": "corrected", "history": said}}, "L1")  # until the figures follow
    'link corrected by reader-1: it is L2'
    >>> link_text({}, "L1")
    ''
    """
    identity = observation.get("identity")
    if not identity:
        return ""
    newest = identity["history"][-1]
    who = "" if newest["status"] == "proposed" else f" by {newest['by']}"
    whose = "" if newest["lesion"] == lesion else f": it is {newest['lesion']}"
    return visible(f"link {newest['status']}{who}{whose}")


def standing_sentence(observation: Mapping[str, Any]) -> str:
    """Whether a reader stands behind the contour.

    Examples
    --------
    >>> standing_sentence({"status": "proposed"})
    'Provisional: proposed — not confirmed by a reader.'
    """
    text = status_text(observation)
    if observation["status"] == "proposed":
        return f"Provisional: {text}."
    return f"{text[:1].upper()}{text[1:]}."


def beyond_error_text(exceeds: bool | None) -> str:  # noqa: FBT001 - the document's own value, not a switch
    """Whether a change is larger than its measurement error, as a word.

    Examples
    --------
    >>> beyond_error_text(True), beyond_error_text(False), beyond_error_text(None)
    ('yes', 'no', '—')
    """
    return {True: "yes", False: "no", None: UNKNOWN}[exceeds]


def reference_text(document: Document, reference: str) -> str:
    """What a change is measured against, in words.

    Examples
    --------
    >>> reference_text({"procedures": [{"id": "P2", "kind": "sacroplasty"}]}, "pre-procedure:P2")
    'before P2 (sacroplasty)'
    >>> reference_text({"procedures": []}, "baseline")
    'baseline'
    """
    kind, _, procedure_id = reference.partition(":")
    if kind != "pre-procedure":
        return visible(reference)
    done = next((str(p["kind"]) for p in document["procedures"] if p["id"] == procedure_id), "")
    return visible(f"before {procedure_id}" + (f" ({done})" if done else ""))


def elapsed_text(days: float) -> str:
    """A span of time as people say it.

    Examples
    --------
    >>> [elapsed_text(d).replace(NBSP, " ") for d in (1, 10, 35, 90, 800)]
    ['1 day', '10 days', '5 weeks', '3 months', '2.2 years']
    """
    if days < COUNTED_IN_DAYS:
        number, unit = rounded(days, 0), "day"
    elif days < COUNTED_IN_WEEKS:
        number, unit = rounded(days / 7, 0), "week"
    elif days < COUNTED_IN_MONTHS:
        number, unit = rounded(days / DAYS_PER_MONTH, 0), "month"
    else:
        number, unit = rounded(days / DAYS_PER_YEAR, 1), "year"
    return f"{number}{NBSP}{unit}{'' if number == '1' else 's'}"


def procedure_text(procedure: Mapping[str, Any]) -> str:
    """A procedure with what was injected in it.

    Examples
    --------
    >>> procedure_text({"id": "P2", "kind": "sacroplasty", "lesion": "L1",
    ...     "materials": [{"agent": "pmma-barium", "injected_ml": 7.0}]}).replace(NBSP, " ")
    'P2 sacroplasty, L1: 7 mL pmma-barium'
    """
    amounts = " + ".join(
        f"{_amount_text(material.get('injected_ml'))} {material.get('agent') or 'material'}"
        for material in procedure.get("materials") or ()
    )
    place = f", {procedure['lesion']}" if procedure.get("lesion") else ""
    return visible(f"{procedure['id']} {procedure['kind']}{place}" + (f": {amounts}" if amounts else ""))


def recovery_sentence(material: Mapping[str, Any]) -> str:
    """What was seen of what was injected, with the limits of that comparison; empty for metal.

    Examples
    --------
    >>> volume = {"value": 6.4, "unit": "mL", "method": "threshold", "interval95": [5.9, 6.9]}
    >>> injected = [{"procedure": "P2", "agent": "pmma-barium", "ml": 7.0}]
    >>> text = recovery_sentence({"kind": "cement", "volume_ml": volume, "injected": injected})
    >>> text.replace(NBSP, " ").startswith("imaged 6.4 of 7.0 mL injected; syringe ± 0.5 mL, cannula dead space")
    True
    """
    if material["kind"] == "metal":
        return ""
    if material["kind"] == "embolic":
        return "recovery not interpretable (mixed with blood, fades)"
    if not material["injected"] or any(row.get("ml") is None for row in material["injected"]):
        return "no injected amount to compare with"
    if any(finding["code"] == "INJECTED_NOT_CERTAIN" for finding in material.get("findings") or ()):
        return "which injected amount to compare with is not certain"
    if material["volume_ml"] is None:
        return "imaged volume unknown"
    return f"{_imaged_of_injected(material)}; {RECOVERY_LIMITS}"


def fill_sentence(material: Mapping[str, Any]) -> str:
    """How much of the lesion the material occupies; empty where that is unknown.

    Examples
    --------
    >>> fill = {"value": 0.129, "unit": "1", "method": "ratio", "interval95": None}
    >>> fill_sentence({"kind": "cement", "fill_fraction": fill}).replace(NBSP, " ")
    'Cement occupies 13 % of the lesion as contoured before treatment; no adequacy threshold exists.'
    """
    fill = material["fill_fraction"]
    if fill is None:
        return ""
    percent = float(fill["value"]) * (1 if fill["unit"] == "%" else 100)
    part = rounded(percent, 0 if percent >= 1 or percent == 0 else 1)
    name = MATERIAL_WORDS.get(material["kind"], "Radiodense material")
    late = any(finding["code"] == "LESION_OUTLINED_LATE" for finding in material.get("findings") or ())
    place = f"of the lesion as contoured {'after' if late else 'before'} treatment"
    return f"{name} occupies {part}{NBSP}% {place}; no adequacy threshold exists."


def _amount_text(amount: float | None) -> str:
    return "unknown amount of" if amount is None else f"{amount:g}{NBSP}mL"


def _imaged_of_injected(material: Mapping[str, Any]) -> str:
    seen = rounded(float(material["volume_ml"]["value"]), 1)
    cement, others = (rounded(_injected_ml(material, cement=kind), 1) for kind in (True, False))
    if not _injected_ml(material, cement=False):
        return f"imaged {seen} of {cement}{NBSP}mL injected"
    if material["kind"] == "cement":
        mixed = f"{others}{NBSP}mL of other agents went into the same lesion and may be counted with it"
        return f"imaged {seen} of {cement}{NBSP}mL cement injected; {mixed}"
    amounts = f"{cement}{NBSP}mL cement and {others}{NBSP}mL of other agents"
    return f"imaged {seen}{NBSP}mL where {amounts} were injected, not told apart"


def _injected_ml(material: Mapping[str, Any], *, cement: bool) -> float:
    rows = material["injected"]
    return float(sum(row["ml"] for row in rows if (agent_kind(str(row.get("agent"))) is SegmentKind.CEMENT) is cement))
