from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.selection import ScoredEvents
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.windows import Window
from anomaly_cli.studies.sensitivity import expected_cuts, no_claim, thin

FIT = SimpleNamespace(
    n_expected=10_000.0, uncertainty=100.0, window=Window(3300.0, 3700.0), p_value=0.5, chi2=1.0, ndf=1
)
FIT.misfit = ""
CUTS = Cuts(background_efficiencies=(0.2, 0.01))


def template(n_observed, seed=1):
    """A template of five events for each observed one."""
    rng, n = np.random.default_rng(seed), 5 * n_observed
    ids = np.arange(n)
    return ScoredEvents(ids, ids, np.ones(n), rng.integers(0, 6, n), rng.normal(size=n))


def expected(n_observed, measured=None):
    return expected_cuts(thin(template(n_observed), 5.0 * FIT.n_expected), None, FIT, CUTS, measured or {})


@pytest.mark.parametrize("n_observed", [9_000, 10_000, 14_321])
def test_what_is_expected_does_not_tell_how_many_events_the_region_holds(n_observed):
    for cut, efficiency in zip(expected(n_observed), CUTS.background_efficiencies, strict=True):
        assert cut.model.n_expected == pytest.approx(FIT.n_expected * efficiency, rel=1e-9)
        assert len(cut.selection.is_template_selected) == 40_000
        assert cut.selection.n_all == 10_000


def test_a_cut_that_will_allow_no_claim_says_so_before_the_look():
    (_, cut) = expected(10_000, {0.01: Measured(closure=0.9, overdispersion=1.0, n_windows=6, windows_p=0.5)})
    assert "times the statistical" in no_claim(cut, FIT, CUTS)
    (_, cut) = expected(10_000)
    assert no_claim(cut, FIT, CUTS) == ""
    poor = SimpleNamespace(**{**vars(FIT), "p_value": 1e-9})
    assert "poor" in no_claim(cut, poor, CUTS)


def test_a_correction_is_in_what_is_expected():
    measured = {efficiency: Measured(0.05, 1.0, 5, 0.5, correction=1.1) for efficiency in (0.2, 0.01)}
    for cut, efficiency in zip(expected(10_000, measured), CUTS.background_efficiencies, strict=True):
        assert cut.model.n_expected == pytest.approx(1.1 * FIT.n_expected * efficiency, rel=1e-9)
