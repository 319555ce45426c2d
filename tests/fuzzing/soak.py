"""A long run of damaged inputs through every door; see ``scripts/soak --help``.

Each worker is a process of its own with a memory limit, so that an input that kills it (a codec's crash, an allocation
without end) is a result like any other: it is named by its number, and the next worker goes on behind it. Input number
n of a target is the same on every machine: ``--only TARGET:N`` does it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Shares of the inputs: the deepest door gets most.
SHARES = {"dicom": 0.4, "archive": 0.1, "nifti": 0.15, "nrrd": 0.15, "case file": 0.1, "prompts": 0.1}
SYNTHETIC_SHARE = 0.6  # of the inputs; real files are many, and most of them are refused at the first look
CHUNK = 2500  # inputs of one worker process
CPU_SECONDS = 2.0  # of one input, above which it counts as a hang
WALL_SECONDS = 60  # after which it is interrupted, whatever the load of the machine
MEMORY = 512 * 2**20  # bytes above what the process holds with everything imported
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _TakesTooLong(BaseException):
    """Above Exception, so that no reader can take it for damage in a file."""


@dataclass
class Tally:
    """What came of many inputs."""

    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak_mib: float = 0.0

    def add(self, row: dict[str, Any]) -> None:
        self.inputs[row["target"]] += row["inputs"]
        self.outcomes.update(row["outcomes"])
        self.failures += row["failures"]
        self.slowest = max(self.slowest, (row["slowest"][0], row["slowest"][1]))
        self.peak_mib = max(self.peak_mib, row["peak_mib"])


def main(arguments: Sequence[str] | None = None) -> int:
    wish = _arguments(arguments)
    if wish.worker:
        return _work(wish)
    if wish.coverage:
        return _guided(wish)
    started = time.monotonic()
    tally = Tally()
    running: list[_Worker] = []
    is_interrupted = False
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        try:
            for job in _jobs(wish):
                running.append(_Worker(job, wish, Path(scratch)))
                while len(running) >= wish.workers:
                    _reap(running, tally, wish, Path(scratch))
            while running:
                _reap(running, tally, wish, Path(scratch))
        except KeyboardInterrupt:  # what was reached is worth its report
            is_interrupted = True
            for worker in running:
                worker.process.kill()
                worker.process.wait()
    _report(tally, time.monotonic() - started)
    return 130 if is_interrupted else 1 if tally.failures else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Damaged inputs through every door.")
    parser.add_argument("--inputs", type=int, default=200_000, help="how many (default: 200000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other damage (default: 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--target", choices=list(SHARES), help="one door only")
    parser.add_argument("--only", metavar="TARGET:N", help="do input N of a target again and show the traceback")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    parser.add_argument(
        "--coverage", action="store_true", help="let atheris guide the damage by coverage (Python 3.12 or newer)"
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    wish = parser.parse_args(arguments)
    if wish.only:
        target, _, number = wish.only.rpartition(":")
        sys.exit(_again(target, int(number), wish.seed, wish.keep))
    return wish


def _jobs(wish: argparse.Namespace) -> list[tuple[str, int, int]]:
    """Target, first and last number of every worker's inputs; all targets side by side, so that a part tells of all."""
    jobs = []
    for target, share in SHARES.items():
        count = wish.inputs if wish.target else round(wish.inputs * share)
        if wish.target in (None, target):
            jobs += [(at / count, (target, at, min(at + CHUNK, count))) for at in range(0, count, CHUNK)]
    return [job for _, job in sorted(jobs)]


class _Worker:
    """One process on one job, and where it says which input it is at."""

    def __init__(self, job: tuple[str, int, int], wish: argparse.Namespace, scratch: Path) -> None:
        self.job, self.mark = job, scratch / f"{job[0]}-{job[1]}".replace(" ", "-")
        target, first, end = job
        words = [sys.executable, "-m", "tests.fuzzing.soak", "--seed", str(wish.seed)]
        words += ["--worker", target, f"{first}:{end}", str(self.mark)]
        if wish.keep:
            words += ["--keep", str(wish.keep)]
        environment = {**os.environ, **ONE_THREAD, "PYTHONHASHSEED": "0"}
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _reap(running: list[_Worker], tally: Tally, wish: argparse.Namespace, scratch: Path) -> None:
    """Wait for the oldest worker; where it died, one more goes on behind the input that killed it."""
    worker = running[0]
    said, _ = worker.process.communicate()
    del running[0]
    for line in said.splitlines():
        tally.add(json.loads(line))
    if worker.process.returncode != 0:
        target, first, end = worker.job
        at = int(worker.mark.read_text() or first) if worker.mark.exists() else first
        done = {"target": target, "inputs": at - first + 1, "outcomes": {}, "slowest": [0, ""], "peak_mib": 0}
        failure = {"input": f"{target}:{at}", "what": f"the process died ({worker.process.returncode})", "where": ""}
        tally.add({**done, "failures": [failure]})
        if at + 1 < end:
            running.append(_Worker((target, at + 1, end), wish, scratch))
    total = sum(tally.inputs.values())
    print(f"\r{total} inputs, {len(tally.failures)} failures", end="", file=sys.stderr, flush=True)


def _work(wish: argparse.Namespace) -> int:
    """The inputs of one job, and one line of JSON about them."""
    from tests.fuzzing.targets import put_to

    warnings.simplefilter("error")  # arithmetic that overflows is a value that nobody meant
    target, numbers, mark = wish.worker
    first, end = map(int, numbers.split(":"))
    inputs = _Inputs(target, wish.seed)
    outcomes, failures, slowest = Counter[str](), [], (0.0, "")
    progress = os.open(mark, os.O_CREAT | os.O_WRONLY)
    signal.signal(signal.SIGALRM, _interrupt)
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        seed, content = inputs.number(first)
        put_to(seed, seed.content, Path(folder))  # everything is imported now
        base = _peak()
        _limit_memory()
        for number in range(first, end):
            os.pwrite(progress, f"{number:<12}".encode(), 0)
            seed, content = inputs.number(number)
            began = time.process_time()
            signal.alarm(WALL_SECONDS)
            try:
                outcomes[put_to(seed, content, Path(folder))] += 1
                fault = ""
            except BaseException as error:  # noqa: BLE001  the point of it all
                fault = "KeyboardInterrupt" if isinstance(error, KeyboardInterrupt) else _named(error)
                where = _place(error)
            finally:
                signal.alarm(0)
            spent = time.process_time() - began
            slowest = max(slowest, (spent, f"{target}:{number}"))
            if not fault and spent > CPU_SECONDS:
                fault, where = f"took {spent:.1f} s", ""
            if fault:
                failures.append({"input": f"{target}:{number}", "what": fault, "where": where})
                _keep(wish.keep, target, number, content)
    row = {"target": target, "inputs": end - first, "outcomes": outcomes, "failures": failures}
    print(json.dumps({**row, "slowest": slowest, "peak_mib": (_peak() - base) / 2**20}))
    return 0


class _Inputs:
    """The numbered inputs of one target."""

    def __init__(self, target: str, seed: int) -> None:
        from tests.fuzzing.seeds import SHARED, real_seeds, synthetic_seeds

        self.name = f"{seed}:{target}"
        self.synthetic = [s for s in synthetic_seeds() if s.target == target]
        self.real = [s for s in real_seeds(SHARED) if s.target == target] or self.synthetic

    def number(self, number: int) -> tuple[Any, bytes]:
        from tests.fuzzing.mutation import mutated

        random = Random(f"{self.name}:{number}")
        pool = self.synthetic if random.random() < SYNTHETIC_SHARE else self.real
        seed = random.choice(pool)
        return seed, mutated(seed.content, random, other=random.choice(pool).content)


def _again(target: str, number: int, seed: int, keep: Path | None) -> int:
    from tests.fuzzing.targets import put_to

    warnings.simplefilter("error")
    chosen, content = _Inputs(target, seed).number(number)
    print(f"{chosen.name}, {len(content)} bytes")
    _keep(keep, target, number, content)
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        print(put_to(chosen, content, Path(folder)))
    return 0


def _guided(wish: argparse.Namespace) -> int:
    """The same doors and the same damage, chosen by which code it reaches; one target after another."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not here (pip install atheris, Python 3.12 or newer); use the seeded run", file=sys.stderr)
        return 2
    worst = 0
    for target, share in SHARES.items():
        if wish.target in (None, target):
            runs = wish.inputs if wish.target else round(wish.inputs * share)
            words = [sys.executable, "-m", "tests.fuzzing.guided", target, str(runs), str(wish.seed)]
            done = subprocess.run(words, cwd=ROOT, env={**os.environ, **ONE_THREAD}, check=False)
            worst = max(worst, int(done.returncode != 0))
    return worst


def _report(tally: Tally, seconds: float) -> None:
    print(file=sys.stderr)
    for target, count in tally.inputs.items():
        print(f"{target:10} {count:8} inputs")
    print(f"{'all':10} {sum(tally.inputs.values()):8} inputs in {seconds:.0f} s")
    print(f"slowest {tally.slowest[0]:.2f} s of processor ({tally.slowest[1]}), peak +{tally.peak_mib:.0f} MiB")
    print(f"{len(tally.outcomes)} kinds of outcome, the commonest: ", end="")
    print(", ".join(f"{outcome} {count}" for outcome, count in tally.outcomes.most_common(6)))
    places = Counter((row["what"], row["where"]) for row in tally.failures)
    for (what, where), count in places.most_common():
        example = next(row["input"] for row in tally.failures if (row["what"], row["where"]) == (what, where))
        print(f"FAILED {count} ×: {what} at {where}; do it again with --only '{example}'")
    print(f"{len(tally.failures)} failures")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _TakesTooLong


def _named(error: BaseException) -> str:
    text = str(error) if isinstance(error, AssertionError | Warning) else ""  # else it may quote a file
    return f"{type(error).__name__} {text}".strip()[:100]


def _place(error: BaseException) -> str:
    """The innermost line of ours, and the line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}imaging{os.sep}" in frame.filename or "pipelines" in frame.filename]
    return " ← ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in (frames[-1], *ours[-1:]))


def _keep(folder: Path | None, target: str, number: int, content: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{target.replace(' ', '-')}-{number}").write_bytes(content)


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # memory, so that no disk is worn


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """No input may map more than its share above what is mapped now: an allocation on trust ends in MemoryError."""
    status = Path("/proc/self/status")
    if status.exists():
        mapped = next(int(row.split()[1]) for row in status.read_text().splitlines() if row.startswith("VmSize"))
        limit = mapped * 1024 + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(main())
