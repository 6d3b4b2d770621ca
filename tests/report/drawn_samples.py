"""Small artifacts of the same numbers on every machine, for pictures to be drawn of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_artifacts import make_artifact

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.plots.sources import Sources

CUTS = np.array([0.2, 0.05, 0.01])
TESTS = {
    "test": np.array(["pass/fail", "pass/fail", "template"]),
    "background_efficiency": CUTS,
    "n_observed": np.array([1040, 290, 80]),
    "n_expected": np.array([1000.0, 250.0, 50.0]),
    "uncertainty": np.array([25.0, 12.0, 6.0]),
    "n_control": np.array([4000.0, 4750.0, 200.0]),
    "transfer": np.array([4.0, 19.0, 4.0]),
    "width": np.array([0.02, 0.05, 0.11]),
    "template_uncertainty": np.array([0.01, 0.02, 0.07]),
    "model_uncertainty": np.array([0.01, 0.02, 0.03]),
    "norm_uncertainty": np.array([0.0, 0.0, 0.02]),
    "closure_uncertainty": np.array([0.01, 0.03, 0.1]),
    "overdispersion": np.array([1.1, 1.1, 1.1]),
    "n_sources": np.array([4000.0, 1000.0, 200.0]),
    "correction": np.ones(3),
    "z": np.array([1.2, 2.1, 3.0]),
    "z_statistical": np.array([1.5, 2.8, 3.9]),
    "z_claimable": np.array([1.0, 1.7, 2.2]),
    "n_windows": np.array([4, 4, 4]),
    "no_claim": np.array(["", "", "windows disagree"]),
    "fold_p": np.array([0.5, 0.2, 0.004]),
}
LIMITS = {
    "background_efficiency": CUTS,
    "observed": np.array([90.0, 60.0, 40.0]),
    "expected": np.array(
        [[20.0, 30.0, 45.0, 65.0, 90.0], [10.0, 15.0, 22.0, 32.0, 45.0], [5.0, 7.0, 10.0, 15.0, 20.0]]
    ),
    "closure_uncertainty": np.array([0.01, 0.03, 0.1]),
    "overdispersion": np.array([1.1, 1.1, 1.1]),
}
CHECKS = {
    "check": np.array(["side-bands, held-out events", "signal region, true background"]),
    "auc": np.array([0.502, 0.53]),
    "auc_error": np.array([0.004, 0.003]),
    "baseline_auc": np.array([0.62, 0.6]),
    "n_template": np.array([900, 800]),
    "n_compared": np.array([900, 800]),
    "uses_truth": np.array([False, True]),
}


def sources(tag: str = "simulation") -> Sources:
    """Return a count, limits and closure."""
    made = (
        _without_systematics(make_artifact(schema.SIGNIFICANCE, {"tests": TESTS})),
        make_artifact(schema.LIMITS, {"tests": LIMITS}),
        make_artifact(schema.CLOSURE, {"checks": CHECKS}),
    )
    return Sources({artifact.kind.name: artifact for artifact in made}, tag=tag, about="3.3-3.7 TeV, seed 1")


def _without_systematics(artifact: Artifact) -> Artifact:
    return replace(artifact, groups={"tests": artifact.groups["tests"], "mass_fit": artifact.groups["mass_fit"]})
