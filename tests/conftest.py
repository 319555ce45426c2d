"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is. All else stays as it is, also what CI sets.
settings.register_profile("osteotrace", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("osteotrace")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real imaging data beside the project; tests that need it skip with this reason elsewhere."""
    folder = Path(os.environ.get("OSTEOTRACE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data" / "SOURCES.md").is_file():
        pytest.skip(f"real imaging data is not at {folder}; it may not be redistributed")
    return folder


@pytest.fixture(scope="session")
def sample_case() -> Path:
    """The synthetic sample case that is part of the repository."""
    return ROOT / "sample_data" / "sacroplasty"
