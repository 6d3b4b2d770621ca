"""Background of two files is what is moved into each other, and what is missing is refused."""

from __future__ import annotations

import numpy as np
import pytest
from toys import compute, shipped_rows, write_official

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.datasets.features import dijet_mass
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.reproduce import kind_morph_files
from anomaly_cli.reproduce.eventfiles import EventFiles, LackingError
from anomaly_cli.reproduce.targets import load_target

SETTINGS = {"features": ["mj1", "tau21_j1"], "window": "3.3-3.7", "events": 211}
TARGET = load_target("flows-for-flows-science")


def test_background_of_both_files_is_scaled_alike_and_moved(data_file, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(kind_morph_files, "move_table", lambda *moved: given.append(moved[:2]) or {})
    other = write_official(tmp_path / "other.h5", shipped_rows(8, first=1))
    files = EventFiles(data=str(data_file), simulation=str(other), digests=(("data", "0"),))
    described = kind_morph_files.describe(SETTINGS, TARGET, files)
    assert kind_morph_files.run(described, compute()) == {"n_source": 211.0}
    source, target = given[0]
    both = np.concatenate([source.values, target.values])
    assert np.allclose([both.min(axis=0), both.max(axis=0)], [[-3.0, -3.0], [3.0, 3.0]])
    assert source.condition.min() >= 3.3
    assert source.condition.max() < 3.7
    assert not np.isin(source.condition, target.condition).all(), "both sides have the same events"
    tables = [read_events(file, None) for file in (data_file, other)]
    signal = np.concatenate([dijet_mass(table.columns)[table.is_signal] / 1000.0 for table in tables])
    assert len(signal) > 4_000
    assert not np.isin(np.concatenate([source.condition, target.condition]), signal).any()
    with pytest.raises(DataError, match="are too few"):
        kind_morph_files.run({**described, "window": "9-9.5"}, compute())
    itself = {**described["config"], "template": {"simulation": str(data_file)}}
    with pytest.raises(ConfigError, match=r"--simulation .*events\.h5"):
        kind_morph_files.run({**described, "config": itself, "events": 60_000}, compute())


def test_without_a_simulation_nothing_is_run():
    with pytest.raises(LackingError, match="--simulation FILE"):
        kind_morph_files.describe(SETTINGS, TARGET, EventFiles(data="data.h5"))
