"""Over-dispersion: what folds share makes counts scatter more than the errors of each say.

Folds share training events, and the errors of one part of the template enter the classifiers of several folds. Neither
resampling the template through fixed classifiers nor permuting labels contains both, so pseudo-experiments do
(`search/pseudo.py`): the standard deviation of their Z is the factor on statistical errors. No observed event is looked
at.

References:
    M. Hein, B. Nachman, D. Shih, 2025, arXiv:2512.13787 (calibration of k-fold searches).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_template
from anomaly_cli.artifacts.measured_on import described_events
from anomaly_cli.artifacts.pieces import Pieces
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.seen import Need
from anomaly_cli.search.pseudo import experiment_significances
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.split import stored_split
from anomaly_cli.stages.template import load_parts, refuse_other_template


def refuse_unreachable(settings: SearchSettings) -> None:
    """Refuse a score that needs what pseudo-experiments do not have.

    Raises:
        ConfigError: where it does.
    """
    score = settings.score
    if not score.needs <= {Need.SIDE_BANDS, Need.SR_FEATURES}:
        raise ConfigError(
            f"over-dispersion: score {score.name} needs more than side-bands and observed events, which a"
            " pseudo-experiment does not have; use another score"
        )


def _refuse(analysis: Analysis) -> None:
    """Refuse a score without pseudo-experiments, and a template that is not the configuration's."""
    refuse_unreachable(analysis.settings)
    refuse_other_template(analysis, "its over-dispersion")


def _settings(analysis: Analysis) -> dict[str, Any]:
    return {
        "background_efficiencies": analysis.settings.cuts.loosest_first,
        "experiments": analysis.config.significance.experiments,
        "settings_digest": configured_identity(analysis).digest,
        "events": described_events(analysis.run.read(schema.SPLIT)),
    }


def _inputs(analysis: Analysis) -> dict[str, str]:
    kinds = (schema.SPLIT, schema.TEMPLATE_MODEL, schema.TEMPLATE)
    return {kind.name: analysis.run.read(kind).digest for kind in kinds}


def _make(analysis: Analysis) -> Made:
    run, settings, n = analysis.run, analysis.settings, analysis.config.significance.experiments
    split, template = stored_split(run.read(schema.SPLIT)), read_template(run.read(schema.TEMPLATE))
    fitted, _ = load_parts(analysis, run.read(schema.TEMPLATE_MODEL))
    pieces = Pieces.of(run, OVERDISPERSION.plan(analysis))
    done = pieces.find(n)
    for index in (index for index in range(n) if index not in done):
        analysis.compute.progress(Step("over-dispersion", len(done), n))
        own = replace(analysis.compute.child(f"overdispersion/{index}"), progress=silent)
        z, n_observed = experiment_significances(template, fitted, split, settings, own)
        done[index] = pieces.keep(index, {"z": z.tolist(), "n_observed": n_observed})
    analysis.compute.progress(Step("over-dispersion", n, n))
    found = np.array([done[index]["z"] for index in range(n)])
    spread = found.std(axis=0, ddof=1)
    return Made(
        {
            "experiments": {"z": found},
            "tests": {
                "background_efficiency": settings.cuts.loosest_first,
                "overdispersion": spread,
                "overdispersion_error": spread / np.sqrt(2.0 * (n - 1)),
                "mean": found.mean(axis=0),
                "mean_error": spread / np.sqrt(n),
            },
            "counts": {"n_observed": done[n - 1]["n_observed"], "n_template": len(template)},
        }
    )


OVERDISPERSION = Stage(
    name="overdispersion",
    version=2,
    kind=schema.OVERDISPERSION,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    refuse=_refuse,
)
"""Trains the score on pseudo-experiments and measures the scatter of Z."""
