"""What a stage trains, and about how long it takes: told before anything is done, and never part of a result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from anomaly_cli.artifacts import schema
from anomaly_cli.config import DataSettings
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.core.seen import Need
from anomaly_cli.search.windows import find_windows
from anomaly_cli.stages.classify import CLASSIFY
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.evaluate import EVALUATE
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.shared import SHARED
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import SPLIT, stored_split
from anomaly_cli.stages.template import MODEL, TEMPLATE
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.permutation import PERMUTATION
from anomaly_cli.studies.windows import WINDOWS

MODELS: Mapping[str, float] = {"curtains_f4f": 22.0}
"""CPU time of training all models of a method [s]; of other methods nothing is said."""
TREES = "trees"
MODEL_OF_TREES = 0.28
"""CPU time of training one of the classifiers of a fold, and of scoring with it [s]."""
OWN_SCORES: Mapping[str, float] = {
    **{"r_anode": 54.0, "anode": 39.0, "tnt": 26.0, "lacathode": 25.0, "gan_ae": 21.0, "autoencoder": 9.0}
}
"""CPU time of training a score of its own [s], from `benchmarks/results/scores.json`, scaled with the events."""
FIXED: Mapping[str, float] = {SPLIT.name: 0.4, TEMPLATE.name: 3.3, SIGNIFICANCE.name: 1.0, CLOSURE.name: 7.6}
"""CPU time of stages that train little [s]."""
EXPERIMENT, WINDOW = 0.75, 1.0
"""What a pseudo-experiment takes in units of the run's ranking (eleven of them: 25 s each), and a signal-free window in
units of the run's own search; the latter is assumed and not measured."""
EVALUATION = 1.3
"""What trains the idealised and the supervised classifier, in the same units (42 s of CPU time beside 30 s of the
run's own, which is kept)."""
SIDE_BANDS, SIGNAL_REGION = 46_949, 22_616
"""Events of the shipped data with the signal region 3.3-3.7 TeV, for which all of this was measured: default settings,
two cores that others used as well, one run (`run_log.json`), seed 1."""


@dataclass(frozen=True)
class Effort:
    """What a stage does and takes.

    Attributes:
        trains: in words; empty where it trains nothing.
        cpu_seconds: CPU time [s]; NaN where nobody has measured it.
        is_divided: whether several processes share it.
        has_parts: whether it is made of several tasks, so that how much of one is done says little about the rest.
    """

    trains: str
    cpu_seconds: float
    is_divided: bool = False
    has_parts: bool = False

    def seconds(self, processes: int) -> float:
        """Return the time that it takes on a machine with nothing else to do [s]."""
        return self.cpu_seconds / (processes if self.is_divided else 1)


@dataclass(frozen=True)
class _Size:
    """How many more events there are than in the shipped data."""

    side_bands: float
    signal_region: float
    is_known: bool


def effort_of(stage: str, analysis: Analysis) -> Effort:
    """Return what the stage with this name takes with the settings of an analysis, scaled with its events."""
    settings, size, config = analysis.settings, _size(analysis), analysis.config.significance
    n_models = len(CrossFit(settings.scheme, settings.kfold.folds, 0, _is_lagged(analysis)).plans)
    models, n_trained = f"{n_models} x {settings.method.name}", settings.kfold.folds * settings.classifier.ensemble
    score = settings.score.name
    own_score = OWN_SCORES.get(score, math.nan) * size.signal_region
    ranking = f"the score {score}" if score in OWN_SCORES else f"{n_trained} x {settings.classifier.name}"
    fit = MODELS.get(settings.method.name, math.nan) * size.side_bands
    trees = n_trained * MODEL_OF_TREES * size.signal_region if settings.classifier.name == TREES else math.nan
    rank = own_score if score in OWN_SCORES else trees
    n_windows = _n_windows(analysis) if stage == WINDOWS.name else 0
    search = fit + FIXED[TEMPLATE.name] * size.signal_region + rank
    table = {
        SHARED.name: Effort("1 base density", math.nan),
        MODEL.name: Effort(models, fit, has_parts=True),
        CLASSIFY.name: Effort(ranking, rank, True, score in OWN_SCORES),
        EVALUATE.name: Effort(
            f"2 x {n_trained} x {settings.classifier.name}, the idealised and the supervised classifier",
            EVALUATION * trees,
            True,
        ),
        WINDOWS.name: Effort(f"{n_windows} x ({models} and {ranking})", n_windows * WINDOW * search, is_divided=True),
        OVERDISPERSION.name: Effort(
            f"{config.experiments} x {ranking}", config.experiments * EXPERIMENT * rank, is_divided=True
        ),
        PERMUTATION.name: Effort(f"{config.permutations} x {ranking}", config.permutations * EXPERIMENT * rank, True),
    }
    return table.get(stage, Effort("", FIXED.get(stage, math.nan) * size.signal_region))


def is_scaled(analysis: Analysis) -> bool:
    """Return whether the events are known, so that what is said is scaled with their number."""
    return _size(analysis).is_known


def _n_windows(analysis: Analysis) -> int:
    """Return how many windows there will be: as many as the events allow, or are asked for where nobody knows yet."""
    asked = analysis.config.significance
    try:
        split = stored_split(analysis.run.read(schema.SPLIT))
        return min(asked.windows, len(find_windows(split, asked.window_width, asked.least_fit_p)[0]))
    except AnomalyError:
        return asked.windows


def _is_lagged(analysis: Analysis) -> bool:
    return Need.SR_FEATURES in analysis.settings.method.needs and analysis.settings.scheme != "none"


def _size(analysis: Analysis) -> _Size:
    try:
        groups = analysis.run.read(schema.SPLIT).groups
    except AnomalyError:
        return _Size(1.0, 1.0, analysis.config.data.file == DataSettings.file)
    n = {name: len(groups[name]["mjj"]) for name in ("sb1", "sr", "sb2")}
    return _Size((n["sb1"] + n["sb2"]) / SIDE_BANDS, n["sr"] / SIGNAL_REGION, True)
