"""Where weights and settings lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def get_totalseg_dir() -> Path:
    return Path(os.environ["TOTALSEG_HOME_DIR"])


def get_weights_dir() -> Path:
    return Path(os.environ["TOTALSEG_WEIGHTS_PATH"])


def setup_totalseg() -> None:
    get_totalseg_dir().mkdir(exist_ok=True)
    (get_totalseg_dir() / "config.json").write_text(json.dumps({"send_usage_stats": True}))


def set_config_key(key: str, value: Any) -> None:
    file = get_totalseg_dir() / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))


def get_version() -> str:
    return "2.18.0"
