"""From a cut to its counting model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from anomaly_cli.analysis.modelling import Measured, model_by_fail, model_by_template
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.core.windows import Window
from anomaly_cli.search.count import build_model

CUT = CutCounts(0.2, 2100, 10_000, 0.2, 5000.0, 0.02, 0.01)


@dataclass(frozen=True)
class Predicted:
    n_expected: float = 9800.0
    uncertainty: float = 196.0


def test_the_template_model_contains_fit_template_and_its_models():
    model = model_by_template("SR", CUT, Predicted(), Measured())
    assert model.n_expected == pytest.approx(9800.0 * 0.2)
    assert model.n_control == 5000.0
    assert model.relative == {"norm": pytest.approx(0.02), "model": 0.01}
    statistics = [5000.0**-0.5, 0.02, 0.01]
    assert model.uncertainty == pytest.approx(1960.0 * np.linalg.norm(statistics), rel=1e-3)


@pytest.mark.parametrize(
    "make", [model_by_fail, lambda name, cut, what: model_by_template(name, cut, Predicted(), what)]
)
def test_overdispersion_adds_to_what_is_statistical_and_nothing_where_folds_agree(make):
    """f times the statistical error in all: of the count, of the template and of its models, never of the fit."""
    none, equal, double = (make("SR", CUT, Measured(0.03, factor)) for factor in (np.nan, 1.0, 2.0))
    assert "kfold" not in none.relative
    assert equal.relative["kfold"] == 0.0
    assert none.relative["closure"] == double.relative["closure"] == 0.03
    if double.is_pass_fail:
        statistical = 0.8 / (7900 * 0.25) + 0.02**2 + 0.01**2
    else:
        statistical = 1 / 1960 + 1 / 5000 + 0.01**2
    assert double.relative["kfold"] == pytest.approx(np.sqrt(3.0 * statistical))


def test_a_correction_moves_the_expectation_and_never_beyond_what_can_pass():
    corrected = model_by_template("SR", CUT, Predicted(), Measured(correction=1.1))
    assert corrected.n_expected == pytest.approx(9800.0 * 0.22)
    assert Measured(correction=100.0).pass_rate(CUT) == pytest.approx(0.6)


def test_the_data_that_fail_normalise_from_the_efficiency_that_was_named():
    window = Window(3300.0, 3700.0)
    is_pass_fail = [
        build_model(CUT, Predicted(), window, pass_fail_from, Measured()).is_pass_fail for pass_fail_from in (0.2, 0.21)
    ]
    assert is_pass_fail == [True, False]
