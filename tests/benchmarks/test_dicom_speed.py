"""Reading DICOM beside the libraries that others use, in the same minutes on the same files: ratios, never seconds.

The figures that are aimed at stand in scripts/benchmark_dicom.py's table; here stand those below which something has
been lost, with room for a machine that does other things as well. A round that is disturbed is followed by another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imaging.dicom.scan import scan
from imaging.study.series import Verdict
from tests.benchmarks.script import SCRIPTS, loaded

pytestmark = [pytest.mark.benchmark, pytest.mark.xdist_group("benchmarks")]
MOST_ROUNDS = 8


corpus = loaded(Path(__file__).with_name("corpus.py"))
benchmark_dicom = loaded(SCRIPTS / "benchmark_dicom.py")


def reached(ways: dict[str, Callable[[], object]], peer: str, times: float) -> float:
    """How many times as long the peer takes, best round of each, measured until it is enough or the rounds end."""
    ours, theirs = float("inf"), float("inf")
    for _ in range(MOST_ROUNDS):
        best = benchmark_dicom.best_of({name: ways[name] for name in ("osteotrace", peer)}, 1)
        ours, theirs = min(ours, best["osteotrace"].seconds), min(theirs, best[peer].seconds)
        if theirs / ours >= times:
            break
    return theirs / ours


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mixed") / "mixed"
    assert corpus.write_mixed(folder) >= 1000
    return folder


@pytest.fixture(scope="module")
def ct(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ct") / "ct"
    corpus.write_slices(folder, 200, (512, 512), series=2)
    return folder


def test_the_mixed_folder_is_indexed_rightly(mixed):
    index = scan([mixed])
    assert [record.verdict for record in index.volumes] == [Verdict.EXACT] * 8
    assert len(index.skipped) == 30


def test_a_folder_is_indexed_faster_than_by_pydicom(mixed):
    assert reached(benchmark_dicom.index_ways(mixed), "pydicom stop_before_pixels", 4.0) >= 4.0


def test_a_volume_is_loaded_faster_than_by_simpleitk(ct):
    (record,) = scan([ct]).volumes
    assert reached(benchmark_dicom.load_ways(record), "SimpleITK reader", 4.0) >= 4.0


def test_a_volume_takes_little_longer_than_its_bytes(ct):
    (record,) = scan([ct]).volumes
    assert reached(benchmark_dicom.load_ways(record), "limit: np.fromfile", 1 / 1.5) >= 1 / 2.5


def test_loading_takes_half_a_volume_of_memory_more_than_the_volume(ct):
    assert benchmark_dicom.peak_memory(ct) <= 1.5
