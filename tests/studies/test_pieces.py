"""What an interrupted study has finished is kept, and gives the same as one that was never interrupted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.pieces import FOLDER, Pieces
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.config import load_config
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.streams import Streams
from anomaly_cli.search import windows as searching
from anomaly_cli.stages.frame import Analysis, execute
from anomaly_cli.studies import overdispersion, permutation, windows

SETTINGS = ["processes=1", "significance.permutations=5", "significance.experiments=5", "significance.windows=3"]


@pytest.fixture
def opened(copied):
    def open_it(*more):
        config = load_config([copied / "config.toml"], [*SETTINGS, *more], {})
        return Analysis.open(copied, config, overwrite=True)

    return open_it


@pytest.fixture
def counted(monkeypatch):
    """Make every piece of the studies cheap: a number that its random stream says. Return what has been asked for."""
    asked, broken = [], []

    def z(*arguments):
        compute = next(item for item in arguments if isinstance(item, Compute))
        if len(asked) in broken:
            broken.clear()
            raise KeyboardInterrupt
        asked.append(compute)
        return np.array([compute.streams.generator("z").normal(), 0.1])

    monkeypatch.setattr(permutation, "_count", z)
    monkeypatch.setattr(overdispersion, "experiment_significances", lambda *arguments: (z(*arguments), 3))
    monkeypatch.setattr(searching, "run_search", z)
    monkeypatch.setattr(windows, "_window_row", _row)
    monkeypatch.setattr(windows, "count_window", lambda index, searched, _: _count(index, searched))
    return SimpleNamespace(asked=asked, broken=broken)


def test_windows_whose_templates_are_too_small_for_every_cut_end_in_a_sentence():
    with pytest.raises(PhysicsError, match=r"template is large enough for cuts at 0\.1 %, 0\.01 % of the background"):
        searching.counts_of([], [1e-3, 1e-4])


def _row(window, searched):
    row = {"low": window.regions.sr.low, "high": window.regions.sr.high, "n_events": np.int64(len(window.sr))}
    row |= {"side_band_low": window.regions.sb1.low, "side_band_high": window.regions.sb2.high, "n_side_bands": 7}
    return row | {"n_template": 100, "mass_fit_expected": float(searched[0]), "mass_fit_uncertainty": 1.0}


def _count(index, searched):
    row = {"window": index, "background_efficiency": 0.2, "n_passing": np.int64(20), "n_all": 100, "efficiency": 0.2}
    return [row | {"efficiency_uncertainty": np.float64(0.01 + abs(searched[0])), "model_uncertainty": 0.01}]


@pytest.mark.parametrize(
    ("stage", "n"),
    [(windows.WINDOWS, 3), (overdispersion.OVERDISPERSION, 5), (permutation.PERMUTATION, 5)],
    ids=["windows", "overdispersion", "permutation"],
)
def test_what_was_finished_before_an_interrupt_is_not_done_again(stage, n, opened, counted):
    execute(stage, opened())
    path = stage.path(opened())
    whole, n_all = path.read_bytes(), len(counted.asked)
    path.unlink()
    counted.asked.clear()
    counted.broken.append(n - 1)
    with pytest.raises(KeyboardInterrupt):
        execute(stage, opened())
    assert not path.exists()
    assert len(counted.asked) == n - 1
    execute(stage, opened())
    assert len(counted.asked) == n_all
    assert path.read_bytes() == whole
    assert not (path.parent / FOLDER).exists()


def test_pieces_of_other_settings_or_a_damaged_one_are_not_used(tmp_path):
    run = RunDirectory(tmp_path)
    one, other = (Pieces.of(run, Provenance("s", 1, {"x": x}, 1, {})) for x in (1, 2))
    assert one.keep(0, {"z": [np.float64(0.1), float("nan")]})["z"][0] == 0.1
    one.keep(1, 2)
    assert other.find(2) == {}
    (one.folder / "00000.json").write_text('{"z": [0.')
    assert one.find(3) == {1: 2}
    other.keep(0, 1)
    one.clear()
    assert list(tmp_path.iterdir()) == []


def test_windows_that_are_done_are_left_out_and_the_others_keep_their_streams(counted):
    spans = [SimpleNamespace(regions=SimpleNamespace(sr=SimpleNamespace(text=str(i)))) for i in range(3)]

    def search(done):
        return {i: x.tolist() for i, x in searching.search_windows(spans, None, None, Compute(Streams(3)), done)}

    everything = search(())
    assert search((0, 2)) == {1: everything[1]}
    assert search((0, 1, 2)) == {}
