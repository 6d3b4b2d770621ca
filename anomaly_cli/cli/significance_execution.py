"""Calls the stages of the significance suite and prints what they made; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import has_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.cli.asked import Asked
from anomaly_cli.cli.execution import next_steps, run_and_say, say_made, show_next
from anomaly_cli.cli.output import say, show
from anomaly_cli.cli.progress import show_progress_of
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import parse_window
from anomaly_cli.datasets.rootfiles import require_uproot
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report.contents import find_results
from anomaly_cli.report.disagreement import compare_searches
from anomaly_cli.report.exchange import export_run
from anomaly_cli.report.null_studies import doubt_without_signal
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.table import Message
from anomaly_cli.stages import roottrees
from anomaly_cli.stages.blinding import is_blinded, unblind
from anomaly_cli.stages.declaration import declare
from anomaly_cli.stages.frame import Analysis, Stage, append_log, execute
from anomaly_cli.stages.identity import configured_identity, stored_identity
from anomaly_cli.stages.measurements import find_measurements
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.studies.bump import BUMP
from anomaly_cli.studies.calibrate import calibration_stage, open_calibration
from anomaly_cli.studies.experiment_jobs import injection_jobs
from anomaly_cli.studies.experiments import run_single_job
from anomaly_cli.studies.global_significance import global_stage
from anomaly_cli.studies.inject import injection_stage, open_injection
from anomaly_cli.studies.limits import limits_stage
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.permutation import PERMUTATION
from anomaly_cli.studies.sensitivity import SENSITIVITY
from anomaly_cli.studies.windows import WINDOWS

Number = TypeVar("Number", int, float)
FAST_FOLDS = 3
FAST = {"base_epochs": 2, "transport_epochs": 1, "epochs": 2, "ensemble": 1}
"""Settings that make trainings short, by name."""


def count(asked: Asked, look: bool) -> None:
    """Count and print the tables."""
    _look(asked, look, _counted_digest)
    run = run_and_say(asked, [SIGNIFICANCE])
    _show_counts(run)
    if run.has(schema.CLOSURE):
        show_next(next_steps(run))


def _look(asked: Asked, look: bool, find_digest: Callable[[Analysis], str]) -> None:
    """Unblind, if asked, and say whose data are looked at.

    Nothing is recorded before the configuration can be used and the artifacts are known to fit.

    Args:
        asked: what was asked for.
        look: whether to unblind.
        find_digest: returns the digest of the settings that are looked at, from artifacts that it has checked.
    """
    analysis = Analysis.open(asked.directory, asked.config)
    if look:
        unblind(analysis.run, analysis.config, find_digest(analysis))
    if has_truth(analysis.run):
        say("Pseudo-data with truth labels: not blinded.")


def _counted_digest(analysis: Analysis) -> str:
    digest = stored_identity(analysis.run).digest
    find_measurements(analysis.run, analysis.config, digest)  # those that are named must be there
    return digest


def _stored_digest(analysis: Analysis) -> str:
    return stored_identity(analysis.run).digest


def _show_counts(run: RunDirectory) -> None:
    significance = run.read(schema.SIGNIFICANCE)
    found, _ = find_results(run, run.read(schema.SPLIT), significance)
    calibration = found.get(schema.CALIBRATION.name)
    if calibration is not None:
        parts = [*report_on(significance), *report_on(calibration)]
    else:
        doubt = doubt_without_signal(run.read(schema.TEMPLATE), run.read(schema.SCORES), significance)
        parts = [*report_on(significance), *([Message(doubt)] if doubt else [])]
    show(parts, run.digests)


def measure_closure(asked: Asked) -> None:
    """Measure closure in validation windows, print it, and count again where that is allowed."""
    run = run_and_say(asked, [WINDOWS])
    show(report_on(run.read(schema.VALIDATION)), run.digests)
    _recount(asked)


def measure_overdispersion(asked: Asked) -> None:
    """Do the pseudo-experiments, print what they measure, and count again where that is allowed."""
    run = run_and_say(asked, [OVERDISPERSION])
    show(report_on(run.read(schema.OVERDISPERSION)), run.digests)
    _recount(asked)


def permute_labels(asked: Asked, look: bool) -> None:
    """Permute labels and print the result."""
    _look(asked, look, _permuted_digest)
    run = run_and_say(asked, [PERMUTATION])
    show(report_on(run.read(schema.PERMUTATION)), run.digests)


def _permuted_digest(analysis: Analysis) -> str:
    PERMUTATION.refuse(analysis)
    return configured_identity(analysis).digest


def _recount(asked: Asked) -> None:
    """Bring an existing count up to date with what has been measured."""
    analysis = Analysis.open(asked.directory, asked.config)
    if not analysis.run.has(schema.SIGNIFICANCE) or is_blinded(analysis.run, configured_identity(analysis).digest):
        return
    _show_counts(run_and_say(replace(asked, overwrite=True), [SIGNIFICANCE]))


def hunt(asked: Asked, look: bool) -> None:
    """Run the bump hunt and print it."""
    _look(asked, look, _stored_digest)
    run = run_and_say(asked, [BUMP])
    bump = run.read(schema.BUMP)
    counted = compare_searches(run.read(schema.SIGNIFICANCE), bump) if run.has(schema.SIGNIFICANCE) else []
    show([*report_on(bump), *counted], run.digests)


def show_sensitivity(asked: Asked) -> None:
    """Say what the search can find."""
    run = run_and_say(asked, [SENSITIVITY])
    show(report_on(run.read(schema.SENSITIVITY)), run.digests)


def write_declaration(asked: Asked, note: str) -> None:
    """Declare what is going to be looked at, and say what was written down."""
    analysis = Analysis.open(asked.directory, asked.config)
    record = declare(analysis.run, analysis.config, _counted_digest(analysis), note)
    measured = [name for name, digest in record["measured"].items() if digest != NOT_THERE]
    details = (
        f"search {record['settings_digest'][:12]}, count {record['count'][:12]},"
        f" measured: {' and '.join(measured) or 'nothing yet'}",
        f"events were ranked {record['n_rankings']} times in this directory before",
        f"hash of the record: {record['hash']}",
    )
    show(Message(f"Declared on {record['time']} by {record['user']}, in {analysis.run.declarations}:", details=details))
    if has_truth(analysis.run):
        say("Pseudo-data with truth labels: not blinded, so that the declaration binds nobody.")
        return
    step = f"anomaly run --run {analysis.run.quoted} --unblind"
    show_next([(step, "looks at the signal region with these settings, and records that")])


def set_limits(asked: Asked, efficiencies: str | None) -> None:
    """Set limits and print them."""
    given = _numbers("--signal-efficiencies", efficiencies, float) if efficiencies is not None else []
    run = run_and_say(asked, [limits_stage(given)])
    show(report_on(run.read(schema.LIMITS)), run.digests)


def globalise(asked: Asked, directories: Sequence[Path], output: Path | None) -> None:
    """Combine runs and print the global significance; without a seed of its own it has that of the runs."""
    first = RunDirectory(directories[0])
    target = output or first.artifact(schema.GLOBAL)
    seed = asked.settings.get("seed", first.read(schema.SPLIT).provenance.seed)
    with show_progress_of(asked) as progress:
        analysis = Analysis.open(directories[0], Config(seed=seed, processes=1), progress, asked.overwrite)
        outcome = execute(global_stage(directories, target), analysis)
    say_made([outcome])
    show(report_on(analysis.run.read_file(target, schema.GLOBAL)), analysis.run.digests)


def run_calibration(asked: Asked, files: Sequence[Path], regions: Sequence[str], index: int | None, fast: bool) -> None:
    """Run the calibration, or one search of it."""
    config, windows = _fast(asked.config) if fast else asked.config, [parse_window(text) for text in regions]
    if index is None:
        _study(asked, config, partial(calibration_stage, files=files, regions=windows))
        return

    def run_one(analysis: Analysis) -> int:
        laboratory, source = open_calibration(analysis, files, windows)
        jobs = source.jobs()
        run_single_job(analysis, laboratory, jobs, index)
        return len(jobs)

    _single(asked, config, "calibration", index, run_one)


def run_injection_study(
    asked: Asked, numbers: str, n_experiments: int, index: int | None, fast: bool, in_windows: bool, signal: Path | None
) -> None:
    """Run the injection study, or one job of it."""
    config = _fast(asked.config) if fast else asked.config
    injected = _numbers("--injected", numbers, int)
    if index is None:
        study = partial(injection_stage, injected=injected, n_experiments=n_experiments)
        _study(asked, config, partial(study, in_windows=in_windows, signal=signal))
        return

    def run_one(analysis: Analysis) -> int:
        jobs = injection_jobs(injected, n_experiments)
        run_single_job(analysis, open_injection(analysis, jobs, in_windows, signal), jobs, index)
        return len(jobs)

    _single(asked, config, "injection", index, run_one)


def _study(asked: Asked, config: Config, prepare: Callable[[Analysis], Stage[Analysis]]) -> None:
    """Run a study without making its settings those of the run, and print its result."""
    with show_progress_of(asked) as progress:
        analysis = Analysis.open(asked.directory, config, progress, asked.overwrite)
        stage = prepare(analysis)
        outcome = execute(stage, analysis)
    append_log(analysis.run, [outcome])
    say_made([outcome])
    show(report_on(analysis.run.read(stage.kind)), analysis.run.digests)


def _single(asked: Asked, config: Config, folder: str, index: int, run_one: Callable[[Analysis], int]) -> None:
    """Run one job of a list, and say of how many."""
    with show_progress_of(asked) as progress:
        n = run_one(Analysis.open(asked.directory, config, progress))
    say(f"{asked.directory / folder}: job {index} of {n} is done")


def _fast(config: Config) -> Config:
    """Return the configuration with fewer folds, and with short trainings of the method and classifier it names."""
    method, family = config.template.method, config.classifier.name
    return replace(
        config,
        classifier=replace(config.classifier, folds=FAST_FOLDS),
        methods=_with(config.methods, method, METHODS.make(method, {})),
        classifiers=_with(config.classifiers, family, CLASSIFIERS.make(family, {})),
    )


def _with(settings: Mapping[str, Mapping[str, Any]], name: str, plugin: Any) -> dict[str, Mapping[str, Any]]:
    own = {field.name for field in fields(plugin)}
    fast = {setting: value for setting, value in FAST.items() if setting in own}
    return {**settings, name: {**settings.get(name, {}), **fast}}


def _numbers(option: str, text: str, kind: type[Number]) -> list[Number]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        example = "whole numbers; write it as 0,100,300" if kind is int else "numbers; write it as 0.3,0.1"
        raise ConfigError(f"{option} {text}: is not a list of {example}") from None


def export_results(asked: Asked, output: Path | None, with_events: bool) -> None:
    """Write the exports, the events where they are wanted, and say what they are."""
    run = RunDirectory(asked.directory)
    target = (output or run.exports) / roottrees.FILE
    if with_events:
        require_uproot(target)
    written = export_run(run, output, asked.overwrite)
    if with_events:
        roottrees.write_event_trees(run, target)
        written.append(target)
    for path in written:
        say(str(path))
