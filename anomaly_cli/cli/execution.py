"""Calls stages and prints what they made; imported only when a command runs."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.cli.asked import Asked
from anomaly_cli.cli.output import say
from anomaly_cli.cli.output import show as show  # noqa: PLC0414  where commands look for it
from anomaly_cli.cli.plans import outlook_with_words, plan_of, plan_single
from anomaly_cli.cli.plans import print_plan as print_plan  # noqa: PLC0414  where commands look for it
from anomaly_cli.cli.progress import show_progress_of
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.morphing.settings import MORPH_CONFIG_NAME, MorphConfig
from anomaly_cli.report.contents import find_results
from anomaly_cli.report.summary import summarise_run
from anomaly_cli.report.table import Message
from anomaly_cli.scans.manifest import MANIFEST as SCAN_MANIFEST
from anomaly_cli.stages.chain import run_chain, run_stages
from anomaly_cli.stages.frame import Analysis, Outcome, Stage, append_log, execute
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.significance import SIGNIFICANCE

RECORDS = "records"
"""Where `anomaly reproduce` keeps what its jobs found."""


def run_and_summarise(asked: Asked, unblind: bool, measure: bool) -> None:
    """Run all stages, measure the uncertainties that take minutes where that is asked for, and print the result."""
    from anomaly_cli.studies.measure import measure_uncertainties, refuse_unmeasurable
    from anomaly_cli.studies.sensitivity import SENSITIVITY

    refuse_other_directory(asked.directory)
    opened = Analysis.open(asked.directory, asked.config, overwrite=asked.overwrite)
    with show_progress_of(asked, outlook_with_words(opened, plan_of(opened, measure), asked.quiet)) as progress:
        analysis = opened.reporting(progress)
        if measure:
            refuse_unmeasurable(analysis)
            outcomes = run_chain(analysis, leave_out=(SIGNIFICANCE,))
            outcomes += measure_uncertainties(analysis, unblind)
        else:
            outcomes = run_chain(analysis, unblind)
        if not analysis.run.has(schema.SIGNIFICANCE):
            outcomes.append(execute(SENSITIVITY, analysis.replacing()))
    kept = [outcome.stage for outcome in outcomes if not outcome.was_made]
    if kept:
        say(f"Up to date, not run again: {', '.join(kept)}.")
    print_summary(analysis.run)


def refuse_other_directory(directory: Path) -> None:
    """Refuse a directory that holds something else than a run.

    Raises:
        ArtifactError: where it is that of a scan, or of what was reproduced.
    """
    quoted = shlex.quote(str(directory))
    if (directory / SCAN_MANIFEST).exists():
        raise ArtifactError(f"{directory}: holds a scan, which 'anomaly scan collect {quoted}' shows, and no run")
    if (directory / RECORDS).is_dir():
        raise ArtifactError(f"{directory}: holds what 'anomaly reproduce run' made, and no run; name another directory")


def print_summary(run: RunDirectory) -> None:
    """Print the result of a run, where its files are, and what to do next."""
    directory = run.path
    if not directory.is_dir():
        raise ArtifactError(f"{directory}: no such directory; check the path of the run")
    refuse_other_directory(directory)
    needed = [schema.SPLIT, schema.SCORES, schema.CLOSURE]
    if run.has(schema.TRUTH):  # without truth the count waits for --unblind
        needed.append(schema.SIGNIFICANCE)
    missing = [kind for kind in needed if not run.has(kind)]
    window = "" if run.has(schema.SPLIT) else " --signal-region WINDOW"
    if missing:
        raise ArtifactError(
            f"{run.artifact(missing[0])}: no such file, the run is not finished; finish it with"
            f" 'anomaly run --run {run.quoted}{window}'"
        )
    show(summarise_run(run), run.digests)
    files = ", ".join(sorted(p.name for p in directory.iterdir() if not p.name.startswith(".") and p.is_file()))
    workspaces = f", {run.workspaces.name}/ (HistFactory JSON)" if run.workspaces.exists() else ""
    show(Message(f"Files in {directory}/: {files}{workspaces}"))
    show_next(next_steps(run))


def show_next(steps: list[tuple[str, str]]) -> None:
    """Print commands and what they do, each on a line that a shell takes as it is."""
    show(Message("Next:", details=tuple(f"{command}  # {what}" for command, what in steps)))


def show_next_stage(run: RunDirectory, kind: Kind, what: str) -> None:
    """Print the command that makes a kind of artifact, anew where there is one, and what it does."""
    again = " --overwrite" if run.has(kind) else ""
    show_next([(f"{kind.made_by} --run {run.quoted}{again}", what)])


def next_steps(run: RunDirectory) -> list[tuple[str, str]]:
    """Return commands that a run whose closure is known is ready for, and what each does."""
    path, quoted = run.artifact(schema.SIGNIFICANCE), run.quoted
    has_truth = run.has(schema.TRUTH)
    evaluate = [(f"anomaly evaluate --run {quoted}", "significance improvement (uses truth)")] if has_truth else []
    if run.has(schema.EVALUATION):
        evaluate = []
    template = run.read(schema.CLOSURE).groups["counts"]
    measure = (f"anomaly run --run {quoted} --measure", "closure uncertainty and over-dispersion: minutes")
    if not path.exists():
        can_measure = bool(template["has_windows"])
        return [*before_the_look(run, measure, can_measure, known_before_the_look(run)), *evaluate]
    done, _ = find_results(run, run.read(schema.SPLIT), run.read(schema.SIGNIFICANCE))
    steps = []
    if template["has_windows"] and not {schema.OVERDISPERSION.name, schema.VALIDATION.name} <= set(done):
        steps.append(measure)
    steps += [
        (f"anomaly significance {command} --run {quoted}", what)
        for kind, command, what in (
            (schema.BUMP, "bump", "a second search, without the template: minutes"),
            (schema.LIMITS, "limits", "upper limits on the signal after each cut"),
        )
        if kind.name not in done and not (kind is schema.BUMP and template["mixes_sources"])
    ]
    if not steps and not run.exports.exists():
        steps = [(f"anomaly significance export --run {quoted}", "tables and likelihoods for others")]
    return [*steps, *evaluate, (f"anomaly inspect {shlex.quote(str(path))}", "what the file holds")]


def known_before_the_look(run: RunDirectory) -> set[str]:
    """Return the kinds of what has been measured and studied for the search that a run holds, and for its events."""
    from anomaly_cli.studies.limits import find_injection

    known = set()
    if run.has(schema.SENSITIVITY):
        inputs = run.read(schema.SENSITIVITY).provenance.inputs
        known = {kind.name for kind in (schema.VALIDATION, schema.OVERDISPERSION) if inputs[kind.name] != NOT_THERE}
    return known | ({schema.INJECTION.name} if find_injection(run, stored_identity(run).digest) else set())


def before_the_look(
    run: RunDirectory, measure: tuple[str, str], can_measure: bool, known: Collection[str]
) -> list[tuple[str, str]]:
    """Return what comes before the signal region is looked at, and the look once everything else is known.

    Args:
        run: the run.
        measure: the command that measures, and what it takes.
        can_measure: whether its method can be measured.
        known: kinds of what has been measured and studied.
    """
    quoted = run.quoted
    if can_measure and not {schema.VALIDATION.name, schema.OVERDISPERSION.name} <= set(known):
        return [measure]
    steps = []
    if can_measure and schema.INJECTION.name not in known:
        study = f"anomaly significance inject-scan --run {quoted} --in-windows --signal signal.h5"
        steps.append((study, "what simulated signal would give, in signal-free windows"))
    if not (run.has(schema.TRUTH) or run.declarations.exists()):
        steps.append((f"anomaly significance declare --run {quoted}", "writes down what will be looked at"))
    return [*steps, (f"anomaly run --run {quoted} --unblind", "looks at the signal region, and records that")]


def run_and_say(asked: Asked, stages: Sequence[Stage[Analysis]]) -> RunDirectory:
    """Say what single stages take, run and log them, and say what was made."""
    refuse_other_directory(asked.directory)
    opened = Analysis.open(asked.directory, asked.config, overwrite=asked.overwrite)
    with show_progress_of(asked, outlook_with_words(opened, plan_single(opened, stages), asked.quiet)) as progress:
        analysis = opened.reporting(progress)
        outcomes = run_stages(analysis, stages)
    say_made(outcomes)
    return analysis.run


def say_made(outcomes: Sequence[Outcome]) -> None:
    """Say what was made and what was up to date."""
    for outcome in outcomes:
        say(f"{outcome.output}: {'written' if outcome.was_made else 'up to date, not made again'}")


def run_morph(asked: Asked, config: MorphConfig, from_model: Path | None) -> None:
    """Move one data set into another and print how well it went."""
    from anomaly_cli.artifacts.morph_schema import MORPH
    from anomaly_cli.artifacts.store import write_files
    from anomaly_cli.report.results.registry import report_on
    from anomaly_cli.stages.morph import MORPH_TRAINING, config_for_model, moving_stage, open_morph

    if from_model is not None:
        config = config_for_model(config, from_model)
    outcomes: list[Outcome] = []
    run = RunDirectory(asked.directory)
    try:
        with show_progress_of(asked) as progress:
            bench = open_morph(run.path, config, progress, asked.overwrite)
            for stage in (*(() if from_model else (MORPH_TRAINING,)), moving_stage(from_model)):
                outcomes.append(execute(stage, bench))
            write_files({run.path / MORPH_CONFIG_NAME: config.to_toml().encode()})
    finally:
        append_log(run, outcomes)
    say_made(outcomes)
    show(report_on(run.read(MORPH)), run.digests)
    say(f"Next: anomaly morph plot --output {run.quoted}")


def show_written(path: Path) -> None:
    """Say that a file was written."""
    say(f"{path}: written")
