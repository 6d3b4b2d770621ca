"""All results of a scan in one artifact, with the look-elsewhere effect over everything that was scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.lookelsewhere import (
    NO_EVENTS,
    SelectedEvents,
    claimable_global,
    copula_generator,
    global_p_value,
    overlap_correlation,
    selected_events,
)
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.idsets import unpack_ids
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.scan_kinds import EVERYTHING, SCAN, SCAN_POINT
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.windows import parse_window
from anomaly_cli.scans.manifest import Manifest, ScanDirectory
from anomaly_cli.scans.parts import Point
from anomaly_cli.scans.results import read_result

STAGE, VERSION = "scan", 5


@dataclass(frozen=True)
class _Selected:
    """What the tests of one point select, and their rows in the table of all tests."""

    point: Point
    events: str
    tests: Arrays
    selections: Sequence[SelectedEvents]
    rows: range

    @property
    def claims(self) -> npt.NDArray[np.bool_]:
        """Which tests select something and allow a claim `(t,)`."""
        is_empty = np.array([selection.is_empty for selection in self.selections], dtype=np.bool_)
        may: npt.NDArray[np.bool_] = ~is_empty & (np.asarray(self.tests["no_claim"]) == "")
        return may


def collect_scan(scan: ScanDirectory, manifest: Manifest) -> Artifact | None:
    """Write and return the artifact of all results that are there, or nothing where there are none.

    Results are read one by one; selected events are kept for one seed and injection at a time.

    Raises:
        ArtifactError: where it cannot be written, or results of one seed hold different events.
    """
    families: dict[tuple[str, int], list[int]] = {}
    for position, point in enumerate(manifest.points):
        families.setdefault((str(point.inject), point.seed), []).append(position)
    points: list[dict[str, Any]] = [_point_row(point, None) for point in manifest.points]
    tests: list[tuple[int, Arrays]] = []
    searches: list[dict[str, Any]] = []
    inputs: dict[str, str] = {}
    n_rows = 0
    for (inject, seed), positions in families.items():
        members = []
        for position in positions:
            point = manifest.points[position]
            result, points[position]["reason"] = read_result(scan.path / point.output, puts_aside=True)
            if result is None:
                continue
            inputs[point.output] = result.digest
            points[position] = _point_row(point, result)
            if "tests" in result.groups:
                found = _selected(point, result, n_rows)
                n_rows += len(found.rows)
                members.append(found)
                tests.append((position, found.tests))
        searches += _global(members, inject, seed, len(_searches(manifest)))
    if not inputs:
        unreadable = [row["reason"] for row in points if row["reason"]]
        if unreadable:
            raise ArtifactError(f"no result can be read: {unreadable[0]}")
        return None
    searches.sort(key=lambda row: (row["method"], row["variant"], row["inject"], row["seed"]))
    provenance = Provenance(STAGE, VERSION, {}, manifest.scan.grid.first_seed, inputs)
    groups = {
        "points": {name: np.array([row[name] for row in points]) for name in SCAN.groups["points"].columns},
        "tests": _tests(tests),
        "global": {name: np.array([row[name] for row in searches]) for name in SCAN.groups["global"].columns},
    }
    write_artifact(scan.result, SCAN, groups, provenance)
    return Artifact(scan.result, SCAN, groups, (), provenance, "")


def _searches(manifest: Manifest) -> set[tuple[str, str]]:
    return {(point.method, point.variant) for point in manifest.points}


def _point_row(point: Point, result: Artifact | None) -> dict[str, Any]:
    window = parse_window(point.window)
    row = {name: getattr(point, name) for name in ("method", "variant", "seed", "key")}
    row |= {"low": window.low, "high": window.high, "inject": str(point.inject), "state": "missing"}
    row |= {"reason": "", "not_measured": "", "events": "", "n_observed": -1}
    row |= dict.fromkeys(("n_expected", "closure_auc", "closure_auc_error"), float("nan"))
    if result is None:
        return row
    groups = result.groups
    if not groups["outcome"]["is_done"]:
        return row | {"state": "failed", "reason": str(groups["outcome"]["reason"])}
    events, closure = groups["events"], groups.get("closure", {})
    row |= {"state": "done" if "tests" in groups else "blinded", "not_measured": str(events["not_measured"])}
    row |= {"events": str(events["identity"]), "n_observed": int(events["n_observed"])}
    row["n_expected"] = float(events["n_expected"])
    blind = np.flatnonzero(~closure["uses_truth"]) if closure else np.zeros(0, dtype=np.int64)
    if len(blind):
        row |= {f"closure_{name}": float(closure[name][blind[0]]) for name in ("auc", "auc_error")}
    return row


def _tests(counted: Sequence[tuple[int, Arrays]]) -> dict[str, Any]:
    columns = {
        name: np.concatenate([tests[name] for _, tests in counted]) if counted else np.zeros(0)
        for name in SCAN_POINT.groups["tests"].columns
    }
    positions = [position for position, _ in counted]
    return {"point": np.repeat(positions, [len(t["z"]) for _, t in counted]).astype(np.int64), **columns}


def _global(members: Sequence[_Selected], inject: str, seed: int, n_searches: int) -> list[dict[str, Any]]:
    """Return one row per set of points on the same events: per method and variant, and over all of them."""
    searches: dict[tuple[str, str], list[_Selected]] = {}
    for item in members:
        for name in {(item.point.method, item.point.variant), (EVERYTHING, EVERYTHING)}:
            searches.setdefault(name, []).append(item)
    rows = []
    for (method, variant), found in sorted(searches.items()):
        if method == EVERYTHING and n_searches == 1:
            continue  # the same tests as those of the only method
        if not any(item.claims.any() for item in found):
            continue
        rows.append({"method": method, "variant": variant, "inject": inject, "seed": seed, **_combine(found, seed)})
    return rows


def _combine(members: Sequence[_Selected], seed: int) -> dict[str, Any]:
    if len({item.events for item in members}) > 1:
        raise ArtifactError(
            f"{members[0].point.output}: holds other events than other results of seed {members[0].point.seed};"
            " the data have changed while the scan ran: delete results/ and run it again"
        )
    selections, z, claimable, cuts, rows = [], [], [], [], []
    for item in members:
        for test, (selection, row) in enumerate(zip(item.selections, item.rows, strict=True)):
            if item.claims[test]:
                selections.append(selection)
                z.append(float(item.tests["z"][test]))
                claimable.append(float(item.tests["z_claimable"][test]))
                efficiency = float(item.tests["background_efficiency"][test])
                cuts.append((item.point.method, item.point.variant, efficiency))
                rows.append(row)
    numbered = {cut: number for number, cut in enumerate(sorted(set(cuts)))}
    labels = np.array([numbered[cut] for cut in cuts])
    correlation = overlap_correlation(selections)
    result = global_p_value(np.array(z), correlation, labels, copula_generator(seed))
    of_claimable = claimable_global(np.array(claimable), correlation, labels, copula_generator(seed))
    return {
        "n_tests": len(z),
        "n_refused": sum(int((item.tests["no_claim"] != "").sum()) for item in members),
        **result.columns(),
        "test": rows[result.index],
        "test_claimable": rows[of_claimable.index] if of_claimable else -1,
        "z_local_claimable": of_claimable.z_local if of_claimable else np.nan,
        "z_global_claimable": of_claimable.z_global if of_claimable else np.nan,
    }


def _selected(point: Point, result: Artifact, n_rows: int) -> _Selected:
    groups = result.groups
    observed, template = (
        unpack_ids(groups[name]) if name in groups else NO_EVENTS for name in ("region", "region_template")
    )
    digests = dict(zip(groups["chain"]["kind"], groups["chain"]["digest"], strict=True))
    selections = selected_events(groups, (observed, template), str(digests[schema.TEMPLATE.name]))
    rows = range(n_rows, n_rows + len(selections))
    return _Selected(point, str(groups["events"]["identity"]), groups["tests"], selections, rows)
