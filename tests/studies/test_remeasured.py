"""What a search of a calibration has measured itself is what a run would take from the same windows and experiments."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.core.cuts import BY_MEAN, NO_CORRECTION
from anomaly_cli.stages.measurements import closure_by_efficiency
from anomaly_cli.studies.remeasured import measured_in

EFFICIENCIES = (0.2, 0.05)
Z = np.array([[-2.0, -0.4], [1.0, 0.2], [1.5, -0.1], [-1.0, 0.4]])
"""Of four pseudo-experiments: the first cut scatters by more than its errors say, the second by less."""


@pytest.fixture
def record():
    """A search whose windows exceed their expectation by a tenth."""
    rng, rows = np.random.default_rng(1), []
    for window in range(5):
        for efficiency in EFFICIENCIES:
            n_passing = rng.poisson(1.1 * 20_000 * efficiency)
            rows.append((window, efficiency, n_passing, 20_000, efficiency, 0.01, 0.02))
    names = ("window", "background_efficiency", "n_passing", "n_all", "efficiency", "efficiency_uncertainty")
    columns = zip((*names, "model_uncertainty"), zip(*rows, strict=True), strict=True)
    return {
        "cuts": [{"background_efficiency": efficiency} for efficiency in EFFICIENCIES],
        "experiments": Z.tolist(),
        "windows": {name: list(values) for name, values in columns},
    }


def test_over_dispersion_is_the_standard_deviation_of_z_and_never_below_one(record):
    found = measured_in(record, NO_CORRECTION)
    assert found[0.2].overdispersion == pytest.approx(np.std(Z[:, 0], ddof=1))
    assert found[0.05].overdispersion == 1.0


def test_what_over_dispersion_explains_is_no_closure(record):
    factors = {0.2: float(np.std(Z[:, 0], ddof=1)), 0.05: 1.0}
    columns = {name: np.asarray(values) for name, values in record["windows"].items()}
    expected, without = (closure_by_efficiency(columns, known) for known in (factors, {}))
    found = measured_in(record, NO_CORRECTION)
    assert found[0.2].closure == expected[0.2].size != without[0.2].size
    assert (found[0.2].correction, found[0.2].windows_p) == (1.0, expected[0.2].p_value)


def test_expectations_are_corrected_where_the_run_corrects_them(record):
    plain, corrected = (measured_in(record, correct)[0.2] for correct in (NO_CORRECTION, BY_MEAN))
    assert corrected.correction == pytest.approx(1.1, abs=0.03)
    assert corrected.closure < plain.closure
    assert corrected.n_windows == plain.n_windows == 5
