"""Rules of the house that a machine can check on the source itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "imaging").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")])
BANNED_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "requests", "urllib.request"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "print", "input"}
BANNED_METHODS = {
    ("os", "system"), ("os", "popen"), ("yaml", "load"), ("tempfile", "mktemp"),
    ("time", "time"), ("datetime", "now"), ("date", "today"), ("datetime", "utcnow"),
}  # fmt: skip
WRITERS = {"write_text", "write_bytes", "WriteImage", "tofile", "savez", "savez_compressed", "imwrite", "imsave"}
CLOCK = {"time", "now", "today", "utcnow"}
MAY_TELL_TIME = {"run.py", "run_log.py"}  # what they write is told apart from results


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def dotted(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Attribute):
        return (*dotted(node.value), node.attr)
    return (node.id,) if isinstance(node, ast.Name) else ("",)


def offences(path: Path) -> list[str]:
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in BANNED_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in BANNED_MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name[-1] in BANNED_CALLS and len(name) == 1:
                found.append(name[-1])
            if name[-2:] in BANNED_METHODS and not (path.name in MAY_TELL_TIME and name[-1] in CLOCK):
                found.append(".".join(name))
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if (keyword.arg, value) in {("shell", True), ("allow_pickle", True)}:
                    found.append(f"{keyword.arg}=True")
            if name[-2:] == ("torch", "load") and not loads_data_alone(node):
                found.append("torch.load")
    return found


def loads_data_alone(call: ast.Call) -> bool:
    """Whether it is written with ``weights_only=True``, which runs nothing that the file holds."""
    return any(
        keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_executes_data_or_looks_at_a_clock(path: Path) -> None:
    assert offences(path) == []


def test_the_check_finds_what_it_bans(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import pickle\nimport subprocess, yaml, numpy, datetime\neval('1')\nyaml.load('')\n"
        "subprocess.run('x', shell=True)\nnumpy.load('x', allow_pickle=True)\ndatetime.datetime.now()\n"
        "torch.load('x')\ntorch.load('x', weights_only=False)\ntorch.load('x', weights_only=True)\n"
    )
    assert sorted(offences(bad)) == sorted(
        ["pickle", "eval", "yaml.load", "shell=True", "allow_pickle=True", "datetime.datetime.now", *["torch.load"] * 2]
    )


def writes(path: Path) -> list[str]:
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name[-1] in WRITERS or name[-2:] == ("os", "fdopen"):
                found.append(".".join(name))
            if name[-1] == "open" and any(
                isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
                and set(argument.value) & set("wax+")
                for argument in [*node.args[:2], *[k.value for k in node.keywords if k.arg == "mode"]]
            ):
                found.append(".".join(name))
    return found


def test_files_are_written_by_the_one_atomic_write_alone() -> None:
    offenders = {str(path.relative_to(ROOT)): writes(path) for path in SOURCES if writes(path)}
    assert set(offenders) == {"pipelines/workspace.py"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import imaging", "import pipelines.cli"])
def test_start_up_loads_nothing_heavy(statement: str) -> None:
    heavy = {"napari", "torch", "SimpleITK", "dask", "matplotlib", "scipy", "skimage", "pydicom", "highdicom", "numpy"}
    assert loaded_by(statement) & heavy == set()


def test_help_loads_nothing_heavy() -> None:
    statement = "from pipelines.cli import main\nmain(['--help'], standalone_mode=False)"
    assert loaded_by(statement) & {"numpy", "SimpleITK", "scipy", "pydicom"} == set()


def test_no_gpl_package_is_locked() -> None:
    locked = {
        line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    gpl = {"pyqt5", "pyqt6", "pymaxflow", "pylibjpeg-libjpeg", "thinqpbo", "python-gdcm"}
    assert locked & gpl == set()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + [
        d for group in project["project"]["optional-dependencies"].values() for d in group
    ]
    locked = {
        line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    names = {d.split(">=")[0].split("[")[0].lower() for d in asked}
    assert names <= locked


def test_the_lock_file_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test", "scripts/check", "scripts/soak", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
