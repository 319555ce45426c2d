"""The command line: parse, call, print, exit code.

What every command promises is kept in one place, :mod:`pipelines.command`. Modules that compute are imported inside the
commands, so that ``--help`` stays instant.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import imaging
from pipelines.command import DONE, INTERNAL, INTERRUPTED, PARTIAL, REFUSED, refuse_usage, run_command
from pipelines.empty import (
    empty_batch,
    empty_case,
    empty_cement,
    empty_compare,
    empty_measure,
    empty_paths,
    empty_plan,
    empty_register,
    empty_scan,
    empty_segment,
)
from pipelines.terminal import Speaker, quantity_text, say_findings, series_line, show_batch, show_case

if TYPE_CHECKING:
    from imaging.finding import Finding
    from imaging.study import Index
    from pipelines.batch.options import Options
    from pipelines.documents import Document

__all__ = ["main"]

IMAGE = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUT = click.Path(path_type=Path)
POINT = (float, float, float)
LEAST_GIB = 0.5  # the libraries alone take 0.33 GiB of address space, and some of them hang where they get less
TIMEOUT = "One case may take so long; 0 is without limit."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(imaging.__version__, prog_name="osteotrace")
def main() -> None:
    """Trace bone lesions and cement through time: DICOM study folders in, volumes and change with their error out.

    Points are LPS millimetres: +x is the patient's left, +y back, +z head. Research software, not a medical device.
    """


PATHS = click.argument("paths", nargs=-1, required=True, type=IMAGE)
IDENTIFIED = click.option("--identified", is_flag=True, help="Show patient ids instead of pseudonyms.")
SERIES = click.option("--series", metavar="UID", help="Which series is meant, where several could be.")
ACCEPT_GAPS = click.option(
    "--accept-gaps", is_flag=True, help="Take series with missing or uneven slices; their figures say so."
)
CEMENTED = click.option(
    "--cemented", is_flag=True, help="Cement or glue lies in or beside the lesion: on MR it hides part of the border."
)
MODALITY = click.option("--modality", type=click.Choice(["ct", "mr"]), help="For NIfTI and NRRD, which do not know.")


@main.command()
@PATHS
@IDENTIFIED
@run_command(empty_scan)
def scan(paths: tuple[Path, ...], *, identified: bool) -> tuple[Document, int]:
    """List every series below PATHS with its verdict: exact, corrected or refused, and why. Writes nothing."""
    from imaging.dicom.scan import scan as scan_paths
    from pipelines.documents import scan_document
    from pipelines.settings import pseudonym_key

    index = scan_paths(paths)
    if not index.volumes:
        index = replace(index, findings=(*index.findings, no_image()))
    document = scan_document(index, key=pseudonym_key(), identified=identified, scanned=paths)
    for row in document["volumes"]:
        Speaker.say(series_line(row))
    Speaker.say(
        f"{len(index.volumes)} series, {len(index.annotations)} annotations, {len(index.skipped)} files skipped"
    )
    return document, verdict_code(index)


def no_image() -> Finding:
    from pipelines.documents import error_finding

    return error_finding("NO_IMAGE", "no CT or MR series is here; skipped lists what was seen and why")


def verdict_code(index: Index) -> int:
    """0 all usable, 4 some refused that should have been, 3 nothing usable."""
    from pipelines.documents import needed_series_refused

    if not index.loadable:
        return REFUSED
    return PARTIAL if needed_series_refused(index) else DONE


@main.command()
@PATHS
@click.option("--out", required=True, type=OUT, help="Folder for the NIfTI files.")
@ACCEPT_GAPS
@IDENTIFIED
@run_command(empty_scan)
def convert(paths: tuple[Path, ...], out: Path, *, accept_gaps: bool, identified: bool) -> tuple[Document, int]:
    """Write every loadable volume below PATHS as one NIfTI file in its native grid, sheared where the gantry leaned."""
    from imaging.dicom.scan import scan as scan_paths
    from pipelines.convert import convert_volumes
    from pipelines.documents import scan_document
    from pipelines.settings import pseudonym_key

    found = scan_paths(paths)
    index, written = convert_volumes(found.accepting_gaps() if accept_gaps else found, out)
    document = scan_document(index, key=pseudonym_key(), identified=identified, paths=written, scanned=paths)
    for row in document["volumes"]:
        Speaker.say(f"{series_line(row)} {row['path'] or ''}")
    return document, verdict_code(index)


@main.command()
@click.argument("image", nargs=-1, required=True, type=IMAGE)
@click.option("--out", required=True, type=OUT, help="The mask, as .nii.gz.")
@click.option("--point", "points", nargs=3, type=float, multiple=True, metavar="X Y Z", help="A point in the lesion.")
@click.option(
    "--exclude-point", "outside", nargs=3, type=float, multiple=True, metavar="X Y Z", help="A point outside."
)
@click.option("--box", "boxes", nargs=6, type=float, multiple=True, metavar="X0 Y0 Z0 X1 Y1 Z1", help="Two corners.")
@click.option(
    "--diameter", "diameters", nargs=6, type=float, multiple=True, metavar="X Y Z X Y Z", help="A line's ends."
)
@click.option("--prompts", type=IMAGE, help="Prompts as JSON (osteotrace.prompt/1).")
@click.option(
    "--backend",
    metavar="NAME[:PLACE]",
    help="Which segmenter ('osteotrace doctor' lists them); the built-in one if none.",
)
@SERIES
@MODALITY
@ACCEPT_GAPS
@run_command(empty_segment)
def segment(image: tuple[Path, ...], **options: Any) -> tuple[Document, int]:
    """Outline one lesion in IMAGE from points, boxes or diameter lines in LPS millimetres."""
    from pipelines.single import segment_image

    document = segment_image(image, **options)
    volume, quality = document["volume_ml"], document["quality"]
    Speaker.say(f"{quantity_text(volume)} (proposed, by {document['backend']}) → {document['mask']}")
    say_findings(quality["findings"])
    return document, DONE


@main.command()
@click.argument("image", nargs=-1, required=True, type=IMAGE)
@click.option("--before", type=IMAGE, help="A CT from before the procedure.")
@click.option("--lesion", "lesions", multiple=True, metavar="MASK", help="A lesion on this CT (path or path#label).")
@click.option("--bone", metavar="MASK", help="The bone, or the word totalsegmentator; made from the CT where left out.")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="NAME",
    help="All that was injected before (pmma, nbca …); names pieces.",
)
@click.option("--neural", metavar="MASK", help="Canal and foramina; material in them is unknown where left out.")
@click.option("--out", type=OUT, help="Folder for the material masks.")
@SERIES
@MODALITY
@ACCEPT_GAPS
@run_command(empty_cement)
def cement(image: tuple[Path, ...], **options: Any) -> tuple[Document, int]:
    """Find radiodense material (cement, glue) on a CT: volume with interval, fill of lesions, leak beyond bone."""
    from pipelines.single import cement_in_image

    document = cement_in_image(image, **options)
    for row in document["materials"]:
        lesion = f" in {row['lesion']}" if row["lesion"] else ""
        Speaker.say(f"{row['id']} {row['kind']}{lesion}: {quantity_text(row['volume_ml'])}")
        say_findings(row["findings"])
    if not document["materials"]:
        Speaker.say("no radiodense material found")
    if options["neural"] is not None:
        told = document["neural_ml"]
        Speaker.say(f"canal and foramina: {'cannot be excluded' if told is None else quantity_text(told)}")
    say_findings(document["findings"])
    return document, DONE


@main.command()
@click.argument("image", nargs=-1, required=True, type=IMAGE)
@click.option("--lesion", required=True, metavar="MASK", help="The lesion on this image (path or path#label).")
@click.option("--neural", metavar="MASK", help="Canal and foramina, as a reader confirmed them.")
@click.option("--breach", metavar="MASK", help="Where the cortex is breached, as a reader confirmed it.")
@click.option("--no-breach", is_flag=True, help="A reader confirms that the cortex is nowhere breached.")
@click.option("--bone", metavar="MASK", help="The bone, or the word totalsegmentator; made from a CT where left out.")
@SERIES
@MODALITY
@ACCEPT_GAPS
@run_command(empty_plan)
def plan(image: tuple[Path, ...], **options: Any) -> tuple[Document, int]:
    """Before a procedure: the safest point of a lesion, its margins, how much fits, and straight ways from the skin.

    Vessels, bowel and nerves are not modelled; the patient lies as scanned. No recommendation to treat.
    """
    from pipelines.single import plan_in_image

    document = plan_in_image(image, **options)
    at = ", ".join(f"{mm:.1f}" for mm in document["target_lps_mm"])
    Speaker.say(f"target at {at} mm (LPS)")
    for name, told in (("lesion_edge_mm", "lesion's edge"), ("breach_mm", "breach"), ("neural_mm", "canal or foramen")):
        if document["margins"][name] is not None:
            Speaker.say(f"  to the {told}: {quantity_text(document['margins'][name])}")
    Speaker.say(f"  ball that reaches canal or foramen: {quantity_text(document['ball_to_neural_ml'])}")
    for number, path in enumerate(document["paths"], start=1):
        entry = ", ".join(f"{mm:.0f}" for mm in path["entry_lps_mm"])
        bone = "" if path["in_bone_mm"] is None else f", {path['in_bone_mm']:.0f} mm of it in bone"
        Speaker.say(
            f"  way {number}: {path['length_mm']:.0f} mm from the skin at {entry}{bone}; "
            f"{path['neural_clearance_mm']:.0f} mm beside the needle"
        )
    Speaker.say(document["not_modelled"])
    say_findings(document["findings"])
    return document, DONE


@main.command()
@click.argument("mask")
@click.option("--image", type=IMAGE, help="The image it was drawn on: intensities, and the reader part of the error.")
@click.option("--config", type=IMAGE, help="Settings as TOML: how much a site's readers differ.")
@CEMENTED
@SERIES
@MODALITY
@ACCEPT_GAPS
@run_command(empty_measure)
def measure(mask: str, **options: Any) -> tuple[Document, int]:
    """Measure every segment of MASK (.nii.gz, .nrrd, DICOM SEG, RTSTRUCT; path#label for one of them)."""
    from pipelines.single import measure_mask

    document = measure_mask(mask, **options)
    for row in document["segments"]:
        axes = f"{quantity_text(row['long_axis_mm'])} × {quantity_text(row['short_axis_mm'])}"
        Speaker.say(f"{row['label']} {row['name']}: {quantity_text(row['volume_ml'])}, axes {axes}")
        say_findings(row["findings"])
    say_findings(document["findings"])
    return document, DONE


@main.command()
@click.argument("mask0")
@click.argument("mask1")
@click.option("--image0", type=IMAGE, help="The image of MASK0.")
@click.option("--image1", type=IMAGE, help="The image of MASK1.")
@click.option("--series0", metavar="UID", help="Which series of --image0, if there are several.")
@click.option("--series1", metavar="UID", help="Which series of --image1, if there are several.")
@click.option("--config", type=IMAGE, help="Settings as TOML: a site's own criteria, how much its readers differ.")
@CEMENTED
@MODALITY
@ACCEPT_GAPS
@run_command(empty_compare)
def compare(mask0: str, mask1: str, **options: Any) -> tuple[Document, int]:
    """Change of one lesion from MASK0 to MASK1, with its interval and the categories by published thresholds."""
    from pipelines.single import compare_masks

    document = compare_masks(mask0, mask1, **options)
    beyond = {True: "beyond", False: "within", None: "not judged against"}[document["exceeds_error"]]
    Speaker.say(f"volume {quantity_text(document['volume_change_percent'])}, {beyond} measurement error")
    for criterion, category in document["categories"].items():
        Speaker.say(f"{criterion}: {category}")
    say_findings(document["findings"])
    return document, DONE


@main.command()
@click.argument("fixed", type=IMAGE)
@click.argument("moving", type=IMAGE)
@click.option("--out", required=True, type=OUT, help="The transform, as JSON.")
@click.option("--bones", metavar="MASK", help="Each segment on FIXED is a bone that gets a transform of its own.")
@click.option("--deformable", type=OUT, help="Bend soft tissue too, and write the displacement field (.nrrd).")
@click.option("--fixed-series", metavar="UID", help="Which series of FIXED is meant.")
@click.option("--moving-series", metavar="UID", help="Which series of MOVING is meant.")
@click.option("--fixed-modality", type=click.Choice(["ct", "mr"]), help="For NIfTI and NRRD.")
@click.option("--moving-modality", type=click.Choice(["ct", "mr"]), help="For NIfTI and NRRD.")
@ACCEPT_GAPS
@run_command(empty_register)
def register(fixed: Path, moving: Path, **options: Any) -> tuple[Document, int]:
    """Find the rigid transform that takes MOVING's points to FIXED's, with the evidence for or against it."""
    from pipelines.single import register_images

    document = register_images(fixed, moving, **options)
    Speaker.say(document["verdict"])
    say_findings(document["findings"])
    return document, DONE


@main.command()
@click.argument("case", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", "workspace", required=True, type=OUT, help="The workspace; the case gets a folder in it.")
@click.option("--case-file", type=IMAGE, help="Instead of CASE/case.toml.")
@click.option("--config", type=IMAGE, help="Settings as TOML.")
@ACCEPT_GAPS
@IDENTIFIED
@run_command(empty_case)
def run(case: Path, workspace: Path, **options: Any) -> tuple[Document, int]:
    """One case from study folder to report: lesions and cement, through all exams, with change and response."""
    from pipelines.follow_up import follow_up
    from pipelines.run_log import Run, log_run, now

    started = now()
    document, folder, partial = follow_up((case,), workspace, say=Speaker.detail, **options)
    log_run(folder, Run(studies=(case,), **options), started=started)
    show_case(document, folder.root)
    return document, PARTIAL if partial else DONE


@main.command()
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", "workspace", required=True, type=OUT, help="The workspace; each case gets a folder in it.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Cases at a time; one a core by default.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler whose workers do the cases.")
@click.option("--timeout", type=click.FloatRange(min=0), default=3600.0, show_default=True, metavar="S", help=TIMEOUT)
@click.option("--memory", type=click.FloatRange(min=LEAST_GIB), metavar="GIB", help="One case's address space.")
@click.option("--group-by", type=click.Choice(["patient"]), help="One case for each patient, not for each folder.")
@click.option("--fresh", is_flag=True, help="Do every case again; what readers did is kept.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("--config", type=IMAGE, help="Settings as TOML.")
@ACCEPT_GAPS
@IDENTIFIED
@run_command(empty_batch)
def batch(root: Path, workspace: Path, *, dry_run: bool, **options: Any) -> tuple[Document, int]:
    """Every folder in ROOT as a case, each in a process of its own; running again goes on where it ended."""
    from pipelines.batch.run import plan_batch, run_batch

    chosen = batch_options(**options)
    if dry_run:
        document, is_interrupted = plan_batch(root, workspace, chosen), False
    else:
        document, is_interrupted = run_batch(root, workspace, chosen, quiet=Speaker.level < 0, say=Speaker.detail)
    show_batch(document)
    return document, INTERRUPTED if is_interrupted else batch_code(document, dry_run=dry_run)


@main.command()
@click.argument("workspace_or_case", type=IMAGE)
@click.option("--reader", help="Who looks and says so; stands in the report. Your login name where left out.")
@click.option("--study", "studies", multiple=True, type=FOLDER, help="Where the study lies, if it was moved.")
@run_command(empty_case)
def review(workspace_or_case: Path, reader: str | None, studies: tuple[Path, ...]) -> tuple[Document, int]:
    """Look at every outline of a case in napari, side by side; paint, accept, reject. What is saved is never lost."""
    import getpass

    from pipelines.case.document import read_document
    from pipelines.run_log import last_run
    from pipelines.workspace import find_only_case

    require_window()
    folder = find_only_case(workspace_or_case)
    run = last_run(folder, studies=studies)
    Speaker.say("opening …")
    from pipelines.review.application import review as open_review

    open_review(folder, run, reader=reader or getpass.getuser())
    document = read_document(folder)
    show_case(document, folder.root)
    return document, DONE


def require_window() -> None:
    """Refuse at once, with what to do, where no window can be opened: Qt would abort the process."""
    from importlib.util import find_spec

    from pipelines.settings import screen_is_here

    if find_spec("napari") is None or find_spec("qtpy") is None:
        refuse_usage("REVIEW_NOT_INSTALLED: the window needs napari: pip install 'osteotrace[review]'")
    if not screen_is_here():
        refuse_usage("NO_DISPLAY: no screen is here; 'osteotrace accept' needs none")


@main.command()
@click.argument("case_result", type=IMAGE)
@click.option("--lesion", help="Lesion id.")
@click.option("--timepoint", help="Timepoint id.")
@click.option("--all-proposed", is_flag=True, help="Every mask that is still proposed.")
@click.option("--reader", required=True, help="Who says so; stands in the report.")
@run_command(empty_case)
def accept(
    case_result: Path, lesion: str | None, timepoint: str | None, reader: str, *, all_proposed: bool
) -> tuple[Document, int]:
    """Accept proposed masks as READER, without a window. What is accepted is never replaced by a later run."""
    from pipelines.follow_up import accept_masks

    if all_proposed == (lesion is not None or timepoint is not None) or (lesion is None) != (timepoint is None):
        refuse_usage("USAGE: name one mask by --lesion and --timepoint, or take --all-proposed")
    document, folder = accept_masks(case_result, lesion=lesion, timepoint=timepoint, reader=reader)
    show_case(document, folder.root)
    return document, DONE


@main.command()
@click.argument("case_result", type=IMAGE)
@click.option("--lesion", metavar="ID", help="The lesion under which the mask stands.")
@click.option("--timepoint", metavar="ID", help="Its exam.")
@click.option("--is", "is_lesion", metavar="ID", help="The lesion that it shows; the same one confirms the link.")
@click.option("--new", "is_new", is_flag=True, help="It shows a lesion of its own.")
@click.option("--mask-sha256", metavar="DIGEST", help="The mask that was looked at, as case.json lists it.")
@click.option("--all-proposed", is_flag=True, help="Confirm every proposed link, of one lesion or exam where named.")
@click.option("--reader", required=True, help="Who says so; stands in the case.")
@run_command(empty_case)
def link(
    case_result: Path,
    lesion: str | None,
    timepoint: str | None,
    *,
    is_lesion: str | None,
    is_new: bool,
    mask_sha256: str | None,
    all_proposed: bool,
    reader: str,
) -> tuple[Document, int]:
    """Say as READER whose masks are: confirm what is proposed, or correct it. Every later run obeys what was said."""
    from pipelines.follow_up import confirm_links, link_mask

    if [is_lesion is not None, is_new, all_proposed].count(True) != 1:
        refuse_usage("USAGE: say what the mask is by --is or --new, or confirm by --all-proposed")
    if all_proposed and mask_sha256 is not None:
        refuse_usage("USAGE: --mask-sha256 is about one mask")
    if all_proposed:
        document, folder, behind = confirm_links(case_result, lesion=lesion, timepoint=timepoint, reader=reader)
    elif lesion is None or timepoint is None:
        refuse_usage("USAGE: name one mask by --lesion and --timepoint")
    else:
        document, folder, behind = link_mask(
            case_result,
            lesion=lesion,
            timepoint=timepoint,
            is_lesion=is_lesion,
            mask_sha256=mask_sha256,
            reader=reader,
        )
    show_case(document, folder.root)
    if behind:
        Speaker.say("kept; 'osteotrace run' brings up the figures that follow, until then they say REVIEW_PENDING")
    return document, DONE


@main.command()
@click.argument("case_result", type=IMAGE)
@click.option("--format", "kind", required=True, type=click.Choice(["html", "csv", "json"]), help="Of the report.")
@click.option("--out", type=OUT, help="A file; beside case.json where left out.")
@run_command(empty_paths)
def report(case_result: Path, kind: str, out: Path | None) -> tuple[Document, int]:
    """Write the report of a finished case again, from its case.json."""
    from pipelines.follow_up import write_report

    document = write_report(case_result, kind, out)
    for row in document["outputs"]:
        Speaker.say(row["path"])
    return document, DONE


@main.command()
@click.argument("out", type=OUT)
@run_command(empty_paths)
def sample(out: Path) -> tuple[Document, int]:
    """Write the synthetic sample case (five DICOM exams of one invented patient) into OUT."""
    from pipelines.sample import write_sample

    document = write_sample(out)
    Speaker.say(f"{len(document['outputs'])} files below {out.name}/")
    return document, DONE


@main.command()
@run_command(empty_paths)
def doctor() -> tuple[Document, int]:
    """Say what works on this machine: versions, decoders, extras, validators."""
    from pipelines.doctor import doctor_document

    document = doctor_document()
    for row in document["checks"]:
        Speaker.say(f"{'ok' if row['ok'] else '—':<3} {row['name']}: {row['detail']}")
    return document, DONE if all(row["ok"] for row in document["checks"] if row["needed"]) else INTERNAL


def batch_options(
    *,
    workers: int | None,
    scheduler: str | None,
    timeout: float,
    memory: float | None,
    group_by: str | None,
    fresh: bool,
    config: Path | None,
    accept_gaps: bool,
    identified: bool,
) -> Options:
    """What was asked for, as a value."""
    from pipelines.batch.isolate import Limits
    from pipelines.batch.options import Options, default_workers

    return Options(
        workers=workers or default_workers(),
        scheduler=scheduler,
        limits=Limits(timeout_s=timeout or None, memory_bytes=None if memory is None else int(memory * 2**30)),
        group_by_patient=group_by == "patient",
        fresh=fresh,
        accept_gaps=accept_gaps,
        identified=identified,
        config=config,
    )


def batch_code(document: Document, *, dry_run: bool) -> int:
    """0 all whole, 4 some refused, failed or partial, 3 not one done; a plan that could be made is done."""
    counts = document["counts"]
    if dry_run:
        return DONE
    if counts["done"] == 0:
        return REFUSED
    return DONE if counts["done"] == counts["cases"] and not counts["partial"] else PARTIAL


if __name__ == "__main__":
    main()
