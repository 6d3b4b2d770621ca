"""The tests of several runs, put together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from toys import compute

from anomaly_cli.analysis.lookelsewhere import SelectedEvents
from anomaly_cli.core.windows import Window
from anomaly_cli.report.exchange import _global_rows
from anomaly_cli.studies import global_significance

CUTS = np.array([0.2, 0.001])


def searched(low, z, z_claimable):
    """Return a run of two cuts, of which this much is known."""
    tests = {"z": np.array(z), "z_claimable": np.array(z_claimable), "background_efficiency": CUTS}
    tests |= {name: np.ones(2) for name in global_significance.MEASURED}
    significance = SimpleNamespace(groups={"tests": tests})
    return SimpleNamespace(window=Window(low, low + 400.0), significance=significance)


@pytest.fixture
def combined(monkeypatch):
    """Return what is made of runs, none of which shares events with another."""

    def make(*runs):
        ids = iter(range(100, 1000))
        monkeypatch.setattr(
            global_significance,
            "_selections",
            lambda _: [SelectedEvents(np.array([next(ids)]), np.array([next(ids)]), 4.0) for _ in CUTS],
        )
        made = global_significance._make(runs, compute())
        return SimpleNamespace(groups={name: dict(group) for name, group in made.groups.items()})

    return make


def test_the_largest_z_and_the_largest_claimable_z_may_be_of_different_runs(combined):
    found = combined(searched(3300.0, [4.5, 1.0], [1.5, 0.5]), searched(3500.0, [2.0, 4.2], [1.0, 4.0]))
    assert (found.groups["result"]["test"], found.groups["result"]["z_local"]) == (0, 4.5)
    assert (found.groups["claimable"]["test"], found.groups["claimable"]["z_local"]) == (3, 4.0)
    for group in ("result", "claimable"):
        assert found.groups[group]["p_global"] == pytest.approx(found.groups[group]["p_sidak"], rel=0.02)
        assert found.groups[group]["z_global"] < found.groups[group]["z_local"]
    assert found.groups["tests"]["z_claimable"].tolist() == [1.5, 0.5, 1.0, 4.0]


def test_exports_tell_where_each_of_them_is(combined):
    found = combined(searched(3300.0, [4.5, 1.0], [1.5, 0.5]), searched(3500.0, [2.0, 4.2], [1.0, 4.0]))
    rows = _global_rows(found)
    assert [(row["significance"], row["low"], row["background_efficiency"], row["z_local"]) for row in rows] == [
        ("Z", 3300.0, 0.2, 4.5),
        ("claimable Z", 3500.0, 0.001, 4.0),
    ]
    assert [row["z_global"] for row in rows] == [found.groups[name]["z_global"] for name in ("result", "claimable")]


def test_a_run_whose_windows_were_not_measured_leaves_no_claimable_z(combined):
    found = combined(searched(3300.0, [4.5, 1.0], [1.5, 0.5]), searched(3500.0, [2.0, 4.2], [np.nan, np.nan]))
    assert "claimable" not in found.groups
    assert [row["significance"] for row in _global_rows(found)] == ["Z"]
