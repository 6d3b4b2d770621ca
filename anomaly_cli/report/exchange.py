"""Results for others: CSV and LaTeX tables, HEPData records, and the likelihoods."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_artifact, write_files
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.hs3 import to_hs3
from anomaly_cli.report.tables import rows_of

COUNTS = ("background_efficiency", "n_observed", "n_expected", "uncertainty", "z", "p0", "z_asymptotic", "z_binomial")
"""Columns of the table of counts."""
LIMIT_NAMES = ("expected_m2", "expected_m1", "expected", "expected_p1", "expected_p2")


def export_run(run: RunDirectory, output: Path | None, overwrite: bool) -> list[Path]:
    """Write the results of a run for others, and return the paths.

    Args:
        run: a run that has been counted.
        output: directory; `exports` in the run directory by default.
        overwrite: whether earlier exports may be replaced.

    Raises:
        ArtifactError: where nothing has been counted, or the directory holds files.
    """
    target = output or run.exports
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise ArtifactError(f"{target}: holds files already; pass --overwrite or name another directory with --output")
    split = read_split(run)
    significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
    require_record(run, split, significance)
    tables = {"counts": [{key: row[key] for key in COUNTS} for row in rows_of(significance.groups["tests"])]}
    if run.artifact(schema.LIMITS).exists():
        limits = read_artifact(run.artifact(schema.LIMITS), schema.LIMITS)
        if limits.provenance.inputs["significance"] != significance.digest:
            raise ArtifactError(
                f"{limits.path}: belongs to another count; run 'anomaly significance limits --overwrite'"
            )
        tables["limits"] = [_limit_row(row) for row in rows_of(limits.groups["tests"])]
        if "strength" in limits.groups:
            tables["strength"] = [_limit_row(row) for row in rows_of(limits.groups["strength"])]
    region = read_regions(split).sr.text
    files: dict[Path, bytes] = {}
    for name, rows in tables.items():
        files[target / f"{name}.csv"] = _csv(rows)
        files[target / f"{name}.tex"] = _latex(rows, region)
        files[target / "hepdata" / f"{name}.yaml"] = _dump(_hepdata_table(rows))
    files[target / "hepdata" / "submission.yaml"] = _submission(tables, region, significance.digest)
    for row in rows_of(significance.groups["tests"]):
        workspace = json.loads(str(row["workspace"]))
        name = workspace["channels"][0]["name"]
        files[target / "histfactory" / f"{name}.json"] = json.dumps(workspace, indent=1).encode()
        files[target / "hs3-experimental" / f"{name}.json"] = json.dumps(to_hs3(workspace), indent=1).encode()
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_files(files)
    return sorted(files)


def _limit_row(row: dict[str, Any]) -> dict[str, Any]:
    expected = dict(zip(LIMIT_NAMES, row["expected"].tolist(), strict=True))
    return {"background_efficiency": row["background_efficiency"], "observed": row["observed"], **expected}


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return "-" if isinstance(number, float) and not math.isfinite(number) else number


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_plain(value) for value in row.values()] for row in rows)
    return text.getvalue().encode()


def _latex(rows: Sequence[Mapping[str, Any]], region: str) -> bytes:
    head = " & ".join(name.replace("_", r"\_") for name in rows[0])
    lines = [f"% signal region {region} TeV", rf"\begin{{tabular}}{{{'r' * len(rows[0])}}}", r"\hline", head + r" \\"]
    lines += [r"\hline", *(" & ".join(_latex_number(v) for v in row.values()) + r" \\" for row in rows), r"\hline"]
    return "\n".join([*lines, r"\end{tabular}", ""]).encode()


def _latex_number(value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, float):
        mantissa, _, exponent = f"{plain:.4g}".partition("e")
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"
    return str(plain)


def _hepdata_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [name for name in rows[0] if name not in ("background_efficiency", "uncertainty")]
    dependent = []
    for name in names:
        values = []
        for row in rows:
            value: dict[str, Any] = {"value": _plain(row[name])}
            if name == "n_expected":
                value["errors"] = [{"symerror": _plain(row["uncertainty"]), "label": "total"}]
            values.append(value)
        dependent.append({"header": {"name": name}, "values": values})
    efficiencies = [{"value": _plain(row["background_efficiency"])} for row in rows]
    independent = [{"header": {"name": "background_efficiency"}, "values": efficiencies}]
    return {"independent_variables": independent, "dependent_variables": dependent}


def _submission(tables: Mapping[str, Any], region: str, digest: str) -> bytes:
    head = {"comment": f"Resonant anomaly search, signal region {region} TeV; significance artifact {digest}."}
    descriptions = {
        "counts": "Observed and expected events after each cut on the classifier score, and local significances.",
        "limits": "95 % CLs upper limits on signal events after each cut: observed, and expected with its bands.",
        "strength": "95 % CLs upper limits on signal events before any cut; '-' where no strength studied is excluded.",
    }
    documents = [
        {
            "name": name,
            "location": f"Signal region {region} TeV",
            "description": descriptions[name],
            "keywords": [{"name": "observables", "values": ["N"]}],
            "data_file": f"{name}.yaml",
        }
        for name in tables
    ]
    text: str = yaml.safe_dump_all([head, *documents], sort_keys=False)
    return text.encode()


def _dump(value: Any) -> bytes:
    text: str = yaml.safe_dump(value, sort_keys=False)
    return text.encode()
