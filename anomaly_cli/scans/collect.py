"""All results of a scan in one artifact, with the look-elsewhere effect over everything that was scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from anomaly_cli.analysis.lookelsewhere import SelectedEvents, global_p_value, overlap_correlation
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.scan_kinds import SCAN, SCAN_POINT
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import parse_window
from anomaly_cli.scans.manifest import Manifest, Point, ScanDirectory
from anomaly_cli.scans.status import finished_points

STAGE, VERSION = "scan", 1
MOST_TEMPLATE_EVENTS = 10**10
"""More template events than one point ever has: keys of different points never meet."""
EVERYTHING = "all"


@dataclass(frozen=True)
class _Found:
    """A point, its result if there is one, and the rows of its tests in the table of all tests."""

    point: Point
    result: Artifact | None
    rows: range

    @property
    def state(self) -> str:
        if self.result is None:
            return "missing"
        if not self.result.groups["outcome"]["is_done"]:
            return "failed"
        return "done" if "tests" in self.result.groups else "blinded"


def collect_scan(scan: ScanDirectory, manifest: Manifest) -> Artifact | None:
    """Write and return the artifact of all results that are there, or nothing where there are none.

    Raises:
        ArtifactError: where it cannot be written.
    """
    results = {point.key: result for point, result in finished_points(scan, manifest)}
    if not results:
        return None
    found, n_rows = [], 0
    for point in manifest.points:
        result = results.get(point.key)
        n_tests = len(result.groups["tests"]["z"]) if result is not None and "tests" in result.groups else 0
        found.append(_Found(point, result, range(n_rows, n_rows + n_tests)))
        n_rows += n_tests
    inputs = {item.point.output: item.result.digest for item in found if item.result is not None}
    provenance = Provenance(STAGE, VERSION, {}, manifest.scan.grid.first_seed, inputs)
    groups = {"points": _points(found), "tests": _tests(found), "global": _global(found)}
    write_artifact(scan.result, SCAN, groups, provenance)
    return Artifact(scan.result, SCAN, groups, (), provenance, "")


def _points(found: Sequence[_Found]) -> dict[str, Any]:
    rows = [_point_row(item) for item in found]
    return {name: np.array([row[name] for row in rows]) for name in SCAN.groups["points"].columns}


def _point_row(item: _Found) -> dict[str, Any]:
    point, window = item.point, parse_window(item.point.window)
    row = {name: getattr(point, name) for name in ("method", "variant", "seed", "key")}
    row |= {"low": window.low, "high": window.high, "inject": str(point.inject), "state": item.state}
    row |= {"reason": "", "events": "", "n_observed": -1}
    row |= dict.fromkeys(("n_expected", "closure_auc", "closure_auc_error"), float("nan"))
    if item.result is None:
        return row
    groups = item.result.groups
    row["reason"] = str(groups["outcome"]["reason"])
    if groups["outcome"]["is_done"]:
        events, closure = groups["events"], groups.get("closure", {})
        row |= {"events": str(events["identity"]), "n_observed": int(events["n_observed"])}
        row["n_expected"] = float(events["n_expected"])
        blind = np.flatnonzero(~closure["uses_truth"]) if closure else np.zeros(0, dtype=np.int64)
        if len(blind):
            row |= {f"closure_{name}": float(closure[name][blind[0]]) for name in ("auc", "auc_error")}
    return row


def _tests(found: Sequence[_Found]) -> dict[str, Any]:
    counted = [(index, item.result.groups["tests"]) for index, item in enumerate(found) if item.result and item.rows]
    columns = {
        name: np.concatenate([tests[name] for _, tests in counted]) if counted else np.zeros(0)
        for name in SCAN_POINT.groups["tests"].columns
    }
    return {"point": np.repeat([i for i, _ in counted], [len(t["z"]) for _, t in counted]).astype(np.int64), **columns}


def _global(found: Sequence[_Found]) -> dict[str, Any]:
    """Return one row per set of points on the same events: per method and variant, and over all of them."""
    families: dict[tuple[str, str, str, int], list[tuple[int, _Found]]] = {}
    for index, item in enumerate(found):
        if item.result is not None and item.rows and len(item.result.groups["selected"]["event_id"]):
            p = item.point
            for method, variant in {(p.method, p.variant), (EVERYTHING, EVERYTHING)}:
                families.setdefault((method, variant, str(p.inject), p.seed), []).append((index, item))
    n_searches = {(p.method, p.variant) for p in (item.point for item in found)}
    rows = []
    for (method, variant, inject, seed), members in sorted(families.items()):
        if method == EVERYTHING and len(n_searches) == 1:
            continue  # the same tests as those of the only method
        streams = Streams(seed).child(f"scan/{method}/{variant}/{inject}")
        found_here = _combine(members, streams)
        rows.append({"method": method, "variant": variant, "inject": inject, "seed": seed, **found_here})
    return {name: np.array([row[name] for row in rows]) for name in SCAN.groups["global"].columns}


def _combine(members: Sequence[tuple[int, _Found]], streams: Streams) -> dict[str, Any]:
    identities = {str(item.result.groups["events"]["identity"]) for _, item in members if item.result}
    if len(identities) > 1:
        raise ArtifactError(
            f"{members[0][1].point.output}: holds other events than other results of seed {members[0][1].point.seed};"
            " the data have changed while the scan ran: delete results/ and run it again"
        )
    selections, z, cuts, rows = [], [], [], []
    for index, item in members:
        groups = item.result.groups if item.result else {}
        for test, row in enumerate(item.rows):
            selection = _selection(index, groups, test)
            if len(selection.observed) or len(selection.template):
                selections.append(selection)
                z.append(float(groups["tests"]["z"][test]))
                cuts.append(
                    (item.point.method, item.point.variant, float(groups["tests"]["background_efficiency"][test]))
                )
                rows.append(row)
    numbered = {cut: number for number, cut in enumerate(sorted(set(cuts)))}
    labels = np.array([numbered[cut] for cut in cuts])
    result = global_p_value(np.array(z), overlap_correlation(selections), labels, streams.generator("copula"))
    return {
        "n_tests": len(z),
        "test": rows[result.index],
        "z_local": result.z_local,
        "p_global": result.p_global,
        "p_global_error": result.error,
        "z_global": float(norm.isf(result.p_global)),
        "n_effective": result.n_effective,
    }


def _selection(index: int, groups: Any, test: int) -> SelectedEvents:
    """Return what a test selects; template events are shared between the cuts of one point only."""
    observed, template = (
        groups[name]["event_id"][groups[name]["test"] == test] for name in ("selected", "selected_template")
    )
    tests = groups["tests"]
    transfer = float(tests["n_template"][test] / max(tests["n_expected"][test], 1e-9))
    return SelectedEvents(observed, template + index * MOST_TEMPLATE_EVENTS, transfer)
