"""What the records of pseudo-experiments say, without running any."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.studies.experiments import Laboratory, divide_records, evaluate
from anomaly_cli.studies.inject import _row
from anomaly_cli.studies.remeasured import Remeasure
from anomaly_cli.studies.smooth_model import SmoothModel, SmoothSource

NO_EVENTS = make_events(np.zeros(0), np.zeros((0, 1)), ("mj1",), np.zeros(0, dtype=np.int64))


def laboratory(tmp_path, measured=None, remeasure=None):
    regions = Regions(Window(3300.0, 3700.0), Window(3000.0, 3300.0), Window(3700.0, 4600.0))
    source = SmoothSource(SmoothModel.__new__(SmoothModel), NO_EVENTS, regions)  # nothing is drawn here
    return Laboratory(source, SearchSettings(), measured or {}, tmp_path, "key", {}, remeasure=remeasure)


def record(index, loose=2200, tight=25):
    names = CutCounts.__dataclass_fields__
    cuts = [(0.2, loose, 10_000, 0.2, 5000.0, 0.012, 0.01), (0.001, tight, 10_000, 0.001, 30.0, 0.18, np.nan)]
    return {
        "index": index,
        "seed": 1,
        "n_injected": 0,
        "signal_scale": 1.0,
        "region": [3300.0, 3700.0],
        "fit": {"n_expected": 10_000.0, "uncertainty": 100.0},
        "cuts": [dict(zip(names, cut, strict=True)) for cut in cuts],
        "n_signal": [0, 0],
    }


def test_counts_are_evaluated_with_what_has_been_measured(tmp_path):
    plain = evaluate(laboratory(tmp_path), record(0))
    measured = {efficiency: Measured(0.1, 1.3) for efficiency in (0.2, 0.001)}
    known = evaluate(laboratory(tmp_path, measured), record(0))
    assert plain["z"] == plain["z_statistical"] == known["z_statistical"]
    assert known["n_observed"] == plain["n_observed"] == [2200, 25]
    assert (np.array(known["z"]) < plain["z"]).all()
    assert known["z"][0] < 0.5 * plain["z"][0]
    assert (np.array(known["limit"]) > plain["limit"]).all()


def test_p_values_of_toys_are_those_of_z_and_never_below_the_next_more_significant(tmp_path):
    found = evaluate(laboratory(tmp_path), record(0, loose=2000, tight=12))
    assert found["p0"][0] == pytest.approx(0.5, abs=0.02)
    for p0, between in zip(found["p0"], found["p0_randomised"], strict=True):
        assert between <= p0
    assert found == evaluate(laboratory(tmp_path), record(0, loose=2000, tight=12))


def test_pseudo_experiments_without_a_result_are_counted(tmp_path):
    failed = {"index": 1, "n_injected": 0, "error": "a poor fit"}
    records, groups = divide_records(laboratory(tmp_path), [record(0), failed], 1)
    assert [item["index"] for item in records] == [0]
    assert groups["failed"] == {"index": [1], "reason": ["a poor fit"]}
    with pytest.raises(
        PhysicsError,
        match="0 of 1 pseudo-experiments have a result where at least 1 are needed, the first because: a poor fit",
    ):
        divide_records(laboratory(tmp_path), [failed], 1)


def test_what_an_experiment_has_measured_itself_is_counted_with(tmp_path):
    """Windows that exceed their expectation weaken its excess; windows that scatter much forbid a claim."""
    efficiencies = [0.2, 0.001]
    found = {}
    for name, excess in (("none", 0.0), ("ten per cent", 0.1)):
        rows = [
            (window, e, round(20_000 * e * (1.0 + excess)), 20_000, e, 0.01, np.nan)
            for window in range(5)
            for e in efficiencies
        ]
        names = (
            "window",
            "background_efficiency",
            "n_passing",
            "n_all",
            "efficiency",
            "efficiency_uncertainty",
            "model_uncertainty",
        )
        own = record(0) | {
            "experiments": [[sign * 1.0, sign * 2.0] for sign in (-1.0, 1.0)] * 3,
            "windows": {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)},
        }
        found[name] = evaluate(laboratory(tmp_path, remeasure=Remeasure(6, 5, 1.0)), own)
    assert found["none"]["z_statistical"] == found["ten per cent"]["z_statistical"]
    assert found["ten per cent"]["z"][0] < 0.6 * found["none"]["z"][0] < found["none"]["z_statistical"][0]
    assert laboratory(tmp_path, remeasure=Remeasure(6, 5, 1.0)).contains == {"closure": True, "overdispersion": True}


def test_signal_and_limit_are_those_of_the_signal_that_was_asked_for(tmp_path):
    once, doubled = record(0), record(0) | {"signal_scale": 2.0}
    once["n_signal"] = doubled["n_signal"] = [100, 4]
    one, other = (evaluate(laboratory(tmp_path), own) for own in (once, doubled))
    assert other["n_signal"] == [50.0, 2.0]
    assert np.array(other["limit"]) == pytest.approx(np.array(one["limit"]) / 2.0)
    assert other["z"] == one["z"]


def test_a_randomised_p_value_lies_between_those_of_this_count_and_of_the_next(tmp_path):
    """Counts without other uncertainties are discrete: what lies between two of them is drawn, not p0."""
    found = []
    for index in range(10):
        own = record(index, tight=12)
        own["cuts"][1] |= {"n_sources": 3.0, "efficiency_uncertainty": 0.0}
        own["fit"]["uncertainty"] = 0.0
        found.append(evaluate(laboratory(tmp_path), own))
    p0, between = (np.array([one[name][1] for one in found]) for name in ("p0", "p0_randomised"))
    share = (p0 - between) / p0
    assert (share >= 0.0).all()
    assert np.ptp(share) > 0.02


def test_a_cut_whose_windows_disagree_allows_no_claim_in_a_pseudo_experiment(tmp_path):
    measured = {0.2: Measured(0.1, 1.3, 5, 0.001), 0.001: Measured(0.1, 1.3, 5, 0.5)}
    assert evaluate(laboratory(tmp_path, measured), record(0))["is_refused"] == [True, False]


def test_the_selected_share_is_that_of_the_signal_that_was_put_in():
    records = [{"z": [0.0], "limit": [0.0], "n_signal": [n]} for n in (20.0, 30.0)]
    row = _row(records, 100, 0, 0.2)
    assert row["signal_efficiency"] == pytest.approx(0.25)
    assert np.isnan(_row(records, 0, 0, 0.2)["signal_efficiency"])
