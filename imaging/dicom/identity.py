"""Whether files that claim one Patient ID are of one patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from imaging.dicom.instance import Instance, distinct_facts
from imaging.finding import Finding, Severity

__all__ = ["contradicted_patients"]


def contradicted_patients(instances: Iterable[Instance]) -> tuple[Finding, ...]:
    """PATIENT_CONTRADICTED for every Patient ID whose images know two birth dates or two sexes.

    What the images say is not repeated: an id, a date of birth or a name has no place in a message. The finding names a
    study of that patient instead.

    Examples
    --------
    >>> contradicted_patients([])
    ()
    """
    births, sexes, studies = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set), dict[str, str]()
    for facts in distinct_facts(instances):
        births[facts.patient] |= {facts.birth_date} - {""}
        sexes[facts.patient] |= {facts.sex} - {""}
        studies[facts.patient] = min(facts.study_uid, studies.get(facts.patient, facts.study_uid))
    return tuple(
        Finding(
            "PATIENT_CONTRADICTED",
            Severity.WARNING,
            f"images under one Patient ID (0010,0020) have {len(known)} different values of {element}; one is "
            "expected; check that they are of one patient",
            studies[patient],
        )
        for element, values in (("PatientBirthDate (0010,0030)", births), ("PatientSex (0010,0040)", sexes))
        for patient, known in sorted(values.items())
        if len(known) > 1
    )
