"""Results for others: CSV and LaTeX tables, HEPData records, and the likelihoods."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_workspaces
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, write_files
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.cells import AnyCell, Missing, plain
from anomaly_cli.report.contents import contents_of, find_results
from anomaly_cli.report.hs3 import to_hs3
from anomaly_cli.report.notation import COUNT, Format
from anomaly_cli.report.render import csv, latex
from anomaly_cli.report.table import Column, Priority, Table
from anomaly_cli.report.tables import rows_of

COUNTS = (
    *("background_efficiency", "n_observed", "n_expected", "uncertainty", "z", "z_claimable", "z_statistical"),
    *("p0", "z_asymptotic", "z_binomial", "template_uncertainty", "model_uncertainty", "n_windows"),
    *("correction", "closure_uncertainty", "overdispersion_measured", "overdispersion_error"),
)
"""Columns of the table of counts."""
BUMPS = (
    *("background_efficiency", "n_events", "signal_yield", "signal_error", "z_asymptotic", "p0_asymptotic", "p0"),
    *("p_value", "spurious_signal", "sculpting_p"),
)
"""Columns of the table of the bump hunt."""
GLOBALS = ("z_local", "p_global", "p_global_error", "z_global", "p_gross_vitells", "p_sidak", "n_effective")
"""Columns of the table of the global significance."""
CALIBRATIONS = ("background_efficiency", "mean", "mean_error", "std", "std_low", "std_high", "ks_p")
"""Columns of the table of the calibration, beside the type-I errors."""
NO_NUMBER = "-"
"""What stands where a number is not finite: not measured, or no limit."""
LIMIT_NAMES = ("expected_m2", "expected_m1", "expected", "expected_p1", "expected_p2")
ERRORS = {"n_expected": "uncertainty", "signal_yield": "signal_error", "p_global": "p_global_error"}
"""Columns that are given as the symmetric error of another in HEPData."""
DESCRIPTIONS = {
    "counts": "Observed and expected events after each cut on the classifier score, and local significances.",
    "limits": "95 % CLs upper limits on signal events after each cut: observed, and expected with its bands.",
    "strength": "95 % CLs upper limits on signal events before any cut; '-' where no strength studied is excluded.",
    "bump": "Bump hunt in the dijet mass after each cut: fitted signal, local significance, spurious signal.",
    "global": "Global significance of the largest local excess of the tests named.",
    "calibration": "Mean and standard deviation of signed Z without signal, and type-I errors with 68 % intervals.",
}


@dataclass(frozen=True)
class _Export:
    """Rows of a table, and in words which uncertainties its numbers contain."""

    rows: Sequence[Mapping[str, Any]]
    contents: str

    def table(self, name: str) -> Table:
        """Return it as a table, whose columns have the names that they have in artifacts."""
        shown = [_column(column, [plain(row[column]) for row in self.rows]) for column in self.rows[0]]
        contents = Column("contents", "contents", priority=Priority.DATA, holds=str)
        cells = tuple((*(_cell(row[column.name]) for column in shown), self.contents) for row in self.rows)
        return Table(name, "", (*shown, contents), cells, (self.contents,))


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
        files[target / "hepdata" / f"{name}.yaml"] = _dump(_hepdata_table(export, energy))
    files[target / "hepdata" / "submission.yaml"] = _submission(exports, region, energy, significance.digest)
    files |= _likelihoods(target, significance, results)
    write_files(files)
    return sorted(files)


def _exports(significance: Artifact, results: Mapping[str, Artifact]) -> dict[str, _Export]:
    exports = {"counts": _Export(_columns(significance, COUNTS), contents_of(significance))}
    for name, artifact in results.items():
        contents = contents_of(artifact) if name in DESCRIPTIONS else ""
        if name == "limits":
            for group in ("tests", "strength"):
                rows = [_limit_row(row) for row in rows_of(artifact.groups.get(group, {}))]
                if rows:
                    exports["limits" if group == "tests" else group] = _Export(rows, contents)
        elif name == "bump":
            exports[name] = _Export(_columns(artifact, BUMPS), contents)
        elif name == "global":
            exports[name] = _Export([_global_row(artifact)], contents)
        elif name == "calibration":
            exports[name] = _Export(_calibration_rows(artifact), contents)
    return exports


def _columns(artifact: Artifact, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows_of(artifact.groups["tests"])]


def _limit_row(row: dict[str, Any]) -> dict[str, Any]:
    expected = dict(zip(LIMIT_NAMES, row["expected"].tolist(), strict=True))
    named = {"by_toys": "toys" if row["by_toys"] else "asymptotic"} if "by_toys" in row else {}
    return {"background_efficiency": row["background_efficiency"], "observed": row["observed"], **expected, **named}


def _global_row(artifact: Artifact) -> dict[str, Any]:
    found, tests = artifact.groups["result"], rows_of(artifact.groups["tests"])
    best = {name: tests[int(found["test"])][name] for name in ("background_efficiency", "low", "high")}
    return {**best, "n_tests": len(tests), **{name: float(found[name]) for name in GLOBALS}}


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


def _likelihoods(target: Path, significance: Artifact, results: Mapping[str, Artifact]) -> dict[Path, bytes]:
    """Return the workspaces of all tests; as HS3 only those of the count, whose constraints it is tried with."""
    files = {}
    counts = [json.loads(str(text)) for text in significance.groups["tests"]["workspace"]]
    bumps = results["bump"].groups["tests"]["workspace"].tolist() if "bump" in results else []
    for workspace in [*counts, *(json.loads(str(text)) for text in bumps if text)]:
        name = f"{workspace['channels'][0]['name']}.json"
        files[target / "histfactory" / name] = json.dumps(workspace, indent=1).encode()
        if workspace in counts:
            files[target / "hs3-experimental" / name] = json.dumps(to_hs3(workspace), indent=1).encode()
    return files


def _plain(value: Any) -> Any:
    number = plain(value)
    return NO_NUMBER if isinstance(number, float) and not math.isfinite(number) else number


def _cell(value: Any) -> AnyCell:
    number = _plain(value)
    return Missing(NO_NUMBER) if number == NO_NUMBER else number


def _column(name: str, values: Sequence[Any]) -> Column:
    """Return the column of what is of one type, and of numbers of which some are not finite."""
    holds = type(values[0]) if isinstance(values[0], str | int) else float
    return Column(name, name, format=Format(".4g") if holds is float else COUNT, holds=holds)


def _hepdata_table(export: _Export, energy: float) -> dict[str, Any]:
    """Return a table as HEPData has it; `energy` is the centre-of-mass energy [GeV]."""
    rows, dependent = export.rows, []
    for name in (name for name in rows[0] if name not in ("background_efficiency", *ERRORS.values())):
        values = []
        for row in rows:
            value: dict[str, Any] = {"value": _plain(row[name])}
            error = _plain(row.get(ERRORS.get(name, ""), NO_NUMBER))
            if error != NO_NUMBER:
                value["errors"] = [{"symerror": error, "label": "total"}]
            values.append(value)
        qualifiers: list[dict[str, Any]] = [{"name": "contents", "value": export.contents}]
        qualifiers.append({"name": "SQRT(S)", "units": "GeV", "value": energy})
        dependent.append({"header": {"name": name}, "qualifiers": qualifiers, "values": values})
    efficiencies = [{"value": _plain(row["background_efficiency"])} for row in rows]
    independent = [{"header": {"name": "background_efficiency"}, "values": efficiencies}]
    return {"independent_variables": independent, "dependent_variables": dependent}


def _submission(exports: Mapping[str, _Export], region: str, energy: float, digest: str) -> bytes:
    head = {"comment": f"Resonant anomaly search, {region}; significance artifact {digest}."}
    documents = [
        {
            "name": name,
            "location": f"S{region[1:]}",
            "description": f"{DESCRIPTIONS[name]} Contents: {export.contents}.",
            "keywords": [{"name": "observables", "values": ["N"]}, {"name": "cmenergies", "values": [energy]}],
            "data_file": f"{name}.yaml",
        }
        for name, export in exports.items()
    ]
    text: str = yaml.safe_dump_all([head, *documents], sort_keys=False)
    return text.encode()


def _dump(value: Any) -> bytes:
    text: str = yaml.safe_dump(value, sort_keys=False)
    return text.encode()
