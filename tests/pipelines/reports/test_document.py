from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.document import day_of, exam_name, short_uids, visible

uids = st.lists(st.integers(0, 99), min_size=3, max_size=8).map(lambda parts: "1.2.840." + ".".join(map(str, parts)))


@given(st.lists(uids, min_size=1, max_size=12))
def test_shortened_uids_stay_distinct(found: list[str]) -> None:
    short = short_uids({"uids": found})
    assert set(short) == set(found)
    assert len(set(short.values())) == len(set(found))


def test_uids_that_differ_only_early_keep_enough_of_themselves() -> None:
    first, second = "1.2.840.1.77.123456789012", "1.2.840.2.77.123456789012"
    short = short_uids({"uids": [first, second]})
    assert short == {first: "…1.77.123456789012", second: "…2.77.123456789012"}


def test_a_version_number_is_no_uid() -> None:
    assert short_uids({"software": "osteotrace 1.20.3, build 1.2.3.4"}) == {}


def test_a_day_is_unknown_where_neither_date_nor_days_are() -> None:
    case: dict[str, Any] = {"timepoints": [{"id": "T0", "date": None, "days": 0}]}
    assert day_of(case, {"when": "2003-01-17"}) is None
    assert day_of(case, {"days": 3}) == 3.0
    assert day_of({"timepoints": [{"id": "T0", "date": "2003-01-20", "days": 10}]}, {"when": "before"}) is None
    assert day_of({"timepoints": [{"id": "T0", "date": "2003-01-20", "days": 10}]}, {"when": "2003-01-08"}) == -2.0


def test_a_second_volume_of_one_series_is_found_by_its_own_id() -> None:
    series = [
        {"series_uid": "1.2", "volume_id": "1.2", "modality": "MR", "role": "dixon_water"},
        {"series_uid": "1.2", "volume_id": "1.2#2", "modality": "MR", "role": "dixon_fat"},
    ]
    case = {"timepoints": [{"id": "T0", "series": series}]}
    assert exam_name(case, "1.2#2") == "MR Dixon fat"
    assert exam_name(case, "1.2") == "MR Dixon water"
    assert exam_name(case, None) == exam_name(case, "9") == ""


@given(st.text())
def test_visible_text_has_nothing_hidden(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert not any(ord(letter) < 32 and letter not in "\t\n\r" for letter in shown)
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(shown)
    shown.encode()
