"""Whether files that claim one Patient ID are of one patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations, pairwise

from imaging.dicom.instance import Instance, distinct_facts
from imaging.finding import Finding, Severity

__all__ = ["are_of_one_person", "contradicted_patients"]


def contradicted_patients(instances: Iterable[Instance]) -> tuple[Finding, ...]:
    """PATIENT_CONTRADICTED for every Patient ID whose images know two birth dates, two sexes or two names.

    Two names are those that share no word: spellings differ, and family names change.

    What the images say is not repeated: an id, a date of birth or a name has no place in a message. The finding names a
    study of that patient instead.

    Examples
    --------
    >>> contradicted_patients([])
    ()
    """
    names = defaultdict[str, set[frozenset[str]]](set)
    births, sexes, studies = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set), dict[str, str]()
    for facts in distinct_facts(instances):
        births[facts.patient] |= {facts.birth_date} - {""}
        sexes[facts.patient] |= {facts.sex} - {""}
        names[facts.patient] |= {facts.name_parts} - {frozenset()}
        studies[facts.patient] = min(facts.study_uid, studies.get(facts.patient, facts.study_uid))
    doubts = [
        *(("PatientBirthDate (0010,0030)", patient) for patient, known in sorted(births.items()) if len(known) > 1),
        *(("PatientSex (0010,0040)", patient) for patient, known in sorted(sexes.items()) if len(known) > 1),
        *(("PatientName (0010,0010)", patient) for patient, known in sorted(names.items()) if _share_no_word(known)),
    ]
    return tuple(
        Finding(
            "PATIENT_CONTRADICTED",
            Severity.WARNING,
            f"images under one Patient ID (0010,0020) have different values of {element}; one is expected; check that "
            "they are of one patient",
            studies[patient],
        )
        for element, patient in doubts
    )


def are_of_one_person(names: Iterable[frozenset[str]]) -> bool:
    """Whether names of one series are one name, written more or less completely.

    A family shares a word, and within one series no name changes; so of any two, one must hold all words of the other.

    Examples
    --------
    >>> are_of_one_person([frozenset({"doe", "john"}), frozenset({"doe", "john", "a"}), frozenset()])
    True
    >>> are_of_one_person([frozenset({"doe", "john"}), frozenset({"doe", "jane"})])
    False
    """
    ordered = sorted(set(names), key=len)
    return all(shorter <= longer for shorter, longer in pairwise(ordered))


def _share_no_word(names: Iterable[frozenset[str]]) -> bool:
    """Whether any two names share no word; then they are not two spellings of one.

    Examples
    --------
    >>> _share_no_word([frozenset({"doe", "jane"}), frozenset({"jane", "roe"})])
    False
    """
    return any(one.isdisjoint(other) for one, other in combinations(names, 2))
