"""The one table of codes is whole: what the code says stands in it, and what stands in it is said."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from imaging.dicom.codes import CODES, as_markdown

ROOT = Path(__file__).parents[3]
OUTCOMES = {"refused", "warning", "note", "passed over"}
# Terms of DICOM, and a name within the package, that are written like codes.
TERMS = {"FAT_AND_WATER", "CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "GEMS_PARM_01", "DOSE_INFO", "ZIP_ARCHIVE"}
FLAGS = re.compile(r"O_[A-Z]+")  # of the operating system, looked up by name


def strings(path: Path) -> set[str]:
    """Every string that the code of a module computes with; names in ``__all__`` are no codes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [node for node in tree.body if not (isinstance(node, ast.Assign) and _target(node) == "__all__")]
    nodes = (node for statement in body for node in ast.walk(statement))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _target(node: ast.Assign) -> str:
    return getattr(node.targets[0], "id", "")


@pytest.fixture(scope="module")
def said() -> set[str]:
    modules = [path for path in (ROOT / "imaging" / "dicom").glob("*.py") if path.name != "codes.py"]
    return set().union(*map(strings, modules))


def test_every_code_that_is_said_stands_in_the_table(said):
    looks_like_a_code = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
    alike = {text for text in said if looks_like_a_code.fullmatch(text) and not FLAGS.fullmatch(text)}
    assert alike - set(CODES) - TERMS == set()


def test_every_code_of_the_table_is_said(said):
    assert set(CODES) - said == set()


def test_every_code_says_how_it_ends_what_it_means_and_what_to_do():
    assert len(CODES) >= 25
    for name, code in CODES.items():
        assert set(code.outcomes.split(", ")) <= OUTCOMES, name
        assert code.meaning, name
        assert code.remedy, name


def test_the_readme_shows_the_table():
    assert as_markdown() in (ROOT / "README.md").read_text(encoding="utf-8")
