"""Limits on signal events after each cut."""

from __future__ import annotations

import numpy as np

from anomaly_cli.analysis.limits import asymptotic_limits, toy_limit
from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Arrays, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.progress import Step
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.significance import read_significance

STAGE, VERSION = "limits", 1
TOYS = 20_000
"""Pseudo-experiments per tested signal."""
FEW_OBSERVED, FEW_EXPECTED, FEW_CONTROL = 5, 10.0, 30.0
"""Below any of these, the asymptotic limit is off by up to 40 %, and toys are used."""


def make_limits(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Set limits for the tests of the significance artifact and write the limits artifact.

    Raises:
        AnomalyError: where there is no count yet, or the signal region is blinded.
    """
    significance = read_significance(run)
    digest = str(significance.provenance.settings["settings_digest"])
    require_unblinded(run, read_split(run), digest)
    settings = {"toys": TOYS, "settings_digest": digest}
    inputs = {"significance": significance.digest}
    plan = Plan(STAGE, run.artifact(schema.LIMITS), Provenance(STAGE, VERSION, settings, config.seed, inputs))

    def make() -> None:
        tests = significance.groups["tests"]
        data = experiments_of(tests)
        found = asymptotic_limits(data)
        observed = found.observed.copy()
        is_small = (data.n < FEW_OBSERVED) | (data.expected < FEW_EXPECTED) | (data.m < FEW_CONTROL)
        for index in np.flatnonzero(is_small):
            resources.progress(Step("limits by toys", int(index), len(observed)))
            generator = resources.streams("limits").generator(f"toys/{index}")
            observed[index] = toy_limit(_one(data, int(index)), TOYS, generator)
        groups = {
            "tests": {
                "background_efficiency": tests["background_efficiency"],
                "observed": observed,
                "observed_asymptotic": found.observed,
                "by_toys": is_small,
                "expected": found.expected.T,
            }
        }
        write_artifact(plan.output, schema.LIMITS, groups, plan.provenance)

    return execute(plan, overwrite, make)


def experiments_of(tests: Arrays) -> Experiments:
    """Return the tests of a significance artifact as experiments `(t,)`."""
    n, m, tau, width = (
        np.asarray(tests[name], dtype=np.float64) for name in ("n_observed", "n_control", "transfer", "width")
    )
    return Experiments(n, m, tau, np.zeros(len(n)), width)


def _one(data: Experiments, index: int) -> Experiments:
    return Experiments(*(np.asarray(getattr(data, name)[index]) for name in Experiments.__dataclass_fields__))
