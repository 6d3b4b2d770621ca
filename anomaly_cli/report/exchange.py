"""Results for others: CSV and LaTeX tables, HEPData records, and the likelihoods."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_chain, check_workspaces, read_between
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact, write_files
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.contents import contents_of, find_results
from anomaly_cli.report.hs3 import to_hs3
from anomaly_cli.report.tables import rows_of

COUNTS = (
    *("background_efficiency", "n_observed", "n_expected", "uncertainty", "z", "p0", "z_asymptotic", "z_binomial"),
    *("closure_uncertainty", "overdispersion_measured", "overdispersion_error"),
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
class _Table:
    """Rows of a table, and in words which uncertainties its numbers contain."""

    rows: Sequence[Mapping[str, Any]]
    contents: str


def export_run(run: RunDirectory, output: Path | None, overwrite: bool) -> list[Path]:
    """Write the results of a run for others, and return the paths.

    Args:
        run: a run that has been counted.
        output: directory; `exports` in the run directory by default.
        overwrite: whether earlier exports may be replaced.

    Raises:
        ArtifactError: where nothing has been counted, files of different runs lie beside each other, a result belongs
            to another count, or the directory holds files or cannot be made.
    """
    target = output or run.exports
    if target.exists() and not target.is_dir():
        raise ArtifactError(f"{target}: is no directory; name another with --output")
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise ArtifactError(f"{target}: holds files already; pass --overwrite or name another directory with --output")
    split = read_split(run)
    significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
    check_chain([split, *read_between(run), significance])
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
    tables, region = _tables(significance, results), read_regions(split).sr.text
    files: dict[Path, bytes] = {}
    for name, table in tables.items():
        files[target / f"{name}.csv"] = _csv(table)
        files[target / f"{name}.tex"] = _latex(table, region)
        files[target / "hepdata" / f"{name}.yaml"] = _dump(_hepdata_table(table))
    files[target / "hepdata" / "submission.yaml"] = _submission(tables, region, significance.digest)
    files |= _likelihoods(target, significance, results)
    write_files(files)
    return sorted(files)


def _tables(significance: Artifact, results: Mapping[str, Artifact]) -> dict[str, _Table]:
    tables = {"counts": _Table(_columns(significance, COUNTS), contents_of(significance))}
    for name, artifact in results.items():
        contents = contents_of(artifact) if name in DESCRIPTIONS else ""
        if name == "limits":
            for group in ("tests", "strength"):
                rows = [_limit_row(row) for row in rows_of(artifact.groups.get(group, {}))]
                if rows:
                    tables["limits" if group == "tests" else group] = _Table(rows, contents)
        elif name == "bump":
            tables[name] = _Table(_columns(artifact, BUMPS), contents)
        elif name == "global":
            tables[name] = _Table([_global_row(artifact)], contents)
        elif name == "calibration":
            tables[name] = _Table(_calibration_rows(artifact), contents)
    return tables


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
    number = value.item() if hasattr(value, "item") else value
    return "-" if isinstance(number, float) and not math.isfinite(number) else number


def _csv(table: _Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.rows[0], "contents"])
    writer.writerows([*(_plain(value) for value in row.values()), table.contents] for row in table.rows)
    return text.getvalue().encode()


def _latex(table: _Table, region: str) -> bytes:
    names = list(table.rows[0])
    head = " & ".join(name.replace("_", r"\_") for name in names)
    lines = [f"% signal region {region} TeV", rf"\begin{{tabular}}{{{'r' * len(names)}}}", r"\hline", head + r" \\"]
    rows = [" & ".join(_latex_number(v) for v in row.values()) + r" \\" for row in table.rows]
    foot = rf"\multicolumn{{{len(names)}}}{{l}}{{{table.contents}}} \\"
    return "\n".join([*lines, r"\hline", *rows, r"\hline", foot, r"\end{tabular}", ""]).encode()


def _latex_number(value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, float):
        mantissa, _, exponent = f"{plain:.4g}".partition("e")
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"
    return str(plain)


def _hepdata_table(table: _Table) -> dict[str, Any]:
    rows, dependent = table.rows, []
    for name in (name for name in rows[0] if name not in ("background_efficiency", *ERRORS.values())):
        values = []
        for row in rows:
            value: dict[str, Any] = {"value": _plain(row[name])}
            error = _plain(row.get(ERRORS.get(name, ""), "-"))
            if error != "-":
                value["errors"] = [{"symerror": error, "label": "total"}]
            values.append(value)
        qualifiers = [{"name": "contents", "value": table.contents}]
        dependent.append({"header": {"name": name}, "qualifiers": qualifiers, "values": values})
    efficiencies = [{"value": _plain(row["background_efficiency"])} for row in rows]
    independent = [{"header": {"name": "background_efficiency"}, "values": efficiencies}]
    return {"independent_variables": independent, "dependent_variables": dependent}


def _submission(tables: Mapping[str, _Table], region: str, digest: str) -> bytes:
    head = {"comment": f"Resonant anomaly search, signal region {region} TeV; significance artifact {digest}."}
    documents = [
        {
            "name": name,
            "location": f"Signal region {region} TeV",
            "description": f"{DESCRIPTIONS[name]} Contents: {table.contents}.",
            "keywords": [{"name": "observables", "values": ["N"]}],
            "data_file": f"{name}.yaml",
        }
        for name, table in tables.items()
    ]
    text: str = yaml.safe_dump_all([head, *documents], sort_keys=False)
    return text.encode()


def _dump(value: Any) -> bytes:
    text: str = yaml.safe_dump(value, sort_keys=False)
    return text.encode()
