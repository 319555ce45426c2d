"""Commands as a person runs them, and what a folder looked like before."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Done:
    """A command's exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


Osteotrace = Callable[..., Done]


@pytest.fixture(scope="session")
def osteotrace() -> Osteotrace:
    """The installed command in a process of its own."""

    def run(*arguments: object, **environment: str) -> Done:
        import os

        command = [str(Path(sys.executable).with_name("osteotrace")), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=600, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def keeps_contract(shared: Path) -> Callable[[Path | str], str]:
    """What the contract's own checker says of a document: empty if it is kept."""

    def check(document: Path | str) -> str:
        text = document if isinstance(document, str) else document.read_text(encoding="utf-8")
        checker = [sys.executable, str(shared / "tools" / "check_contract.py"), "-"]
        done = subprocess.run(checker, input=text, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return check


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below the folder by digest and time of change."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, tuple[str, int]]]:
    return digests
