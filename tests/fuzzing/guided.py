"""The doors under atheris: damage that reaches new code is damaged further.

Run by ``scripts/soak --coverage``; needs atheris, whose wheels want Python 3.12 or newer.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

from tests.fuzzing.mutation import mutated

LARGEST = 2**18


def main(target: str, runs: str, seed: str) -> None:
    atheris = importlib.import_module("atheris")  # not at the top: most interpreters have no wheel for it
    with atheris.instrument_imports(include=["imaging", "pipelines"]):
        from tests.fuzzing.seeds import SHARED, real_seeds, synthetic_seeds
        from tests.fuzzing.targets import put_to
    warnings.simplefilter("error")
    synthetic = [s for s in synthetic_seeds() if s.target == target]
    beside = max(synthetic, key=lambda s: len(s.others))  # the damaged file joins whole slices of its series
    corpus = Path(tempfile.mkdtemp(prefix="soak-corpus-"))
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    contents = [s.content for s in (*synthetic, *real_seeds(SHARED)) if s.target == target]
    for number, content in enumerate(contents):
        (corpus / f"{number:05d}").write_bytes(content[:LARGEST])

    def one_input(content: bytes) -> None:
        put_to(beside, content, folder)

    def damage(content: bytes, longest: int, number: int) -> bytes:
        random = Random(number)
        return mutated(content, random, other=random.choice(contents))[:longest]

    limits = ["-timeout=20", "-rss_limit_mb=3000", f"-max_len={LARGEST}", "-print_final_stats=1"]
    words = [sys.argv[0], f"-runs={runs}", f"-seed={int(seed) + 1}", *limits, str(corpus)]
    atheris.Setup(words, one_input, custom_mutator=damage)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:4])
