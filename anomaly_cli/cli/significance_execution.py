"""Calls the stages of the significance suite and prints what they made; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.text import Text

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_split, read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.cli.execution import Maker, run_stages, show
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.report import significance as report
from anomaly_cli.report.contents import find_results
from anomaly_cli.report.exchange import export_run
from anomaly_cli.stages.blinding import is_blinded, unblind
from anomaly_cli.stages.bump import make_bump_hunt
from anomaly_cli.stages.calibrate import (
    calibration_jobs,
    injection_jobs,
    make_calibration,
    make_injection_study,
    run_single_job,
)
from anomaly_cli.stages.experiments import Job
from anomaly_cli.stages.frame import Resources, append_log
from anomaly_cli.stages.limits import make_limits
from anomaly_cli.stages.measurements import configured_digest
from anomaly_cli.stages.permutation import make_permutation, plan_permutation
from anomaly_cli.stages.scan_significance import make_global
from anomaly_cli.stages.significance import make_significance, plan_significance, read_scores, run_digest
from anomaly_cli.stages.validation import make_validation

Number = TypeVar("Number", int, float)
FAST_CLASSIFIER = {"folds": 3, "ensemble": 1}
FAST_METHOD = {"base_epochs": 2, "transport_epochs": 1}


def count(directory: Path, config: Config, overwrite: bool, quiet: bool, look: bool) -> None:
    """Count and print the tables."""
    _look(directory, look, lambda run, split: _count_digest(run, split, config))
    run = run_stages(directory, config, [make_significance], overwrite, quiet)
    _show_counts(run)


def _look(directory: Path, look: bool, find_digest: Callable[[RunDirectory, Artifact], str]) -> None:
    """Unblind, if asked, and say whose data are looked at; nothing is recorded before the artifacts are known to fit.

    Args:
        directory: of the run.
        look: whether to unblind.
        find_digest: returns the settings digest that is looked at, from artifacts that it has checked.
    """
    run = RunDirectory(directory)
    split = read_split(run)
    if look:
        unblind(run, split, find_digest(run, split))
    if split.groups["origin"]["has_truth"]:
        show(Text("Pseudo-data with truth labels: not blinded."))


def _count_digest(run: RunDirectory, split: Artifact, config: Config) -> str:
    plan = plan_significance(run, config, split, read_scores(run, split))
    return str(plan.provenance.settings["settings_digest"])


def _hunt_digest(run: RunDirectory, split: Artifact) -> str:
    return run_digest(split, read_template(run, split), read_scores(run, split))


def _permutation_digest(run: RunDirectory, split: Artifact, config: Config) -> str:
    plan = plan_permutation(run, config, split, read_template(run, split))
    return str(plan.provenance.settings["settings_digest"])


def _show_counts(run: RunDirectory) -> None:
    significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
    found, _ = find_results(run, read_split(run), significance)
    for part in report.significance_tables(significance, found.get(schema.CALIBRATION.name)):
        show(part)


def measure_closure(directory: Path, config: Config, overwrite: bool, quiet: bool) -> None:
    """Measure closure in validation windows, print it, and count again where that is allowed."""
    run = run_stages(directory, config, [make_validation], overwrite, quiet)
    for table in report.validation_tables(read_artifact(run.artifact(schema.VALIDATION), schema.VALIDATION)):
        show(table)
    _recount(run, config, quiet)


def measure_overdispersion(directory: Path, config: Config, overwrite: bool, quiet: bool, look: bool) -> None:
    """Permute labels, print the result, and count again where that is allowed."""
    _look(directory, look, lambda run, split: _permutation_digest(run, split, config))
    run = run_stages(directory, config, [make_permutation], overwrite, quiet)
    show(report.permutation_table(read_artifact(run.artifact(schema.PERMUTATION), schema.PERMUTATION)))
    _recount(run, config, quiet)


def _recount(run: RunDirectory, config: Config, quiet: bool) -> None:
    """Bring an existing count up to date with what has been measured."""
    split = read_split(run)
    if not run.artifact(schema.SIGNIFICANCE).exists() or is_blinded(run, split, configured_digest(split, config)):
        return
    run_stages(run.path, config, [make_significance], True, quiet)
    _show_counts(run)


def hunt(directory: Path, config: Config, overwrite: bool, quiet: bool, look: bool) -> None:
    """Run the bump hunt and print it."""
    _look(directory, look, _hunt_digest)
    run = run_stages(directory, config, [make_bump_hunt], overwrite, quiet)
    for part in report.bump_tables(read_artifact(run.artifact(schema.BUMP), schema.BUMP)):
        show(part)


def set_limits(directory: Path, config: Config, efficiencies: str | None, overwrite: bool, quiet: bool) -> None:
    """Set limits and print them."""
    given = _numbers("--signal-efficiencies", efficiencies, float) if efficiencies is not None else []
    run = run_stages(directory, config, [partial(make_limits, signal_efficiencies=given)], overwrite, quiet)
    for table in report.limits_tables(read_artifact(run.artifact(schema.LIMITS), schema.LIMITS)):
        show(table)


def globalise(
    directories: Sequence[Path], output: Path | None, asked: int | None, overwrite: bool, quiet: bool
) -> None:
    """Combine runs and print the global significance; without a seed of its own it has that of the runs."""
    target = output or RunDirectory(directories[0]).artifact(schema.GLOBAL)
    seed = read_split(RunDirectory(directories[0])).provenance.seed if asked is None else asked
    with show_progress(quiet) as progress:
        outcome = make_global(directories, seed, Resources(seed, 1, 1, progress), overwrite, target)
    show(Text(f"{target}: {'written' if outcome.was_made else 'up to date, not made again'}"))
    show(report.global_table(read_artifact(target, schema.GLOBAL)))


def run_calibration(
    directory: Path, config: Config, n_experiments: int, index: int | None, fast: bool, overwrite: bool, quiet: bool
) -> None:
    """Run the calibration, or one job of it."""
    used = _fast(config) if fast else config
    if index is not None:
        _single(directory, used, "calibration", calibration_jobs(n_experiments), index, quiet)
        return
    _study(directory, used, partial(make_calibration, n_experiments=n_experiments), overwrite, quiet)
    artifact = read_artifact(RunDirectory(directory).artifact(schema.CALIBRATION), schema.CALIBRATION)
    for table in report.calibration_tables(artifact):
        show(table)


def run_injection_study(
    directory: Path,
    config: Config,
    asked: tuple[str, int],
    index: int | None,
    fast: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Run the injection study, or one job of it."""
    used = _fast(config) if fast else config
    injected, n_experiments = _numbers("--injected", asked[0], int), asked[1]
    if index is not None:
        _single(directory, used, "injection", injection_jobs(injected, n_experiments), index, quiet)
        return
    make = partial(make_injection_study, injected=injected, n_experiments=n_experiments)
    _study(directory, used, make, overwrite, quiet)
    show(report.injection_table(read_artifact(RunDirectory(directory).artifact(schema.INJECTION), schema.INJECTION)))


def _study(directory: Path, config: Config, make: Maker | Callable[..., Any], overwrite: bool, quiet: bool) -> None:
    """Run a study without making its settings those of the run."""
    run = RunDirectory(directory)
    with show_progress(quiet) as progress:
        outcome = make(run, config, Resources(config.seed, config.threads, config.n_processes, progress), overwrite)
    append_log(run, [outcome])
    show(Text(f"{outcome.output}: {'written' if outcome.was_made else 'up to date, not made again'}"))


def _single(directory: Path, config: Config, folder: str, jobs: Sequence[Job], index: int, quiet: bool) -> None:
    with show_progress(quiet) as progress:
        resources = Resources(config.seed, config.threads, config.n_processes, progress)
        run_single_job(RunDirectory(directory), config, resources, folder, jobs, index)
    show(Text(f"{directory / folder}: job {index} of {len(jobs)} is done"))


def _fast(config: Config) -> Config:
    methods = {name: dict(values) for name, values in config.methods.items()}
    if config.template.method == "curtains_f4f":
        methods["curtains_f4f"] = {**methods.get("curtains_f4f", {}), **FAST_METHOD}
    return replace(config, classifier=replace(config.classifier, **FAST_CLASSIFIER), methods=methods)


def _numbers(option: str, text: str, kind: type[Number]) -> list[Number]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        example = "whole numbers; write it as 0,100,300" if kind is int else "numbers; write it as 0.3,0.1"
        raise ConfigError(f"{option} {text}: is not a list of {example}") from None


def export_results(directory: Path, output: Path | None, overwrite: bool) -> None:
    """Write the exports and say what they are."""
    for path in export_run(RunDirectory(directory), output, overwrite):
        show(Text(str(path)))
