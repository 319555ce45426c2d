"""What a case's masks and readers' statements come to: every criterion at each exam, and what stands in the way."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from imaging.lesions.lesion import Eligibility, Lesion, Method, Observation
from imaging.lesions.procedure import Procedure
from imaging.measurement.quantity import Quantity
from imaging.response.own import own_criterion
from imaging.response.reading import FillIn, NewLesions, NonTarget, Reading
from imaging.response.response import Response
from imaging.response.thresholds import Metric
from imaging.segmentation import LesionId, Status
from pipelines.case.conclude import Case, CaseExam
from pipelines.case.document import case_document, case_from_document
from pipelines.case.responses import responses

DATES = ("2003-01-06", "2003-03-10", "2003-06-09", "2003-09-08")  # days 0, 63, 154, 245
DAYS = (0, 63, 154, 245)
SOFT = Eligibility(soft_tissue=True)
OWN = own_criterion({"name": "mine", "metric": "volume_ml", "pr": "-0.1", "pd": "0.1", "source": "the protocol"})
TREATED = Procedure(id="P1", when="2002-12-01", kind="radiotherapy", lesion=LesionId("L1"))
NOT_TREATED = Procedure(id="P0", when="2002-12-01", kind="other")
CEMENT = Procedure(id="P2", when="2003-02-01", kind="sacroplasty", lesion=LesionId("L1"), materials=(("pmma", 5.0),))


def seen(lesion: str, exam: int, long_mm: float, **more: Any) -> Observation:
    """A mask that a reader accepted, half as wide as it is long; its volume goes with the cube of that."""
    return Observation(
        **{
            "lesion": LesionId(lesion),
            "timepoint": f"T{exam}",
            "series_uid": "1.2",
            "role": "t1",
            "primary": True,
            "status": Status.ACCEPTED,
            "method": Method.SEGMENTED,
            "volume": Quantity(round(long_mm**3 / 8000, 9), "mL", "voxel sum"),
            "material": Quantity(0.0, "mL", "none"),
            "long_axis": Quantity(long_mm, "mm", "contour"),
            "short_axis": Quantity(long_mm / 2, "mm", "contour"),
            "slice_mm": 4.0,
            "slice_normal": (0.0, 0.0, 1.0),
            **more,
        }
    )


def lesion(name: str, kind: str = "target", eligibility: Eligibility = SOFT) -> Lesion:
    return Lesion(id=LesionId(name), name=name, side=None, kind=kind, tracking_uid="1", eligibility=eligibility)


def case(*observations: Observation, lesions: tuple[Lesion, ...] = (lesion("L1"),), **more: Any) -> Case:
    exams = 1 + max(int(observation.timepoint[1:]) for observation in observations) if observations else 2
    return Case(
        **{
            "id": "case",
            "timepoints": tuple(
                CaseExam(id=f"T{n}", date=DATES[n], days=DAYS[n], acquired=f"{DATES[n]}T10:00:00", series=())
                for n in range(exams)
            ),
            "procedures": (NOT_TREATED,),
            "clinical": (),
            "lesions": lesions,
            "observations": observations,
            "materials": (),
            "registrations": (),
            "findings": (),
            "provenance": {},
            **more,
        }
    )


def signed(exam: int, **said: Any) -> Reading:
    """A reading that closes everything, but for what is said otherwise."""
    return Reading(
        **{
            "timepoint": f"T{exam}",
            "reader": "reader-1",
            "non_target": NonTarget.NONE,
            "new_lesions": NewLesions.NONE,
            "coverage": True,
            **said,
        }
    )


def rows(of: Case) -> dict[tuple[str, str, str], Response]:
    """By exam, criterion and scope; a case comes back from its document with the same rows."""
    found = responses(of)
    document = json.loads(json.dumps(case_document(of, [])))
    if not of.criteria:
        assert responses(case_from_document(document)) == found
    assert len({(t, r.criterion, r.scope) for t, r in found}) == len(found)
    assert all(r.reasons and r.source and r.inputs for _, r in found)
    return {(timepoint, response.criterion, response.scope): response for timepoint, response in found}


def category(of: Case, exam: int = 1, criterion: str = "RECIST 1.1", scope: str = "target lesions") -> str:
    return str(rows(of)[f"T{exam}", criterion, scope].category)


def reasons(of: Case, exam: int = 1, criterion: str = "RECIST 1.1", scope: str = "target lesions") -> str:
    return "; ".join(rows(of)[f"T{exam}", criterion, scope].reasons)


SHRUNK = (seen("L1", 0, 40.0), seen("L1", 1, 28.0))
TWO = (lesion("L1"), lesion("L2"))
PAIR = (seen("L1", 0, 40.0), seen("L2", 0, 20.0))


def test_every_criterion_speaks_of_an_accepted_pair_of_exams() -> None:
    found = {key[1]: str(row.category) for key, row in rows(case(*SHRUNK)).items()}
    assert found == {
        "RECIST 1.1": "PR",
        "WHO": "PR",
        "mRECIST-like": "NE",
        "MDA bone": "PR",
        "sphere volume": "PR",
    }


def test_own_criteria_stand_beside_them_under_their_names() -> None:
    found = case(seen("L1", 0, 40.0), seen("L1", 1, 41.5), criteria=(OWN,))
    assert category(found, criterion="mine") == "PD"
    assert category(found, criterion="sphere volume") == "SD"


def cemented(exam: int, material_ml: float | None, net_ml: float | None, name: str = "L1") -> Observation:
    """A lesion of 50 mL with so much cement in it, and so much that is not."""
    known = [None if value is None else Quantity(value, "mL", "told") for value in (material_ml, net_ml)]
    return seen(name, exam, 40.0, volume=Quantity(50.0, "mL", "told"), material=known[0], net_volume=known[1])


@pytest.mark.parametrize(
    ("course", "expected", "why"),
    [
        ((cemented(0, 0.0, 50.0), cemented(1, 8.0, 42.0)), ["NE"], "no earlier exam is known to hold"),
        ((cemented(0, None, None), cemented(1, 8.0, 42.0)), ["NE"], "no earlier exam is known to hold"),
        ((cemented(0, 0.0, 50.0), cemented(1, None, None)), ["NE"], "no earlier exam is known to hold"),
        ((cemented(0, 0.0, 50.0), cemented(1, 8.0, 42.0), cemented(2, 8.0, 42.0)), ["NE", "SD"], "counts from T1 on"),
        ((cemented(0, 8.0, 42.0), cemented(1, 8.0, 37.0)), ["PR"], "−11.90 % against the baseline of 42.00 mL"),
        ((cemented(0, 0.0, 50.0), cemented(1, 0.0, 44.0)), ["PR"], "−12.00 % against the baseline of 50.00 mL"),
    ],
)
def test_material_that_came_between_two_exams_is_no_response_of_the_net_volume(
    course: tuple[Observation, ...], expected: list[str], why: str
) -> None:
    net = replace(OWN, criterion="net", metric=Metric.NET_VOLUME)
    found = case(*course, procedures=(CEMENT,), criteria=(net,))
    assert [category(found, exam, criterion="net") for exam in range(1, len(course))] == expected
    assert why in reasons(found, len(course) - 1, criterion="net")


def test_a_lesion_without_material_has_its_net_volume_beside_one_that_is_filled() -> None:
    net = replace(OWN, criterion="net", metric=Metric.NET_VOLUME)
    filled = (cemented(0, 0.0, 50.0), cemented(1, 8.0, 42.0), cemented(2, 8.0, 30.0))
    empty = tuple(cemented(exam, 0.0, 50.0, "L2") for exam in range(3))
    found = case(*filled, *empty, lesions=TWO, procedures=(CEMENT,), criteria=(net,))
    assert [category(found, exam, criterion="net") for exam in (1, 2)] == ["NE", "PR"]
    assert rows(found)["T2", "net", "target lesions"].inputs["baseline_ml"] == 92.0


@pytest.mark.parametrize("status", [Status.PROPOSED, Status.REJECTED])
def test_a_category_needs_accepted_masks(status: Status) -> None:
    first, second = SHRUNK
    assert responses(case(replace(first, status=status), second)) == ()
    assert responses(case(first, replace(second, status=status))) == ()
    proposed = (replace(first, status=status), replace(second, status=status))
    no_overall = case(*proposed, readings=(signed(1, new_lesions=NewLesions.UNEQUIVOCAL),))
    assert category(no_overall, scope="overall") == "NE"
    assert "a category needs accepted masks" in reasons(no_overall, scope="overall")


@pytest.mark.parametrize(("first", "late"), [(Status.ACCEPTED, False), (Status.PROPOSED, True)])
def test_a_baseline_that_is_not_the_first_exam_is_named_in_every_row(first: Status, late: bool) -> None:
    course = (seen("L1", 0, 60.0, status=first), seen("L1", 1, 40.0), seen("L1", 2, 28.0))
    found = rows(case(*course, readings=(signed(2),)))
    assert len(found) >= 7
    named = [any(reason.startswith("baseline is T1, the first") for reason in row.reasons) for row in found.values()]
    assert set(named) == {late}


# --- the sum --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "said", "slice_mm", "reason"),
    [
        (9.99, {}, 4.0, "too small to be a target: 10 mm"),
        (11.9, {}, 6.0, "too small to be a target: 12 mm"),
        (40.0, {"appearance": "blastic"}, 4.0, "blastic"),
        (40.0, {"soft_tissue": False}, 4.0, "not the lytic cavity"),
        (40.0, {"measurable": False}, 4.0, "a reader says"),
        (29.9, {"node": True}, 4.0, "a node of 14.9 mm"),
    ],
)
def test_what_is_not_measurable_at_baseline_is_left_out_of_the_sum_and_named(
    baseline: float, said: dict[str, Any], slice_mm: float, reason: str
) -> None:
    lesions = (lesion("L1"), lesion("L2", eligibility=Eligibility(**({"soft_tissue": True} | said))))
    found = case(
        seen("L1", 0, 40.0),
        seen("L2", 0, baseline, slice_mm=slice_mm),
        seen("L1", 1, 28.0),
        seen("L2", 1, 90.0),
        lesions=lesions,
    )
    assert category(found) == "PR"
    assert rows(found)["T1", "RECIST 1.1", "target lesions"].inputs["sizes_mm"] == {"L1": 28.0}
    assert "L2 is no target: " in reasons(found)
    assert reason in reasons(found)


def test_without_a_measurable_target_there_is_no_sum() -> None:
    found = case(seen("L1", 0, 9.0), seen("L1", 1, 30.0))
    assert category(found) == "NE"
    assert "too small" in reasons(found)


@pytest.mark.parametrize(
    ("said", "expected"),
    [({}, "NE"), ({"progressed_since": True}, "PR"), ({"progressed_since": False}, "NE"), ({"measurable": True}, "PR")],
)
def test_local_therapy_before_baseline_asks_for_a_readers_decision(said: dict[str, Any], expected: str) -> None:
    lesions = (lesion("L1", eligibility=Eligibility(**({"soft_tissue": True} | said))),)
    found = case(*SHRUNK, lesions=lesions, procedures=(TREATED,))
    assert category(found) == expected
    assert ("L1: it was irradiated or treated locally before baseline" in reasons(found)) is (not said)


@pytest.mark.parametrize(
    ("procedure", "expected"),
    [
        (replace(TREATED, when="2003-01-06"), "NE"),  # of that day, and nobody knows whether before
        (replace(TREATED, when="2003-01-06T09:59:00"), "NE"),
        (replace(TREATED, when="2003-01-06T10:01:00"), "PR"),
        (replace(TREATED, lesion=None), "NE"),  # it may have been any lesion
        (replace(TREATED, lesion=LesionId("L9")), "PR"),
        (replace(TREATED, kind="other"), "PR"),
    ],
)
def test_which_therapy_counts_as_prior(procedure: Procedure, expected: str) -> None:
    assert category(case(*SHRUNK, procedures=(procedure,))) == expected


def test_local_therapy_since_baseline_is_told_with_the_category() -> None:
    assert category(case(*SHRUNK, procedures=(CEMENT,))) == "PR"
    assert "L1 was treated locally after baseline (P2 sacroplasty)" in reasons(case(*SHRUNK, procedures=(CEMENT,)))
    later = replace(CEMENT, when="2003-04-01")
    assert "treated locally" not in reasons(case(*SHRUNK, procedures=(later,)))


def test_what_the_outline_shows_of_bone_is_asked_for_until_it_is_said() -> None:
    unsaid = case(*SHRUNK, lesions=(lesion("L1", eligibility=Eligibility()),))
    assert "that it is what was outlined is not said: L1" in reasons(unsaid)
    assert "soft-tissue" not in reasons(case(*SHRUNK))
    for said in (Eligibility(organ="liver"), Eligibility(measurable=True)):
        assert "soft-tissue" not in reasons(case(*SHRUNK, lesions=(lesion("L1", eligibility=said),)))


def test_a_node_counts_by_its_short_axis() -> None:
    node = lesion("L1", eligibility=Eligibility(node=True))
    assert category(case(seen("L1", 0, 40.0), seen("L1", 1, 19.98), lesions=(node,))) == "CR"
    assert category(case(seen("L1", 0, 40.0), seen("L1", 1, 20.0), lesions=(node,))) == "PR"


def test_three_lesions_of_one_organ_are_a_readers_choice() -> None:
    names = ("L1", "L2", "L3")
    observations = [seen(name, exam, 30.0) for exam in (0, 1) for name in names]
    assert category(case(*observations, lesions=tuple(lesion(name) for name in names))) == "NE"
    liver = Eligibility(organ="liver")
    chosen = (lesion("L1"), lesion("L2"), lesion("L3", eligibility=liver))
    assert category(case(*observations, lesions=chosen)) == "SD"


@pytest.mark.parametrize(("angle", "expected"), [(10.0, "PR"), (10.1, "NE"), (170.1, "PR"), (90.0, "NE")])
def test_slices_that_lean_more_than_ten_degrees_give_no_category_of_diameters(angle: float, expected: str) -> None:
    normal = (0.0, math.sin(math.radians(angle)), math.cos(math.radians(angle)))
    axis = own_criterion(
        {"name": "axis", "metric": "long_axis_mm", "pr": "-0.1", "pd": "0.1", "source": "the protocol"}
    )
    found = case(seen("L1", 0, 40.0), seen("L1", 1, 28.0, slice_normal=normal), criteria=(axis,))
    for criterion in ("RECIST 1.1", "WHO", "MDA bone", "axis"):
        assert category(found, criterion=criterion) == expected
        assert ("PLANE_CHANGED" in reasons(found, criterion=criterion)) is (expected == "NE")
    assert category(found, criterion="sphere volume") == "PR"


def test_an_exam_of_another_plane_makes_no_nadir() -> None:
    tilted = seen("L1", 1, 10.0, slice_normal=(0.0, 1.0, 0.0))
    found = case(seen("L1", 0, 40.0), tilted, seen("L1", 2, 30.0))
    assert category(found, 2) == "SD"
    assert category(case(seen("L1", 0, 40.0), seen("L1", 1, 10.0), seen("L1", 2, 30.0)), 2) == "PD"


def test_another_kind_of_image_is_no_measurement() -> None:
    found = case(*PAIR, seen("L1", 1, 20.0), seen("L2", 1, 10.0, role="ct"), lesions=TWO)
    assert category(found) == "NE"


def test_an_exam_on_another_kind_of_image_alone_is_not_evaluable_and_says_why() -> None:
    found = case(seen("L1", 0, 40.0, role="ct"), seen("L1", 1, 28.0), seen("L1", 2, 60.0, role="ct"))
    assert [category(found, exam) for exam in (1, 2)] == ["NE", "PD"]
    assert "L1 was outlined on t1, which is another kind of image than at baseline" in reasons(found)
    assert "another kind" not in reasons(found, 2)
    for criterion in ("WHO", "MDA bone", "sphere volume"):
        assert category(found, criterion=criterion) == "NE"


def test_missing_short_axes_leave_products_unknown() -> None:
    found = case(SHRUNK[0], replace(SHRUNK[1], short_axis=None))
    assert (category(found), category(found, criterion="WHO")) == ("PR", "NE")


# --- statements -----------------------------------------------------------------------------------------------------


def test_without_a_reading_the_row_says_what_is_open() -> None:
    assert ("T1", "RECIST 1.1", "overall") not in rows(case(*SHRUNK))
    assert "overall NE until a reader states non-target lesions, new lesions and coverage" in reasons(case(*SHRUNK))
    closed = case(*SHRUNK, readings=(signed(1),))
    assert "overall NE" not in reasons(closed)
    assert reasons(closed, scope="overall") == "the target lesions decide; signed by reader-1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "PR"),
        ({"non_target": NonTarget.CR}, "PR"),
        ({"non_target": NonTarget.PD}, "PD"),
        ({"non_target": NonTarget.NE}, "PR"),
        ({"non_target": None}, "NE"),
        ({"new_lesions": NewLesions.UNEQUIVOCAL}, "PD"),
        ({"new_lesions": NewLesions.EQUIVOCAL}, "PR"),
        ({"new_lesions": None}, "NE"),
        ({"coverage": False}, "NE"),
        ({"coverage": None}, "NE"),
        ({"coverage": False, "new_lesions": NewLesions.UNEQUIVOCAL}, "PD"),
    ],
)
def test_the_reading_closes_the_overall_response(said: dict[str, Any], expected: str) -> None:
    assert category(case(*SHRUNK, readings=(signed(1, **said),)), scope="overall") == expected


def test_an_exam_without_an_accepted_mask_has_an_overall_category_if_it_was_read() -> None:
    seen_twice = (*SHRUNK, seen("L1", 2, 28.0, status=Status.PROPOSED))
    found = case(*seen_twice, readings=(signed(2, new_lesions=NewLesions.UNEQUIVOCAL),))
    assert (category(found, 2), category(found, 2, scope="overall")) == ("NE", "PD")
    assert category(case(*seen_twice, readings=(signed(2),)), 2, scope="overall") == "NE"


def test_absent_lesions_are_gone() -> None:
    found = case(SHRUNK[0], seen("L1", 1, 1.0, status=Status.NOT_ASSESSABLE), readings=(signed(1, absent=("L1",)),))
    for criterion in ("RECIST 1.1", "WHO", "MDA bone", "sphere volume"):
        assert category(found, criterion=criterion) == "CR"
    assert category(found, scope="overall") == "CR"


def test_a_lesion_that_is_absent_and_outlined_is_neither() -> None:
    found = case(*SHRUNK, readings=(signed(1, absent=("L1",)),))
    assert category(found) == "NE"
    assert "L1 is said to be absent and has an accepted outline: neither counts" in reasons(found)


def test_what_is_too_small_to_measure_counts_five_millimetres() -> None:
    found = case(SHRUNK[0], seen("L1", 1, 1.0, status=Status.PROPOSED), readings=(signed(1, too_small=("L1",)),))
    assert rows(found)["T1", "RECIST 1.1", "target lesions"].inputs["sum_mm"] == 5.0
    assert category(found) == "PR"
    assert category(found, criterion="WHO") == "NE"


def test_pieces_are_added_where_a_reader_says_that_it_has_split() -> None:
    pieces = seen("L1", 1, 30.0, pieces_mm=(30.0, 18.0))
    assert category(case(SHRUNK[0], pieces)) == "SD"
    found = case(SHRUNK[0], pieces, readings=(signed(1, split=("L1",)),))
    assert category(found) == "PD"
    assert rows(found)["T1", "RECIST 1.1", "target lesions"].inputs["sizes_mm"] == {"L1": 48.0}
    assert category(found, criterion="WHO") == "NE"


def test_the_long_axes_of_a_split_node_are_no_sum_of_short_ones() -> None:
    node = lesion("L1", eligibility=Eligibility(node=True))
    pieces = seen("L1", 1, 40.0, pieces_mm=(20.0, 18.0))
    found = case(seen("L1", 0, 40.0), pieces, lesions=(node,), readings=(signed(1, split=("L1",)),))
    assert category(found) == "NE"
    assert "L1 is a node that has split" in reasons(found)
    whole = replace(found, readings=(signed(1),))
    assert (category(whole), "split" in reasons(whole)) == ("SD", False)


def test_a_whole_that_two_lesions_have_become_counts_once() -> None:
    found = case(*PAIR, seen("L1", 1, 60.0), lesions=TWO, readings=(signed(1, merged=(("L1", "L2"),)),))
    assert category(found) == "SD"
    assert rows(found)["T1", "RECIST 1.1", "target lesions"].inputs["sizes_mm"] == {"L1": 60.0, "L2": 0.0}
    assert category(found, criterion="WHO") == "NE"
    assert category(found, criterion="sphere volume") == "PD"
    unmeasured = case(*PAIR, seen("L1", 1, 60.0, status=Status.PROPOSED), lesions=TWO, readings=found.readings)
    assert (category(unmeasured), category(unmeasured, criterion="sphere volume")) == ("NE", "NE")


def test_a_whole_that_is_no_measurable_target_is_not_measured() -> None:
    lesions = (lesion("L1", eligibility=Eligibility(soft_tissue=False)), lesion("L2"))
    found = case(*PAIR, seen("L1", 1, 60.0), lesions=lesions, readings=(signed(1, merged=(("L1", "L2"),)),))
    assert category(found) == "NE"


def test_new_lesions_that_are_confirmed_are_dated_at_first_sight() -> None:
    course = (*SHRUNK, seen("L1", 2, 28.0))
    first, second = signed(1, new_lesions=NewLesions.EQUIVOCAL), signed(2, new_lesions=NewLesions.UNEQUIVOCAL)
    found = case(*course, readings=(first, second))
    assert [category(found, exam, scope="overall") for exam in (1, 2)] == ["PD", "PD"]
    assert [category(found, exam, criterion="MDA bone") for exam in (1, 2)] == ["PD", "PD"]
    open_still = case(*course, readings=(first,))
    assert category(open_still, scope="overall") == "PR"


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_new_lesions_are_progression_by_who_and_mda_whatever_the_slices(angle: float) -> None:
    normal = (0.0, math.sin(math.radians(angle)), math.cos(math.radians(angle)))
    new = signed(1, new_lesions=NewLesions.UNEQUIVOCAL)
    found = case(seen("L1", 0, 40.0), seen("L1", 1, 28.0, slice_normal=normal), readings=(new,))
    assert [category(found, criterion=name) for name in ("WHO", "MDA bone")] == ["PD", "PD"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [(NewLesions.NONE, "NE"), (NewLesions.EQUIVOCAL, "PR"), (NewLesions.UNEQUIVOCAL, "PD")],
)
def test_an_accepted_outline_of_a_new_lesion_is_not_passed_over(said: NewLesions, expected: str) -> None:
    lesions = (lesion("L1"), lesion("L2", "new"))
    found = case(*SHRUNK, seen("L2", 1, 12.0), lesions=lesions, readings=(signed(1, new_lesions=said),))
    assert category(found, scope="overall") == expected
    assert "L2 is outlined, accepted and called new" in reasons(found)
    assert ("nothing is new, but L2" in reasons(found, scope="overall")) is (said is NewLesions.NONE)


@pytest.mark.parametrize("why", ["non-target", "unmeasurable"])
def test_a_reading_that_says_there_are_no_non_target_lesions_must_be_right(why: str) -> None:
    other = (
        lesion("L2", "non-target") if why == "non-target" else lesion("L2", eligibility=Eligibility(soft_tissue=False))
    )
    observations = (*PAIR, seen("L1", 1, 28.0), seen("L2", 1, 20.0))
    found = case(*observations, lesions=(lesion("L1"), other), readings=(signed(1),))
    assert category(found, scope="overall") == "NE"
    assert "the reading says that there are none: L2" in reasons(found, scope="overall")
    told = case(*observations, lesions=found.lesions, readings=(signed(1, non_target=NonTarget.NON_CR_NON_PD),))
    assert category(told, scope="overall") == "PR"


@pytest.mark.parametrize(("long_mm", "expected"), [(19.98, "PR"), (20.0, "NE")])
def test_a_normal_node_is_no_non_target_lesion(long_mm: float, expected: str) -> None:
    node = lesion("L2", eligibility=Eligibility(node=True))  # its short axis is half of that
    found = case(*SHRUNK, seen("L2", 0, long_mm), lesions=(lesion("L1"), node), readings=(signed(1),))
    assert category(found, scope="overall") == expected


def test_without_targets_the_non_target_lesions_decide() -> None:
    found = case(
        seen("L1", 0, 8.0),
        seen("L1", 1, 8.0),
        lesions=(lesion("L1", "non-target"),),
        readings=(signed(1, non_target=NonTarget.NON_CR_NON_PD),),
    )
    assert {(key[1], key[2]): str(row.category) for key, row in rows(found).items()} == {
        ("RECIST 1.1", "overall"): "non-CR/non-PD",
        ("RECIST 1.1", "best overall"): "non-CR/non-PD",
    }
    unmeasurable = replace(found, lesions=(lesion("L1"),))
    assert category(unmeasurable, scope="overall") == "non-CR/non-PD"


def test_the_best_overall_response_stands_at_the_last_signed_exam() -> None:
    course = (*SHRUNK, seen("L1", 2, 27.0), seen("L1", 3, 40.0))
    found = case(*course, readings=(signed(1), signed(2), signed(3)))
    best = rows(found)["T3", "RECIST 1.1", "best overall"]
    assert (str(best.category), best.inputs["confirmed"]) == ("PR", "PR")
    assert best.inputs["days"] == [63, 154, 245]
    assert best.inputs["overall"] == ["PR", "PR", "PD"]
    unread = rows(case(*course, readings=(signed(1), signed(3))))["T3", "RECIST 1.1", "best overall"]
    assert unread.inputs["overall"] == ["PR", "NE", "PD"]
    assert unread.inputs["confirmed"] == "SD"
    assert responses(found)[-1][1] == best


# --- bone -----------------------------------------------------------------------------------------------------------


def test_mrecist_speaks_of_what_a_reader_saw_enhance() -> None:
    readings = (signed(0, viable_mm={"L1": 30.0}), signed(1, viable_mm={"L1": 21.0}))
    found = case(*SHRUNK, readings=readings)
    assert category(found, criterion="mRECIST-like") == "PR"
    assert category(case(*SHRUNK, readings=readings[:1]), criterion="mRECIST-like") == "NE"


def test_signal_that_is_lost_in_cement_is_no_response() -> None:
    held = Quantity(5.0, "mL", "carried from CT")
    gone = seen("L1", 1, 1.0, status=Status.NOT_ASSESSABLE, material=held)
    found = case(SHRUNK[0], gone, procedures=(CEMENT,), readings=(signed(1, absent=("L1",)),))
    assert category(found, criterion="MDA bone") == "NE"
    assert "its signal is lost where CT shows material" in reasons(found, criterion="MDA bone")
    unseen = case(SHRUNK[0], replace(gone, material=None), procedures=(CEMENT,), readings=found.readings)
    assert "whether it holds material is not known" in reasons(unseen, criterion="MDA bone")
    later = replace(CEMENT, when="2003-12-01")
    before = case(SHRUNK[0], replace(gone, material=None), procedures=(later,), readings=found.readings)
    assert category(before, criterion="MDA bone") == "CR"
    untold = case(SHRUNK[0], replace(gone, material=None), procedures=(), readings=found.readings)
    assert category(untold, criterion="MDA bone") == "NE"


def test_bone_that_fills_in_is_a_response_where_it_is_known_not_to_be_cement() -> None:
    same = (seen("L1", 0, 40.0), seen("L1", 1, 40.0))
    assert category(case(*same), criterion="MDA bone") == "SD"
    filled = (signed(1, fill_in={"L1": FillIn.PARTIAL}),)
    assert category(case(*same, readings=filled), criterion="MDA bone") == "PR"
    unknown = (same[0], replace(same[1], material=None))
    assert category(case(*unknown, readings=filled), criterion="MDA bone") == "NE"


def test_nothing_is_stable_before_eight_weeks_and_mda_is_for_bone() -> None:
    same = (seen("L1", 0, 40.0), seen("L1", 1, 40.0))
    early = case(*same)
    early = replace(early, timepoints=(early.timepoints[0], replace(early.timepoints[1], days=55)))
    assert category(early, criterion="MDA bone") == "NE"
    undated = replace(early, timepoints=(early.timepoints[0], replace(early.timepoints[1], days=None)))
    assert category(undated, criterion="MDA bone") == "NE"
    liver = case(*same, lesions=(lesion("L1", eligibility=Eligibility(organ="liver")),))
    assert ("T1", "MDA bone", "target lesions") not in rows(liver)


def test_a_sum_of_volumes_is_that_of_the_printed_decimals() -> None:
    volumes = [Quantity(value, "mL", "voxel sum") for value in (0.1, 0.2, 0.1029)]
    found = case(
        seen("L1", 0, 40.0, volume=volumes[0]),
        seen("L2", 0, 20.0, volume=volumes[1]),
        seen("L1", 1, 40.0, volume=volumes[2]),
        seen("L2", 1, 20.0, volume=Quantity(0.0, "mL", "voxel sum")),
        lesions=TWO,
    )
    assert category(found, criterion="sphere volume") == "PR"  # 0.1029 of 0.3 is 0.343; of 0.30000000000000004 as well


def test_an_exam_without_a_date_gets_no_category() -> None:
    dated = case(*SHRUNK, seen("L1", 2, 60.0), readings=(signed(1), signed(2)))
    last = replace(dated.timepoints[2], date=None, days=None, acquired=None)
    found = rows(replace(dated, timepoints=(*dated.timepoints[:2], last)))
    assert {str(row.category) for (exam, _, scope), row in found.items() if exam == "T2" and "best" not in scope} == {
        "NE"
    }
    assert "UNKNOWN_DATE" in "; ".join(found["T2", "RECIST 1.1", "target lesions"].reasons)
    assert str(found["T1", "RECIST 1.1", "target lesions"].category) == "PR"
