"""Results for others: CSV and LaTeX tables, HEPData records, and the likelihoods."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_workspaces
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, write_files
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.core.errors import AnomalyWarning, ArtifactError
from anomaly_cli.report import hepdata
from anomaly_cli.report.cells import AnyCell, Measured, Missing, plain
from anomaly_cli.report.contents import contents_of, find_results
from anomaly_cli.report.likelihoods import find_likelihoods, likelihood_files
from anomaly_cli.report.notation import COUNT, ROUNDED, fixed
from anomaly_cli.report.render import csv, latex
from anomaly_cli.report.results.significance import largest_of
from anomaly_cli.report.table import Column, Priority, Table
from anomaly_cli.report.tables import rows_of

COUNTS = (
    *("background_efficiency", "n_observed", "n_expected", "uncertainty", "z", "z_claimable", "z_statistical"),
    *("p0", "p0_error", "z_asymptotic", "z_binomial", "template_uncertainty", "model_uncertainty"),
    *(
        "correction",
        "closure_uncertainty",
        "overdispersion_measured",
        "overdispersion_error",
        "n_windows",
        "n_experiments",
    ),
)
"""Columns of the table of counts."""
SYSTEMATICS = ("name", "on", "up", "down", "cost", "parameter")
"""Columns of the table of the user's systematics, beside the cut."""
BUMPS = (
    *("background_efficiency", "n_events", "signal_yield", "signal_error", "z", "z_asymptotic", "p0", "p0_error"),
    *("overdispersion", "p_value", "p_value_with_signal", "spurious_signal", "sculpting_p"),
)
"""Columns of the table of the bump hunt."""
GLOBALS = ("z_local", "p_global", "p_global_error", "z_global", "p_gross_vitells", "p_sidak", "n_effective")
"""Columns of the table of the global significance."""
CALIBRATIONS = ("background_efficiency", "mean", "mean_error", "std", "std_low", "std_high", "ks_p")
"""Columns of the table of the calibration, beside the type-I errors."""
NO_NUMBER = "-"
"""What stands where a number is not finite: not measured, or no limit."""
LIMIT_NAMES = ("expected_m2", "expected_m1", "expected", "expected_p1", "expected_p2")
ERRORS = {
    **{"n_expected": "uncertainty", "signal_yield": "signal_error", "p_global": "p_global_error", "p0": "p0_error"},
    **{"overdispersion_measured": "overdispersion_error", "mean": "mean_error"},
}
"""Columns whose symmetric uncertainty another one is."""
INDEPENDENT = ("significance", "background_efficiency", "name")
"""Columns that say what a row is for."""
UNITS = {"low": "GeV", "high": "GeV", "mass": "GeV", "width": "GeV"}
WORDS = {
    "n_windows": "validation windows",
    "n_experiments": "pseudo-experiments for the over-dispersion",
    "n_permutations": "label permutations",
    "n_toys": "pseudo-experiments per p-value",
    "n_calibrations": "searches without signal",
}
"""Numbers that every table states, and what they count."""
DESCRIPTIONS = {
    "counts": "Observed and expected events after each cut on the classifier score, and local significances.",
    "systematics": "Systematic uncertainties of each cut: shifts at +-1 standard deviation, and their cost in Z.",
    "limits": "95 % CLs upper limits on signal events after each cut: observed, and expected with its bands.",
    "strength": "95 % CLs upper limits on signal events before any cut; '-' where no strength studied is excluded.",
    "bump": "Bump hunt in the dijet mass after each cut: fitted signal, local significance, spurious signal.",
    "global": "Global significance of the largest local excess of the tests, by Z and by claimable Z.",
    "calibration": "Mean and standard deviation of signed Z without signal, and type-I errors with 68 % intervals.",
}


@dataclass(frozen=True)
class _Export:
    """Rows of a table, and which uncertainties its numbers contain.

    Attributes:
        rows: by the names of the artifact's columns.
        contents: which uncertainties they contain, in words.
        numbers: how many windows, pseudo-experiments and permutations stand behind them, by the keys of `WORDS`.
    """

    rows: Sequence[Mapping[str, Any]]
    contents: str
    numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Columns that are no other's uncertainty."""
        errors = {error for value, error in ERRORS.items() if value in self.rows[0]}
        return [name for name in self.rows[0] if name not in errors]

    @property
    def stated(self) -> str:
        """The numbers in words."""
        own = {name: max(int(row[name]) for row in self.rows) for name in WORDS if name in self.rows[0]}
        return ", ".join(f"{WORDS[name]}: {number or 'none'}" for name, number in {**own, **self.numbers}.items())

    def error(self, name: str) -> list[Any] | None:
        """Return the uncertainties of a column, where it has any."""
        error = ERRORS.get(name, "")
        return [_plain(row[error]) for row in self.rows] if error in self.rows[0] else None

    def table(self, name: str) -> Table:
        """Return it as a table, whose columns have the names that they have in artifacts."""
        errors = {column: self.error(column) for column in self.names}
        shown = [_column(column, [plain(row[column]) for row in self.rows], errors[column]) for column in self.names]
        contents = Column("contents", "contents", priority=Priority.DATA, holds=str)
        numbers = [Column(key, WORDS[key], priority=Priority.DATA, holds=int) for key in self.numbers]
        cells = tuple(
            (*(_cell(row[c.name], errors[c.name], at) for c in shown), self.contents, *self.numbers.values())
            for at, row in enumerate(self.rows)
        )
        notes = tuple(filter(None, (self.contents, self.stated)))
        return Table(name, "", (*shown, contents, *numbers), cells, notes)

    def data(self, name: str, region: str, likelihoods: Sequence[str]) -> hepdata.DataTable:
        """Return it as a table of HEPData."""
        quantities = {
            column: hepdata.Quantity(
                column,
                [_plain(row[column]) for row in self.rows],
                UNITS.get(column, ""),
                {"total": [None if e == NO_NUMBER else e for e in errors]} if (errors := self.error(column)) else {},
            )
            for column in self.names
        }
        independent = [column for column in INDEPENDENT if column in quantities]
        stated = {WORDS[key]: number for key, number in self.numbers.items()}
        return hepdata.DataTable(
            name,
            f"{DESCRIPTIONS[name]} Contents: {self.contents}.",
            [quantities[column] for column in independent],
            [quantity for column, quantity in quantities.items() if column not in independent],
            {"contents": self.contents, "signal region": (region, "TeV"), **stated},
            likelihoods,
        )


def export_run(run: RunDirectory, output: Path | None, overwrite: bool) -> list[Path]:
    """Write the results of a run for others, and return the paths.

    Args:
        run: a run that has been counted.
        output: directory; `exports` in the run directory by default.
        overwrite: whether earlier exports may be replaced.

    Raises:
        ArtifactError: where nothing has been counted, a result belongs to another count, or the directory holds files
            or cannot be made.
    """
    target = output or run.exports
    if target.exists() and not target.is_dir():
        raise ArtifactError(f"{target}: is no directory; name another with --output")
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise ArtifactError(f"{target}: holds files already; pass --overwrite or name another directory with --output")
    split, significance = run.read(schema.SPLIT), run.read(schema.SIGNIFICANCE)
    check_workspaces(run, significance)
    require_record(run, split, significance)
    results, others = find_results(run, split, significance)
    for kind in others:
        if kind in (schema.LIMITS, schema.BUMP, schema.GLOBAL):
            raise ArtifactError(
                f"{run.artifact(kind)}: belongs to another count; run '{kind.made_by} --overwrite', or move it away"
            )
    if schema.BUMP.name in results:
        check_workspaces(run, results[schema.BUMP.name])
    exports, regions = _exports(significance, results), read_regions(split)
    energy = regions.collision_energy
    region = f"signal region {regions.sr.text} TeV, sqrt(s) = {energy / 1000:g} TeV"
    files: dict[Path, bytes] = {}
    for name, export in exports.items():
        table = export.table(name)
        files[target / f"{name}.csv"] = csv.render_table(table).encode()
        files[target / f"{name}.tex"] = f"% {region}\n{latex.render_table(table)}".encode()
    hunted = {schema.BUMP.name: results[schema.BUMP.name]} if schema.BUMP.name in results else {}
    said = {name: f"{export.contents}; {export.stated}" for name, export in exports.items()}
    likelihoods = find_likelihoods({"counts": significance, **hunted}, said)
    for path, content in likelihood_files(likelihoods).items():
        files[target / path] = content
    if hepdata.INSTALLED:
        tables = [
            export.data(name, regions.sr.text, [one.file for one in likelihoods if one.table == name])
            for name, export in exports.items()
        ]
        attached = {one.file: (one.description, one.content) for one in likelihoods}
        comment = f"Resonant anomaly search, {region}; significance artifact {significance.digest}."
        made = hepdata.submission_files(tables, comment, f"S{region[1:]}", energy, attached)
        files |= {target / "hepdata" / name: content for name, content in made.items()}
    else:
        warnings.warn(hepdata.ADVICE, AnomalyWarning, stacklevel=2)
    write_files(files)
    return sorted(files)


def _exports(significance: Artifact, results: Mapping[str, Artifact]) -> dict[str, _Export]:
    numbers = _numbers(significance, results)
    of_counts = {name: number for name, number in numbers.items() if name not in COUNTS}
    counts = [row if row["n_windows"] else {**row, "z_claimable": math.nan} for row in _columns(significance, COUNTS)]
    exports = {"counts": _Export(counts, contents_of(significance), of_counts)}
    if "systematics" in significance.groups:
        rows = _systematic_rows(significance)
        exports["systematics"] = _Export(rows, contents_of(significance), numbers)
    for name, artifact in results.items():
        contents = contents_of(artifact) if name in DESCRIPTIONS else ""
        if name == "limits":
            for group in ("tests", "strength"):
                rows = [_limit_row(row) for row in rows_of(artifact.groups.get(group, {}))]
                if rows:
                    exports["limits" if group == "tests" else group] = _Export(rows, contents, numbers)
        elif name == "bump":
            own = {**numbers, "n_toys": int(artifact.provenance.settings.get("toys", 0))}
            exports[name] = _Export(_columns(artifact, BUMPS), contents, own)
        elif name == "global":
            exports[name] = _Export(_global_rows(artifact), contents, numbers)
        elif name == "calibration":
            own = {**numbers, "n_calibrations": len(artifact.groups["experiments"]["z"])}
            exports[name] = _Export(_calibration_rows(artifact), contents, own)
    return exports


def _numbers(significance: Artifact, results: Mapping[str, Artifact]) -> dict[str, int]:
    """Return how many windows, pseudo-experiments and permutations are behind a count, 0 for none."""
    tests, permutation = significance.groups["tests"], results.get(schema.PERMUTATION.name)
    return {
        **{name: int(tests[name].max(initial=0)) for name in ("n_windows", "n_experiments")},
        "n_permutations": 0 if permutation is None else len(permutation.groups["permutations"]["z"]),
        "n_toys": int(significance.provenance.settings.get("toys", 0)),
    }


def _systematic_rows(significance: Artifact) -> list[dict[str, Any]]:
    cuts = significance.groups["tests"]["background_efficiency"]
    return [
        {"background_efficiency": cuts[row["test"]], **{name: row[name] for name in SYSTEMATICS}}
        for row in rows_of(significance.groups["systematics"])
    ]


def _columns(artifact: Artifact, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows_of(artifact.groups["tests"])]


def _limit_row(row: dict[str, Any]) -> dict[str, Any]:
    expected = dict(zip(LIMIT_NAMES, row["expected"].tolist(), strict=True))
    named = {"calculation": "toys" if row["by_toys"] else "asymptotic"} if "by_toys" in row else {}
    return {"background_efficiency": row["background_efficiency"], "observed": row["observed"], **expected, **named}


def _global_rows(artifact: Artifact) -> list[dict[str, Any]]:
    """Return one row for the largest Z and, where windows tell, one for the largest claimable Z."""
    tests, rows = rows_of(artifact.groups["tests"]), []
    for found in largest_of(artifact, ("result", "claimable")):
        at = {name: tests[int(found["test"])][name] for name in ("background_efficiency", "low", "high")}
        numbers = {name: float(found[name]) for name in GLOBALS}
        rows.append({"significance": found["of"], **at, "n_tests": len(tests), **numbers})
    return rows


def _calibration_rows(artifact: Artifact) -> list[dict[str, Any]]:
    levels = artifact.groups["levels"]["level"].tolist()
    rows = []
    for row in rows_of(artifact.groups["tests"]):
        errors = {
            f"{name}_{level:g}": row[name][index]
            for index, level in enumerate(levels)
            for name in ("type_one", "type_one_low", "type_one_high")
        }
        rows.append({**{name: row[name] for name in CALIBRATIONS}, **errors})
    return rows


def _plain(value: Any) -> Any:
    number = plain(value)
    return NO_NUMBER if isinstance(number, float) and not math.isfinite(number) else number


def _cell(value: Any, errors: Sequence[Any] | None = None, at: int = 0) -> AnyCell:
    number = _plain(value)
    if number == NO_NUMBER:
        return Missing(NO_NUMBER)
    return number if errors is None or errors[at] == NO_NUMBER else Measured(float(number), float(errors[at]))


def _column(name: str, values: Sequence[Any], errors: Sequence[Any] | None = None) -> Column:
    """Return the column of what is of one type, and of numbers of which some are not finite or have an uncertainty."""
    if errors is not None:
        return Column(name, name, UNITS.get(name, ""), format=ROUNDED, holds=Measured)
    holds = type(values[0]) if isinstance(values[0], str | int) else float
    of_numbers = fixed(2) if name.partition("_")[0] == "z" else ROUNDED
    return Column(name, name, UNITS.get(name, ""), format=of_numbers if holds is float else COUNT, holds=holds)
