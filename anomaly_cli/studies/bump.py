"""Bump hunt: cut everywhere on the score, and look for a resonance in the dijet masses that remain.

Side-band events have scores too; each comes from models that never saw the event, nor a template event made from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.asymptotics import fit_workspace
from anomaly_cli.analysis.bump import (
    BumpFit,
    Resonance,
    build_bump_workspace,
    choose_parameters,
    fit_bump,
)
from anomaly_cli.analysis.bump_scan import BumpScan, make_grid, scan_bumps
from anomaly_cli.analysis.bump_toys import bump_p_value
from anomaly_cli.analysis.counting import channel_name
from anomaly_cli.analysis.selection import Selection, passes, select
from anomaly_cli.analysis.spectrum import BinnedSpectrum, bin_masses
from anomaly_cli.analysis.tails import chi2_tail, normal_tail
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import WORKSPACES, workspace_files
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.windows import Regions
from anomaly_cli.stages.blinding import permission, require_unblinded
from anomaly_cli.stages.classify import stored_scores
from anomaly_cli.stages.frame import Analysis, Beside, Made, Stage
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.measurements import Factor, find_measurements
from anomaly_cli.stages.template import method_of

TOYS = 1000
"""Pseudo-experiments per cut: weighted, they give p0 to a tenth or better at any significance."""
SCAN_TOYS = 500
"""Those of the scan."""
LARGEST_DISAGREEMENT = 0.1
"""Largest difference in z between pyhf and the fit; a likelihood that differs more is not exported.

The workspace is linear in the modes of the background, the fit exponential: with thousands of events both agree to
0.02 to 0.05, with a few hundred, as after tight cuts, to 0.1, which is a tenth of what the data fluctuate by.
"""
PASS_RATE_BINS = 8
"""Mass bins in the signal region in which the template's pass rate should be flat."""


@dataclass(frozen=True)
class _Events:
    """Everything that is cut on: observed signal region and side-bands, and template, with scores."""

    regions: Regions
    mjj: dict[str, FloatArray]
    scores: dict[str, Any]


@dataclass(frozen=True)
class _Hunted:
    """What was found after one cut."""

    spectrum: BinnedSpectrum
    fit: BumpFit
    scan: BumpScan
    row: dict[str, Any]


def _refuse(analysis: Analysis) -> None:
    """Refuse a template that mixes side-band events in one, and a signal region that is blinded."""
    run = analysis.run
    method = method_of(run.read(schema.TEMPLATE).provenance.settings["model"])
    if method.mixes_sources:
        raise ConfigError(
            f"bump hunt: method {method.name} makes a template event from several side-band events, so models have seen"
            " the side-band events that they would score; use another method"
        )
    require_unblinded(run, stored_identity(run).digest)


def _settings(analysis: Analysis) -> dict[str, Any]:
    return {
        "background_efficiencies": analysis.settings.cuts.loosest_first,
        "resonance_width": analysis.config.significance.resonance_width,
        "scan_widths": list(analysis.config.significance.scan_widths),
        "toys": TOYS,
        "settings_digest": stored_identity(analysis.run).digest,
    }


def _inputs(analysis: Analysis) -> dict[str, str]:
    """Return the digest of the over-dispersion, which scales what is found, and the permission to look."""
    digest = stored_identity(analysis.run).digest
    measured = find_measurements(analysis.run, analysis.config, digest).inputs
    return {"overdispersion": measured["overdispersion"], **permission(analysis.run, digest)}


def _make(analysis: Analysis) -> Made:
    events, compute = _scored_events(analysis.run), analysis.compute
    sr, efficiencies = events.regions.sr, analysis.settings.cuts.loosest_first
    center = (sr.low + sr.high) / 2
    resonance = Resonance(center, analysis.config.significance.resonance_width * center)
    grid = make_grid(sr, analysis.config.significance.scan_widths)
    measured = find_measurements(analysis.run, analysis.config, stored_identity(analysis.run).digest)
    hunted, left_out = [], {}
    for done, efficiency in enumerate(efficiencies):
        compute.progress(Step("bump hunt", done, len(efficiencies)))
        try:
            found = _hunt(events, resonance, grid, efficiency, compute, measured.factors.get(efficiency, Factor()))
            hunted.append(found)
        except PhysicsError as error:
            left_out[efficiency] = str(error)
    compute.progress(Step("bump hunt", len(efficiencies), len(efficiencies)))
    if not hunted:
        raise PhysicsError(f"no cut leaves a spectrum that can be fitted; the loosest: {next(iter(left_out.values()))}")
    groups = _groups(hunted, resonance)
    groups["left_out"] = {"background_efficiency": list(left_out), "reason": list(left_out.values())}
    return Made(groups, files=workspace_files(one.row["workspace"] for one in hunted))


BUMP = Stage(
    name="bump",
    version=5,
    kind=schema.BUMP,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    beside=lambda found: Beside(
        files=workspace_files(found.groups["tests"]["workspace"]), pattern=WORKSPACES[schema.BUMP.name]
    ),
    refuse=_refuse,
    looks=True,
    renewed_by=frozenset({"overdispersion"}),
)
"""Hunts for a bump after each cut."""


def _scored_events(run: RunDirectory) -> _Events:
    scores = run.read(schema.SCORES)
    groups = {"sr": "observed", "template": "template", "sides": "side_bands"}
    return _Events(
        read_regions(run.read(schema.SPLIT)),
        {name: scores.groups[group]["mjj"] for name, group in groups.items()},
        {name: stored_scores(scores, group) for name, group in groups.items()},
    )


def _hunt(
    events: _Events,
    resonance: Resonance,
    grid: Sequence[Resonance],
    efficiency: float,
    compute: Compute,
    factor: Factor,
) -> _Hunted:
    selection = select(events.scores["sr"], events.scores["template"], efficiency)
    sides = events.mjj["sides"][passes(selection, events.scores["sides"])]
    masses = np.concatenate([sides, events.mjj["sr"][selection.is_observed_selected]])
    spectrum = _bin(masses, events.regions)
    is_region = spectrum.inside(events.regions.sr)
    n_parameters = choose_parameters(spectrum, ~is_region)
    fit = fit_bump(spectrum, resonance, n_parameters)
    name = channel_name((events.regions.sr.low, events.regions.sr.high), efficiency).replace("SR_", "bump_")
    workspace, q0 = _likelihood(spectrum, resonance, fit, name)
    toys = bump_p_value(spectrum, resonance, fit, TOYS, compute.streams.generator(f"bump/toys/{name}"))
    used = 1.0 if math.isnan(factor.value) else max(1.0, factor.value)
    wider = fit.overdispersed(is_region, used)
    generator = compute.streams.generator(f"bump/scan/{name}")
    scan = scan_bumps(spectrum, grid, n_parameters, SCAN_TOYS, generator, is_region, used)
    row = {
        "background_efficiency": efficiency,
        "n_events": len(masses),
        "n_parameters": n_parameters,
        "signal_yield": fit.signal_yield,
        "signal_error": fit.signal_error,
        "z": toys.z / wider,
        "overdispersion": math.nan if math.isnan(factor.value) else wider,
        "n_experiments": factor.n_experiments,
        "z_asymptotic": fit.z,
        "p0_asymptotic": float(normal_tail(fit.z)),
        "p0": toys.p0,
        "p0_error": toys.error,
        "q0_pyhf": q0,
        "p_value": toys.p_value,
        "p_value_with_signal": toys.p_value_with_signal,
        "spurious_signal": _spurious_signal(events, selection, sides, resonance, n_parameters),
        "sculpting_p": pass_rate_flatness(events.mjj["template"], selection),
        "workspace": workspace,
    }
    return _Hunted(spectrum, fit, scan, row)


def _likelihood(spectrum: BinnedSpectrum, resonance: Resonance, fit: BumpFit, name: str) -> tuple[str, float]:
    """Return the workspace as JSON and its q0; empty and NaN where pyhf does not find the z of the fit in it.

    Its background is linear in the modes, which a few dozen events beside a large signal are not.
    """
    workspace = build_bump_workspace(spectrum, resonance, fit, name)
    try:
        q0, _ = fit_workspace(workspace, name)
    except PhysicsError:
        return "", np.nan
    is_same = abs(max(q0, 0.0) ** 0.5 - max(fit.z, 0.0)) <= LARGEST_DISAGREEMENT
    return (json.dumps(workspace, indent=1), q0) if is_same else ("", np.nan)


def _bin(masses: FloatArray, regions: Regions) -> BinnedSpectrum:
    windows = list(regions.named().values())
    return bin_masses([masses[window.contains(masses)] for window in windows], windows, regions.collision_energy)


def _spurious_signal(
    events: _Events, selection: Selection, sides: FloatArray, resonance: Resonance, n_parameters: int
) -> float:
    """Return the signal fitted to side-bands and template, scaled to the data's signal region."""
    spectrum = _bin(sides, events.regions)
    template = _bin(events.mjj["template"][selection.is_template_selected], events.regions)
    counts = spectrum.counts + template.counts * len(events.mjj["sr"]) / len(events.mjj["template"])
    return fit_bump(replace(spectrum, counts=counts), resonance, n_parameters).signal_yield


def pass_rate_flatness(mjj: FloatArray, selection: Selection) -> float:
    """Return the probability of the template's pass rate varying so much with mass if it were flat.

    Copies of a source count as one event: the chi-square is divided by the mean number of copies.
    """
    edges = np.quantile(mjj, np.linspace(0.0, 1.0, PASS_RATE_BINS + 1)[1:-1])
    index = np.searchsorted(edges, mjj, side="right")
    totals = np.bincount(index, minlength=PASS_RATE_BINS).astype(np.float64)
    passing = np.bincount(index, weights=selection.is_template_selected, minlength=PASS_RATE_BINS)
    rate = passing.sum() / totals.sum()
    chi_square = float(((passing - rate * totals) ** 2 / (rate * (1.0 - rate) * totals)).sum())
    return float(chi2_tail(chi_square * selection.n_sources / passing.sum(), PASS_RATE_BINS - 1))


def _groups(hunted: Sequence[_Hunted], resonance: Resonance) -> dict[str, Any]:
    first, scans = hunted[0], [one.scan for one in hunted]
    return {
        "tests": as_columns([one.row for one in hunted]),
        "resonance": {"mass": resonance.mass, "width": resonance.width},
        "bins": {
            "low": first.spectrum.low,
            "high": first.spectrum.high,
            "n_observed": np.stack([one.spectrum.counts for one in hunted], axis=1),
            "background": np.stack([one.fit.background for one in hunted], axis=1),
            "with_signal": np.stack([one.fit.rate for one in hunted], axis=1),
        },
        "scan": as_columns([_scan_row(one) for one in hunted]),
        "scan_grid": {
            "mass": [one.mass for one in scans[0].resonances],
            "width": [one.width for one in scans[0].resonances],
            "z": np.stack([scan.z for scan in scans], axis=1),
        },
    }


def _scan_row(hunted: _Hunted) -> dict[str, Any]:
    scan, found = hunted.scan, hunted.scan.found
    best = scan.resonances[found.index]
    return {
        "background_efficiency": hunted.row["background_efficiency"],
        "mass": best.mass,
        "width": best.width,
        "signal_yield": scan.best.signal_yield,
        "signal_error": scan.best.signal_error,
        "z": found.z_local,
        "p_global": found.p_global,
        "p_global_error": found.error,
        "z_global": found.z_global,
        "n_effective": found.n_effective,
        "p_toys": scan.p_toys,
        "n_toys": scan.n_toys,
    }
