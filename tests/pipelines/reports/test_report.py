from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.reports.as_html import as_html
from pipelines.reports.as_json import json_text
from pipelines.reports.case_tables import timeline_table
from pipelines.reports.lead import lead_sentence
from pipelines.reports.number import NBSP
from pipelines.reports.report import report_from
from pipelines.reports.table import Tone

Document = dict[str, Any]


def lead(document: Document, position: int) -> str:
    return lead_sentence(document, document["lesions"][position]).replace(NBSP, " ")


def every_finding(node: Any) -> set[tuple[str, str, str]]:
    if isinstance(node, dict):
        if {"code", "severity", "message"} <= node.keys():
            return {(node["code"], node["severity"], node["message"])}
        return set().union(*(every_finding(value) for value in node.values()), set())
    return set().union(*(every_finding(value) for value in node), set()) if isinstance(node, list) else set()


def test_the_fixture_keeps_the_public_contract(document: Document, shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(json_text(document), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, str(shared / "tools" / "check_contract.py"), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_lead_says_volume_error_change_material_and_standing(document: Document) -> None:
    assert lead(document, 0) == (
        "Left sacrum, MR T1, 4 months after cement: gross 45.0 mL (95 % 39–52); −19 % against pre-procedure, beyond "
        "measurement error. Includes about 8 mL cement/glue. Non-material volume (tumour, necrosis, blood, fibrosis "
        "not separable): 36.6 mL. Outlined with an earlier exam's contour as its start. Provisional: proposed — not "
        "confirmed by a reader."
    )


def test_a_confirmed_lead_names_its_reader_and_no_provision(document: Document) -> None:
    document["lesions"][0]["observations"][-1] |= {"status": "accepted", "reader": "reader-2"}
    assert lead(document, 0).endswith("Confirmed by reader-2.")
    assert "rovisional" not in lead(document, 0)


def test_a_later_exam_without_a_figure_is_explained(document: Document) -> None:
    observation = document["lesions"][0]["observations"][-1]
    observation |= {"status": "not_assessable", "volume_ml": None, "material_ml": None, "net_volume_ml": None}
    assert "3 months after cement: gross 48.2 mL" in lead(document, 0)
    assert lead(document, 0).endswith(
        "T4 (MR T1, day 138): not assessable — the lesion spans 8 slices; its volume repeats less well."
    )


def test_a_carried_contour_is_no_new_measurement(document: Document) -> None:
    document["lesions"][0]["observations"][-1] |= {"method": "carried"}
    assert "gross 48.2 mL" in lead(document, 0)
    assert lead(document, 0).endswith("contour carried there by registration, not a new measurement.")


def test_a_lesion_never_measured_has_no_volume(document: Document) -> None:
    lesion = document["lesions"][1]
    lesion["observations"], lesion["changes"] = lesion["observations"][1:2], []
    assert lead(document, 1) == (
        "Right sacrum: no volume could be measured. T1 (CT, day 10): not assessable — the lesion's edge cannot be told "
        "on this image."
    )


def test_the_lead_compares_with_the_latest_procedure_then_baseline(document: Document) -> None:
    changes = document["lesions"][0]["changes"]
    changes.append(changes[-1] | {"reference": "pre-procedure:P9", "volume_percent": changes[-3]["volume_percent"] | {
        "value": 7.0, "interval95": None}})  # fmt: skip
    assert "+7 % against pre-procedure" in lead(document, 0)
    document["lesions"][0]["changes"] = [c for c in changes if not c["reference"].startswith("pre-procedure")]
    assert "−19 % against baseline, beyond measurement error" in lead(document, 0)
    document["lesions"][0]["changes"] = [c for c in changes if c["reference"] == "nadir"]
    assert "−7 % against the nadir, within measurement error" in lead(document, 0)


def test_every_interval_of_the_tables_holds_the_documents(document: Document) -> None:
    report = report_from(document, {})
    tables = [*(table for part in report.lesions for table in (part.measurements, part.changes)), report.materials]
    shown = sorted(
        (cell.value, cell.detail) for table in tables for row in table.rows for cell in row if cell.value is not None
    )
    known = [q for lesion in document["lesions"] for row in (*lesion["observations"], *lesion["changes"])
             for q in row.values() if isinstance(q, dict)]  # fmt: skip
    known += [q for row in document["materials"] for q in row.values() if isinstance(q, dict)]
    known.sort(key=lambda q: (q["value"], q["interval95"] is not None))  # as the cells: no interval, no detail
    for quantity, (value, detail) in zip(known, shown, strict=True):
        assert value == quantity["value"]
        bounds = [float(n) for n in re.findall(r"-?[\d.]+", detail.replace("–", " ").replace("−", "-"))]
        if quantity["interval95"] is None:
            assert bounds == []
            continue
        factor = 100.0 if quantity["unit"] == "1" else 1.0
        assert bounds[0] <= quantity["interval95"][0] * factor + 1e-9
        assert bounds[1] >= quantity["interval95"][1] * factor - 1e-9


def test_an_unmeasured_material_is_not_called_absent(document: Document) -> None:
    document["lesions"][0]["observations"][-1] |= {"material_ml": None, "net_volume_ml": None}
    assert "Cement/glue inside was not measured, so the gross volume may include it." in lead(document, 0)
    assert "Non-material" not in lead(document, 0)


def test_an_unknown_error_is_said(document: Document) -> None:
    for change in document["lesions"][0]["changes"]:
        change["exceeds_error"] = None
    assert "measurement error unknown" in lead(document, 0)
    document["lesions"][0]["observations"][-1]["volume_ml"]["interval95"] = None
    assert "gross 45.0 mL (no error estimate)" in lead(document, 0)


def test_every_finding_stands_in_the_report_once(document: Document) -> None:
    rows = report_from(document, {}).findings.rows
    shown = [(row[0].text, row[1].text, row[2].text) for row in rows]
    assert set(shown) == every_finding(document)
    full = [tuple(cell.text for cell in row) for row in rows]
    assert len(set(full)) == len(full)


def test_a_finding_met_twice_at_one_place_names_the_place_once(document: Document) -> None:
    observation = document["lesions"][0]["observations"][4]
    observation["findings"] *= 2
    (row,) = [row for row in report_from(document, {}).findings.rows if row[0].text == "FEW_SLICES"]
    assert row[3].detail == "lesion L1, exam T4"


def test_errors_come_before_warnings_and_notes(document: Document) -> None:
    document["findings"].append({"code": "X", "severity": "error", "message": "broken", "where": ""})
    severities = [row[1].text for row in report_from(document, {}).findings.rows]
    assert severities == sorted(severities, key=("error", "warning", "info").index)


def test_a_finding_of_a_series_reaches_the_row_measured_on_it(document: Document) -> None:
    rows = report_from(document, {}).lesions[0].measurements.rows
    assert rows[1][-1].text == "LESION_NOT_VISIBLE, GANTRY_TILT"


def test_uids_are_shortened_and_stay_distinct(document: Document) -> None:
    page = as_html(report_from(document, {}))
    for timepoint in document["timepoints"]:
        uid = timepoint["series"][0]["series_uid"]
        assert uid not in page
        assert f"…{uid[-8:]}" in page


def test_figures_of_proposed_contours_are_marked_and_confirmed_ones_are_not(document: Document) -> None:
    part = report_from(document, {}).lesions[0]
    tones = {row[0].text: row[3].tone for row in part.measurements.rows}
    assert (tones["T0"], tones["T2"], tones["T4"]) == (Tone.PLAIN, Tone.PLAIN, Tone.PROVISIONAL)
    assert [row[2].tone is Tone.PROVISIONAL for row in part.changes.rows] == [False, False, True, True, True]


def test_unknown_figures_are_dashes(document: Document) -> None:
    unseen = report_from(document, {}).lesions[0].measurements.rows[1]
    assert [cell.text for cell in unseen[3:8]] == ["—"] * 5
    assert all(cell.value is None for cell in unseen)


def test_recist_of_target_lesions_leaves_the_overall_response_open(document: Document) -> None:
    report = report_from(document, {})
    scopes = [row[3].text for row in report.responses.rows if row[1].text == "RECIST 1.1"]
    assert scopes == ["target lesions only; overall NE"] * 2
    assert "overall response is NE until a reader signs" in report.response_note


def test_an_overall_row_closes_the_question(document: Document) -> None:
    target = document["responses"][0]
    document["responses"] = [target, target | {"scope": "overall", "category": "PD"}]
    report = report_from(document, {})
    assert [row[3].text for row in report.responses.rows] == ["target lesions only", "overall"]
    assert report.response_note == ""


def test_material_that_ct_cannot_name_is_not_compared_with_one_agent(document: Document) -> None:
    document["materials"] = [document["materials"][2] | {"kind": "unclassified"}]
    (note,) = report_from(document, {}).material_notes
    assert note.replace(NBSP, " ").startswith(
        "T3 unclassified, L1: Imaged 6.4 mL where 7.0 mL cement and 4.0 mL of other agents were injected, not told"
    )


def test_without_confirmed_contours_no_category_is_explained(document: Document) -> None:
    document["responses"] = []
    assert "proposed and not confirmed" in report_from(document, {}).response_note


def test_recovery_is_worded_with_its_limits_and_glue_is_not_interpreted(document: Document) -> None:
    notes = [note.replace(NBSP, " ") for note in report_from(document, {}).material_notes]
    assert notes[0].startswith(
        "T1 cement, L1: Imaged 6.4 of 7.0 mL injected; syringe ± 0.5 mL, cannula dead space about 0.5 mL and shrinkage "
        "not corrected; not evidence of embolisation or its absence. Cement occupies 13 % of the lesion as contoured "
        "before treatment; no adequacy threshold exists."
    )
    assert notes[1] == "T1 glue, L1: Recovery not interpretable (mixed with blood, fades)."
    assert notes[2].startswith(
        "T3 cement, L1: Imaged 6.4 of 7.0 mL cement injected; 4.0 mL of other agents went into the same lesion and may "
        "be counted with it; syringe"
    )
    assert not any("metal" in note for note in notes)
    recovered = [row[10].text for row in report_from(document, {}).materials.rows]
    assert recovered[1] == "not interpretable"


def test_an_exam_that_shows_the_cement_stands_after_its_procedure(document: Document) -> None:
    texts = [row[3].text for row in timeline_table(document).rows]
    assert texts.index("T1: CT") > next(n for n, text in enumerate(texts) if text.startswith("P2"))
    document["materials"] = []
    texts = [row[3].text for row in timeline_table(document).rows]
    assert texts.index("T1: CT") < next(n for n, text in enumerate(texts) if text.startswith("P2"))


def test_everything_that_happened_stands_on_the_time_axis(document: Document) -> None:
    rows = timeline_table(document).rows
    assert len(rows) == sum(len(document[name]) for name in ("timepoints", "procedures", "clinical"))
    days = [float(row[0].text.replace("−", "-")) for row in rows]
    assert days == sorted(days)


def test_every_figure_is_shown_once(document: Document, figures: dict[str, str]) -> None:
    report = report_from(document, figures | {"M1-T1": figures["L1-T1"], "L1-T0-2": figures["L1-T0"]})
    keys = [figure.key for part in report.lesions for figure in part.figures]
    assert keys == ["L1-T0", "L1-T0-2", "L1-T1", "L1-T2", "L1-T3", "L1-T4"]
    assert [figure.key for figure in report.further_figures] == ["M1-T1"]
    assert report.trajectory is not None


def test_the_document_is_left_as_it_was(document: Document) -> None:
    before = json.dumps(document)
    as_html(report_from(document, {}))
    assert json.dumps(document) == before


@pytest.mark.parametrize("status", ["rejected", "absent"])
def test_a_contour_that_does_not_count_gives_no_lead_volume(document: Document, status: str) -> None:
    document["lesions"][0]["observations"] = [document["lesions"][0]["observations"][-1] | {"status": status}]
    assert "gross" not in lead(document, 0)


def test_a_report_tells_whose_each_mask_is_and_who_said_so(document: Document) -> None:
    said = [{"status": "proposed", "lesion": "L1", "by": "osteotrace"}]
    seen = document["lesions"][0]["observations"]
    seen[0]["identity"] = {"status": "proposed", "history": said}
    seen[-1]["identity"] = {"status": "confirmed", "history": [*said, {**said[0], "status": "confirmed", "by": "<me>"}]}
    (lesion, *_) = report_from(document, {}).lesions
    details = [row[8].detail for row in lesion.measurements.rows]
    assert details[0].endswith("segmented · link proposed")
    assert details[-1].endswith("· link confirmed by <me>")
    assert "link confirmed by &lt;me&gt;" in as_html(report_from(document, {}))
    assert "link" not in details[1]
