"""``python -P -m pipelines.review.recompute CASE_FOLDER [STUDY …]``: the case anew, as it was run last.

The review starts this beside its window, so that painting goes on while the figures follow. Exit code 0, or 3 and one
line ``CODE: message`` on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path

from imaging.errors import OsteotraceError
from pipelines.follow_up import follow_up
from pipelines.run_log import Run, last_run, log_run, now
from pipelines.workspace import CaseFolder

__all__ = ["recompute"]


def recompute(target: CaseFolder, run: Run) -> None:
    """Run the case again into its folder.

    Raises
    ------
    OsteotraceError
        As :func:`pipelines.follow_up.follow_up`.
    """
    started = now()
    follow_up(
        run.studies,
        target.root.parent,
        case_id=target.root.name,
        case_file=run.case_file,
        config=run.config,
        accept_gaps=run.accept_gaps,
        identified=run.identified,
    )
    log_run(target, run, started=started)


def main(case_folder: str, *studies: str) -> int:
    target = CaseFolder(Path(case_folder))
    try:
        recompute(target, last_run(target, studies=tuple(map(Path, studies))))
    except OsteotraceError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
