"""An outcome holds as long as doing the case again could give no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.batch.isolate import Limits
from pipelines.batch.journal import Entry
from pipelines.batch.outcome import End, Outcome
from pipelines.batch.resume import outcome_that_holds
from pipelines.workspace import CaseFolder, atomic_write

LIMITS = Limits(timeout_s=60.0)


def entry(outcome: Outcome) -> Entry:
    return Entry(case="C1", key="k", limits=LIMITS, outcome=outcome, finished="")


@pytest.fixture
def target(tmp_path: Path) -> CaseFolder:
    folder = CaseFolder(tmp_path / "C1")
    row = folder.write("figures/L1-T0.svg", b"<svg/>")
    atomic_write(folder.document, json.dumps({"outputs": [row]}).encode())
    return folder


@pytest.fixture
def done(target: CaseFolder) -> Entry:
    from imaging.provenance import sha256_hex

    return entry(Outcome(end=End.DONE, sha256=sha256_hex(target.document.read_bytes())))


def test_a_done_case_holds_while_all_its_outputs_do(target: CaseFolder, done: Entry) -> None:
    assert outcome_that_holds(done, "k", LIMITS, target) == done.outcome
    assert outcome_that_holds(done, "k", Limits(memory_bytes=2**30), target) == done.outcome


def test_nothing_holds_under_another_key_or_without_an_entry(target: CaseFolder, done: Entry) -> None:
    assert outcome_that_holds(done, "other", LIMITS, target) is None
    assert outcome_that_holds(None, "k", LIMITS, target) is None


@pytest.mark.parametrize("damage", ["figures/L1-T0.svg", "case.json"])
@pytest.mark.parametrize("how", ["gone", "one bit"])
def test_a_done_case_whose_outputs_are_damaged_is_done_again(
    target: CaseFolder, done: Entry, damage: str, how: str
) -> None:
    path = target.root / damage
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(content)
    assert outcome_that_holds(done, "k", LIMITS, target) is None


@pytest.mark.parametrize("code", ["TIMEOUT", "OUT_OF_MEMORY", "WORKER_DIED", "INTERNAL_ERROR"])
def test_a_failure_holds_under_the_same_limits_alone(target: CaseFolder, code: str) -> None:
    failure = entry(Outcome(end=End.FAILED, code=code))
    assert outcome_that_holds(failure, "k", LIMITS, target) == failure.outcome
    assert outcome_that_holds(failure, "k", replace(LIMITS, timeout_s=61.0), target) is None
    assert outcome_that_holds(failure, "k", replace(LIMITS, memory_bytes=2**31), target) is None


def test_a_full_disk_tells_nothing_of_the_case(target: CaseFolder) -> None:
    failure = entry(Outcome(end=End.FAILED, code="OUTPUT_NOT_WRITABLE"))
    assert outcome_that_holds(failure, "k", LIMITS, target) is None


def test_a_refusal_holds_under_any_limits(target: CaseFolder) -> None:
    refusal = entry(Outcome(end=End.REFUSED, code="NO_IMAGE"))
    assert outcome_that_holds(refusal, "k", Limits(), target) == refusal.outcome
