from __future__ import annotations

import numpy as np
import pytest
from conftest import invoke
from scipy.stats import kstest
from toys import shipped_rows, write_official

from anomaly_cli.artifacts.store import read_any
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.datasets.features import check_features, expand_features
from anomaly_cli.datasets.noise import NOISE, noise_features
from anomaly_cli.datasets.readers import read_events


def test_noise_is_gaussian_and_says_nothing_of_mass_or_other_noise():
    mjj = np.sort(np.random.default_rng(1).uniform(3000.0, 4600.0, 20_000))
    values = noise_features(mjj, NOISE)
    assert values.shape == (20_000, 10)
    assert min(kstest(column, "norm").pvalue for column in values.T) > 1e-4
    correlation = np.corrcoef(np.column_stack([mjj, values]), rowvar=False)
    assert np.abs(correlation - np.eye(11)).max() < 5.0 / np.sqrt(20_000)
    neighbours = np.corrcoef(values[1:, 0], values[:-1, 0])[0, 1]
    assert abs(neighbours) < 5.0 / np.sqrt(20_000)


def test_an_event_has_the_same_noise_wherever_it_stands_and_whatever_is_chosen_beside(tmp_path):
    rows = shipped_rows(500)
    whole = read_events(write_official(tmp_path / "whole.h5", rows)).compute(("mj1", "noise_2", "delta_mj"))
    part = read_events(write_official(tmp_path / "part.h5", rows[::-1][:50])).compute(("noise_2", "noise_1", "mj1"))
    assert whole.names == ("mj1", "noise_2", "delta_mj")
    assert (part.values[::-1, 0] == whole.values[-50:, 1]).all()
    assert (part.values[::-1, 2] == whole.values[-50:, 0]).all()
    assert not (part.values[:, 1] == part.values[:, 0]).any()


def test_events_of_nearly_the_same_mass_share_no_noise():
    """A hash of a rounded mass would tie events in different folds together."""
    values = noise_features(3500.0 + np.arange(100) * 1e-6, NOISE)
    assert all(len(np.unique(column)) == 100 for column in values.T)


def test_a_split_takes_ten_features_of_noise_by_one_word(tmp_path, data_file):
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--features", "standard,noise")
    assert invoke("split", "--run", tmp_path / "run", *options).exit_code == 0
    split = read_any(tmp_path / "run" / "split.h5")
    assert split.features[5:] == NOISE
    assert abs(split.groups["sr"]["features"][:, 5:].mean()) < 0.02


def test_a_manifest_of_ones_own_can_have_noise_and_a_feature_of_that_name(tmp_path):
    assert expand_features(("noise",), known=("noise",)) == ("noise",)
    assert expand_features(("x", "noise"), known=("x",)) == ("x", *NOISE)
    file = tmp_path / "own.csv"
    file.write_text("m,x\n" + "\n".join(f"{3000 + index},{index}" for index in range(50)))
    columns = [f'{name} = {{ column = "{column}", unit = "GeV" }}' for name, column in (("mjj", "m"), ("mass", "x"))]
    manifest = tmp_path / "own.toml"
    manifest.write_text(f'file = "{file}"\n{columns[0]}\n[features]\n{columns[1]}\n')
    found = read_events(manifest, features=("mass", "noise_1")).compute(("mass", "noise_1"))
    assert found.values.shape == (50, 2)
    assert found.values[:, 1].std() == pytest.approx(1.0, abs=0.4)


def test_noise_alone_is_refused():
    with pytest.raises(ConfigError, match="name each feature once"):
        check_features(NOISE)
