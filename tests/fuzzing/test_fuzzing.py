"""Damage at every door ends in our own errors; a few seconds of what ``scripts/soak`` does for long."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaging.errors import OsteotraceError
from imaging.formats.nifti import read_nifti
from imaging.formats.nrrd import read_nrrd
from imaging.volume import Modality
from tests.fuzzing.mutation import mutated
from tests.fuzzing.seeds import Seed, real_seeds, synthetic_seeds
from tests.fuzzing.targets import TARGETS, put_to

SEEDS = list(synthetic_seeds())
ID = [f"{seed.target}, {seed.name}" for seed in SEEDS]
INPUTS = 80  # of each target
BOMB = 64 * 2**20  # bytes of zeros in a few hundred kilobytes
READERS = {"nifti": read_nifti, "nrrd": read_nrrd}
GOOD = {"EXACT+LOADED+NOT_DICOM", "EXACT+LOADED", "LOADED", "EXACT", "NOT_A_VOLUME", "LOADED+NOT_A_LABEL_MAP"}


@pytest.mark.parametrize("seed", SEEDS, ids=ID)
def test_undamaged_inputs_are_let_in(seed, tmp_path):
    assert put_to(seed, seed.content, tmp_path) in GOOD


def test_the_corpus_is_small_and_always_the_same():
    assert sum(len(seed.content) for seed in SEEDS) < 200_000
    assert [seed.content for seed in synthetic_seeds()] == [seed.content for seed in SEEDS]
    assert mutated(SEEDS[0].content, Random("3:dicom:7")) == mutated(SEEDS[0].content, Random("3:dicom:7"))


@pytest.mark.parametrize("target", TARGETS)
def test_seeded_damage_ends_in_our_own_errors(target, tmp_path):
    pool = [seed for seed in SEEDS if seed.target == target]
    outcomes = set()
    for number in range(INPUTS):
        random = Random(f"test:{target}:{number}")
        seed = random.choice(pool)
        outcomes.add(put_to(seed, mutated(seed.content, random, other=random.choice(pool).content), tmp_path))
    assert len(outcomes) > 1  # else nothing was damaged


@pytest.mark.shared
def test_damage_to_real_files_ends_in_our_own_errors(shared, tmp_path):
    pool = list(real_seeds(shared / "data"))
    for number in range(INPUTS):
        random = Random(f"real:{number}")
        seed = random.choice(pool)
        put_to(seed, mutated(seed.content, random, other=random.choice(pool).content), tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=4),
)
def test_any_few_edits_end_in_our_own_errors(seed: Seed, edits, tmp_path):
    """Hypothesis looks for the smallest damage that gets through, and shows it."""
    content = bytearray(seed.content)
    for where, gone, come in edits:
        at = int(where * len(content))
        content[at : at + gone] = come
    put_to(seed, bytes(content), tmp_path)


@pytest.mark.parametrize("seed", SEEDS, ids=ID)
def test_cuts_and_zeros_anywhere_end_in_our_own_errors(seed, tmp_path):
    size = len(seed.content)
    for at in {*range(0, min(size, 200), 31), *range(0, size, max(size // 9, 1)), size - 1}:
        put_to(seed, seed.content[:at], tmp_path)
        put_to(seed, seed.content[:at] + bytes(size - at), tmp_path)
        put_to(seed, bytes(at) + seed.content[at:], tmp_path)


def _plain(seed: Seed) -> bytes:
    return gzip.decompress(seed.content) if seed.content.startswith(b"\x1f\x8b") else seed.content


@pytest.mark.parametrize("seed", [s for s in SEEDS if s.target in READERS], ids=[i for i in ID if i.startswith("n")])
def test_a_research_file_cut_short_is_never_a_volume(seed, tmp_path):
    content, read = _plain(seed), READERS[seed.target]
    path = tmp_path / "input"
    is_packed_inside = b"encoding: gzip" in content  # a stream may lose its checksum's last bytes and still be whole
    for at in range(0, len(content) - 10 * is_packed_inside, 3):
        path.write_bytes(content[:at])
        with pytest.raises(OsteotraceError):
            read(path, Modality.CT)
        path.write_bytes(gzip.compress(content[:at], 1))
        with pytest.raises(OsteotraceError):
            read(path, Modality.CT)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sizes: 5 4 3", b"sizes: 30000 30000 30000", "DECLARED_SIZE_TOO_LARGE"),
        (b"sizes: 5 4 3", b"sizes: 1000 1000 1000", "TRUNCATED_PIXEL_DATA"),
        (b"sizes: 5 4 3", b"sizes: 99999999999999999999 4 3", "DECLARED_SIZE_TOO_LARGE"),
        (b"sizes: 5 4 3", b"sizes: -5 4 3", "BAD_HEADER"),
        (b"sizes: 5 4 3", b"sizes: 0 4 3", "BAD_HEADER"),
        (b"(0.7,0,0)", b"(1e308,0,0)", "BAD_GEOMETRY"),
        (b"(0.7,0,0)", b"(nan,0,0)", "BAD_GEOMETRY"),
        (b"(0.7,0,0)", b"(0,0,0)", "BAD_GEOMETRY"),
        (b"(0.7,0,0) (0,0.8,0)", b"(0.7,0,0) (1e-320,0,0)", "BAD_GEOMETRY"),
    ],
)
def test_header_bombs_in_nrrd_allocate_nothing(old, new, code, tmp_path):
    content = next(seed.content for seed in SEEDS if seed.name == "raw")
    assert old in content
    _assert_refused_without_memory(tmp_path / "input", content.replace(old, new), read_nrrd, code)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("at", "new", "code"),
    [
        (42, b"\xff\x7f\xff\x7f\xff\x7f", "DECLARED_SIZE_TOO_LARGE"),  # dim: 32767³ samples
        (42, b"\xe8\x03\xe8\x03\xe8\x03", None),  # 1000³: too much for the file, whichever way that is said
        (42, b"\x00\x80", "BAD_HEADER"),
        (108, b"\xff\xff\xff\x7f", "BAD_HEADER"),  # vox_offset: not a number
        (108, b"\x00\x00\xc0\x4e", "BAD_HEADER"),  # vox_offset: 1.6 GB
    ],
)
def test_header_bombs_in_nifti_allocate_nothing(at, new, code, is_packed, tmp_path):
    plain = bytearray(next(seed.content for seed in SEEDS if seed.name == "plain"))
    plain[at : at + len(new)] = new
    content = gzip.compress(bytes(plain)) if is_packed else bytes(plain)
    _assert_refused_without_memory(tmp_path / "input", content, read_nifti, code)


def _assert_refused_without_memory(path: Path, content: bytes, read, code: str | None) -> None:
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(OsteotraceError) as caught:
            read(path, Modality.CT)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert code in (None, caught.value.code)


def test_a_gzip_bomb_costs_no_more_than_it_declares(tmp_path):
    """What lies behind the samples is never inflated."""
    plain = next(seed.content for seed in SEEDS if seed.name == "plain")
    path = tmp_path / "input"
    path.write_bytes(gzip.compress(plain + bytes(BOMB), 1))
    assert read_nifti(path, Modality.CT).samples.shape == (3, 4, 5)


def test_samples_that_inflate_a_thousandfold_are_not_inflated(tmp_path):
    plain = bytearray(next(seed.content for seed in SEEDS if seed.name == "plain"))
    plain[42:48] = b"\xe8\x03\xe8\x03\xe8\x03"  # 1000³ bytes, which two megabytes of gzip may well hold
    content = gzip.compress(bytes(plain) + Random(0).randbytes(2 * 2**20), 1)
    _assert_refused_without_memory(tmp_path / "input", content, read_nifti, "INFLATE_LIMIT")
