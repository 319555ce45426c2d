#!/usr/bin/env python3
"""Make sample_data/ again, or prove that it is what the code makes.

make_sample_data.py [FOLDER]     write FOLDER/sacroplasty and FOLDER/sacroplasty.truth.json (default: sample_data)
make_sample_data.py --check      compare with what is there, byte for byte; exit 1 where anything differs
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging.provenance import sha256_hex  # noqa: E402
from imaging.synthetic.sacroplasty.exam import EXAMS  # noqa: E402
from pipelines.sample import sample_files, truth_json  # noqa: E402
from pipelines.workspace import atomic_write  # noqa: E402


def sample_data() -> Iterator[tuple[str, bytes]]:
    yield "sacroplasty.truth.json", truth_json()
    for path, content in sample_files(EXAMS):
        yield f"sacroplasty/{path}", content


def digest_rows(folder: Path) -> list[str]:
    """One row for every exam's series: files, bytes, and the digest of its files' digests in name order."""
    rows = ["| folder | files | bytes | SHA-256 of the files' SHA-256 |", "|---|---|---|---|"]
    for series in sorted({path.parent for path in folder.glob("sacroplasty/*/*/*.dcm")}):
        contents = [path.read_bytes() for path in sorted(series.glob("*.dcm"))]
        digest = sha256_hex("".join(sha256_hex(content) for content in contents).encode())
        name = series.relative_to(folder).as_posix()
        rows.append(f"| {name} | {len(contents)} | {sum(map(len, contents))} | `{digest}` |")
    masks = sorted(folder.glob("sacroplasty/*/*.nii.gz"))
    for path in (*masks, folder / "sacroplasty" / "case.toml", folder / "sacroplasty.truth.json"):
        content = path.read_bytes()
        rows.append(
            f"| {path.relative_to(folder).as_posix()} | 1 | {len(content)} | `{sha256_hex(content)}` (its own) |"
        )
    return rows


def with_digests(readme: str, rows: list[str]) -> str:
    marks = "<!-- digests -->\n", "<!-- /digests -->\n"
    block = marks[0] + "\n".join(rows) + "\n" + marks[1]
    return re.sub(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), lambda _: block, readme, flags=re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "sample_data")
    parser.add_argument("--check", action="store_true", help="write nothing; compare")
    asked = parser.parse_args()
    if asked.check:
        wanted = dict(sample_data())
        there = {p.relative_to(asked.folder).as_posix() for p in asked.folder.rglob("*") if p.is_file()} - {"README.md"}
        differing = sorted(
            path
            for path, content in wanted.items()
            if path not in there or (asked.folder / path).read_bytes() != content
        )
        surplus = sorted(there - set(wanted))
        print(f"{len(wanted)} files: {len(differing)} differ, {len(surplus)} too many")
        print(*differing[:20], *surplus[:20], sep="\n")
        return 1 if differing or surplus else 0
    for path, content in sample_data():
        atomic_write(asked.folder / path, content)
    readme = asked.folder / "README.md"
    if readme.is_file():
        text = with_digests(readme.read_text(encoding="utf-8"), digest_rows(asked.folder))
        atomic_write(readme, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
