"""What `anomaly run` ends with: short tables, made from the artifacts alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_chain, check_workspaces
from anomaly_cli.artifacts.contents import read_regions, read_split, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.report.contents import find_results
from anomaly_cli.report.significance import result_tables, significance_tables
from anomaly_cli.report.tables import make_table, rows_of

NOT_CHECKED = (
    "Closure of the template was not measured: this method leaves no side-band event out to compare with, and there are"
    " no labels."
)
IN_WINDOWS = " Before unblinding, measure it in signal-free windows by 'anomaly closure --windows --overwrite'."
NO_WINDOWS = " Nor can this method be used in signal-free windows; compare its result with one of a method that can."
MOST_DIGITS = 6
WEAK_BASELINE = 0.55
"""A check that tells untouched side-bands no better than this proves no closure."""
WEAK_WORDS = (
    " Weak: a check that could hardly have found a difference, as it does not tell untouched side-bands either."
)
REGION_NAMES = {"sb1": "lower side-band", "sr": "signal region", "sb2": "upper side-band"}


def summarise_run(run: RunDirectory) -> RenderableType:
    """Return the tables of a finished run; without counts where the signal region is blinded."""
    split = read_split(run)
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE)
    closure = read_artifact(run.artifact(schema.CLOSURE), schema.CLOSURE)
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES)
    chain = [split, template, scores, closure]
    check_chain(chain)
    is_blinded = not run.artifact(schema.SIGNIFICANCE).exists()
    parts: list[RenderableType] = [_title(split, template), region_table(run, split, is_blinded)]
    if is_blinded:
        counting = f"'anomaly significance --unblind --run {run.path}' counts, and that is recorded."
        parts.append(Text(f"The signal region is blinded: {counting}", style="bold"))
    else:
        significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
        check_chain([*chain, significance])
        check_workspaces(run, significance)
        require_record(run, split, significance)
        parts += significance_tables(significance)
        results, others = find_results(run, split, significance)
        if schema.BUMP.name in results:
            check_workspaces(run, results[schema.BUMP.name])
        for result in results.values():
            if result.path.parent != run.path:
                parts.append(Text(f"From {result.path.parent}, a run with the same settings:", style="bold"))
            parts += result_tables(result)
        if others:
            names = ", ".join(run.artifact(kind).name for kind in others)
            parts.append(Text(f"Not shown, since it belongs to another count or to other settings: {names}."))
    blank = Text("")
    return Group(*(line for part in (*parts, closure_table(closure)) for line in (part, blank)))


def _title(split: Artifact, template: Artifact) -> Text:
    regions = read_regions(split)
    method, seed = template.provenance.settings["method"], template.provenance.seed
    is_true = "truth" in template.provenance.inputs
    name = f"{method} (truth)" if is_true else method
    title = Text(f"Signal region {regions.sr.text} TeV, template {name}, seed {seed}", style="bold")
    if is_true:
        title.append("\nThe template is true background: a benchmark, which no analysis has.", style="not bold")
    if split.groups["origin"]["has_truth"]:
        title.append("\nPseudo-data with truth labels: the signal region is not blinded.", style="not bold")
    return title


def region_table(run: RunDirectory, split: Artifact, is_blinded: bool = False) -> Table:
    """Return events per region and, where truth is known, the naive significance of the injected signal."""
    truth = read_truth(run, split)
    columns = ["region", "TeV", "events"] + (["of these signal (truth)", "naive S/sqrt(B) (truth)"] if truth else [])
    table = make_table("Events", columns)
    for name, window in read_regions(split).named().items():
        events = split.groups[name]["event_id"]
        row = [REGION_NAMES[name], window.text, "blinded" if is_blinded and name == "sr" else str(len(events))]
        if truth is not None:
            n_signal = int(truth.is_signal[events].sum())
            n_background = len(events) - n_signal
            ratio = n_signal / math.sqrt(n_background) if n_background else math.inf
            row += [str(n_signal), f"{ratio:.2f}" if name == "sr" else ""]
        table.add_row(*row)
    return table


def training_table(model: Artifact) -> RenderableType:
    """Return what each training of a template method came to; nothing for methods without."""
    rows = rows_of(model.groups["training"])
    table = make_table(
        "Training",
        ["part", "epochs", "best epoch", "validation loss before", "best"],
        "The best epoch is kept. Where it is 0, the part is as it began: a transport the identity, so that the scaling"
        " of the features alone makes the template.",
    )
    for part in dict.fromkeys(str(row["part"]) for row in rows):
        curve = {int(row["epoch"]): float(row["validation_loss"]) for row in rows if row["part"] == part}
        best = min(curve, key=lambda epoch: curve[epoch])
        table.add_row(part, str(max(curve)), str(best), f"{curve[min(curve)]:.4f}", f"{curve[best]:.4f}")
    return table if table.row_count else Text("")


def closure_table(closure: Artifact) -> RenderableType:
    """Return the closure figures."""
    rows = rows_of(closure.groups["checks"])
    if not rows:
        advice = IN_WINDOWS if closure.groups["counts"]["has_windows"] else NO_WINDOWS
        return Text(NOT_CHECKED + advice, style="bold")
    has_weak = any(row["baseline_auc"] < WEAK_BASELINE for row in rows)
    table = make_table(
        "Closure of the template",
        ["compared with", "AUC (0.5 is perfect)", "untouched side-bands"],
        f"AUC of boosted trees that try to tell the template from background.{WEAK_WORDS if has_weak else ''}",
    )
    for row in rows:
        name = f"{row['check']} (truth)" if row["uses_truth"] else str(row["check"])
        weak = ", weak" if row["baseline_auc"] < WEAK_BASELINE else ""
        table.add_row(name, f"{row['auc']:.4f} +- {row['auc_error']:.4f}", f"{row['baseline_auc']:.4f}{weak}")
    return table


def distance_tables(closure: Artifact, is_blinded: bool = False) -> RenderableType:
    """Return the distances between template and background, beside those of untouched side-band events."""
    rows = rows_of(closure.groups["distances"])
    if not len(rows):
        return Text("")
    tables: list[RenderableType] = []
    for check in dict.fromkeys(str(row["check"]) for row in rows):
        columns = ["points", "W, worst", "W, sliced", "correlation", "FPD", "KPD"]
        table = make_table(f"Distances from {check}", columns)
        for row in (row for row in rows if str(row["check"]) == check):
            table.add_row(
                str(row["points"]),
                f"{np.max(row['wasserstein']):.3f}",
                f"{row['sliced_wasserstein']:.3f}",
                f"{row['correlation']:.3f}",
                _with_error(row["fpd"], row["fpd_error"]),
                _with_error(row["kpd"], row["kpd_error"]),
            )
        tables.append(table)
    return Group(Text(""), *tables, Text(_distance_words(closure.groups["counts"], is_blinded)))


def _with_error(value: float, error: float) -> str:
    """Return a value with two digits of its error, in units of the last digit, in brackets."""
    if not math.isfinite(value):
        return "too few"
    if not 0.0 < error < math.inf:
        return f"{value:.3g}"
    digits = min(max(0, 1 - math.floor(math.log10(float(f"{error:.1e}")))), MOST_DIGITS)
    return f"{value:.{digits}f}({10**digits * error:.0f})"


def _distance_words(counts: Mapping[str, Any], is_blinded: bool) -> str:
    size = f"{counts['n_template']} template events from {counts['n_sources']:.0f} independent ones. "
    training, template = 100 * counts["clipped_training"], 100 * counts["clipped_template"]
    return (
        f"{'' if is_blinded else size}W: Wasserstein distance of the worst feature, and sliced, in standard deviations;"
        " FPD is in their square, errors of the last digits in brackets. Correlation: the largest difference. FPD and"
        " KPD scatter about 0 where there is no difference. In the side-bands the AUC sees how features go with mjj as"
        " well, the distances do not."
        f" At most {training:.2f} % of a feature lie outside the spline range in training, {template:.2f} % are held at"
        " the edge of its range in the template."
    )


def evaluation_table(evaluation: Artifact) -> Table:
    """Return the significance improvement per method and background efficiency."""
    counts = evaluation.groups["counts"]
    table = make_table(
        "Significance improvement (truth)",
        ["template", "background efficiency", "signal efficiency", "SIC"],
        f"On {int(counts['n_background'])} reference background and {int(counts['n_signal'])} unused signal events."
        " Errors are of these test events alone; another seed trains on other events, and differs by more.",
    )
    for row in rows_of(evaluation.groups["sic"]):
        table.add_row(
            str(row["method"]),
            f"{100 * row['background_efficiency']:g} %",
            f"{row['signal_efficiency']:.4f}",
            f"{row['sic']:.2f} +- {row['sic_error']:.2f}" if math.isfinite(row["sic_error"]) else f"{row['sic']:.2f}",
        )
    return table


def cutflow_table(split: Artifact, is_blinded: bool = False) -> Table:
    """Return how many events each step of the split left; while blinded without the last, which counts the windows."""
    table = make_table("Cutflow", ["step", "events left"])
    rows = rows_of(split.groups["cutflow"])
    for row in rows[:-1] if is_blinded else rows:
        table.add_row(str(row["step"]), str(row["n_events"]))
    return table
