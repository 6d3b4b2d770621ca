from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import shipped_rows, write_frame, write_official

from anomaly_cli.artifacts.store import file_digest
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.events import FEATURES
from anomaly_cli.core.streams import Streams
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS, check_features, compute_features
from anomaly_cli.datasets.manifests import load_manifest, package_folder, shipped_file
from anomaly_cli.datasets.pseudodata import divide_labelled
from anomaly_cli.datasets.readers import read_events

LABELLED = (*OFFICIAL_COLUMNS, "label")


def columns_of(jet1, jet2):
    names = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
    return {
        f"{n}j{j}": np.array([float(v)]) for j, jet in ((1, jet1), (2, jet2)) for n, v in zip(names, jet, strict=True)
    }


def test_features_of_two_back_to_back_jets_are_those_worked_out_by_hand():
    # E1 = sqrt(1500^2 + 800^2) = 1700, E2 = sqrt(1500^2 + 200^2); momenta cancel, so mjj = E1 + E2
    found = compute_features(columns_of((1500, 0, 0, 800, 10, 4, 1), (-1500, 0, 0, 200, 5, 4, 1)), FEATURES)
    assert found.mjj[0] == pytest.approx(1700 + np.sqrt(1500**2 + 200**2))
    assert found.values[0] == pytest.approx([200, 600, 0.8, 0.4, np.pi])


def test_jets_are_ordered_by_mass_whatever_their_order_in_the_file():
    jets = (1500, 100, 50, 80, 10, 4, 1), (-1400, 20, -300, 500, 5, 4, 1)
    a, b = (compute_features(columns_of(*pair), FEATURES) for pair in (jets, jets[::-1]))
    assert a.values == pytest.approx(b.values)
    assert a.values[0, 0] == 80


@given(st.floats(-3.1, 3.1), st.floats(-2.4, 2.4), st.floats(-2.4, 2.4))
@settings(max_examples=50)
def test_delta_r_does_not_change_when_the_event_is_turned(angle, eta1, eta2):
    def jet(phi, eta):
        return (1300 * np.cos(phi), 1300 * np.sin(phi), 1300 * np.sinh(eta), 100, 1, 1, 1)

    turned = compute_features(columns_of(jet(angle, eta1), jet(angle + 2.0, eta2)), ("delta_r_jj",))
    assert turned.values[0, 0] == pytest.approx(np.hypot(eta1 - eta2, 2.0), rel=1e-9)


def test_zero_tau1_is_undefined_only_where_tau21_is_used():
    columns = columns_of((1500, 0, 0, 80, 0, 0, 0), (-1500, 0, 0, 20, 5, 4, 1))
    assert not compute_features(columns, FEATURES).is_defined[0]
    assert compute_features(columns, ("mj1", "delta_mj")).is_defined[0]


def test_the_real_lhco_layout_is_read(shared_data):
    table = read_events(shared_data("real/lhco_v2_features_100rows.h5"))
    assert len(table) == 100
    assert table.is_labelled
    features = compute_features(table.columns, FEATURES)
    assert features.is_defined.all()
    assert ((features.mjj > 1000) & (features.mjj < 10_000)).all()
    assert ((features.values[:, 2:4] > 0) & (features.values[:, 2:4] < 1.2)).all()
    swapped = table.columns["mj1"] < table.columns["mj2"]
    assert 0 < swapped.sum() < 100  # ordered by pT, not by mass


def test_the_real_raw_layout_is_named_and_refused(shared_data):
    with pytest.raises(DataError, match="raw constituents"):
        read_events(shared_data("real/lhco_v1_raw_1000.h5"))


def test_a_simulated_sample_with_columns_in_one_text_is_read(shared_data):
    table = read_events(shared_data("sim/lhco_sim_signal.h5"))
    assert len(table) == 34_380
    assert table.is_signal.all()


def test_the_shipped_rows_are_those_of_the_simulation(shared_data):
    import h5py

    with h5py.File(shared_data("sim/lhco_sim_qcd.h5")) as file:
        source = {row.tobytes() for row in file["features"][:20_000]}
    rows = shipped_rows(1)[:5000].astype(np.float32)
    assert all(row.tobytes() in source for row in rows)


def test_the_shipped_file_is_what_its_manifest_says():
    manifest = load_manifest("lhco_like_sim")
    assert file_digest(shipped_file()) == manifest.files[0].sha256
    assert shipped_file().stat().st_size == manifest.bytes <= 12_000_000
    table = read_events(shipped_file())
    assert (int((~table.is_signal).sum()), int(table.is_signal.sum())) == (manifest.n_background, manifest.n_signal)
    assert set(manifest.columns) == set(LABELLED)


def test_every_manifest_is_valid_and_named_like_its_file():
    for path in package_folder("data_manifests").glob("*.toml"):
        assert load_manifest(path.stem).name == path.stem


def test_columns_are_found_by_name_in_any_order_and_in_several_blocks(tmp_path):
    rows = shipped_rows(5000)
    direct = read_events(write_official(tmp_path / "a.h5", rows))
    order = np.random.default_rng(0).permutation(15)
    shuffled = read_events(write_official(tmp_path / "b.h5", rows[:, order], tuple(np.array(LABELLED)[order])))
    blocks = [(list(OFFICIAL_COLUMNS), rows[:, :14]), (["label"], rows[:, 14:].astype(np.int64))]
    framed = read_events(write_frame(tmp_path / "c.h5", blocks))
    text = tmp_path / "d.csv"
    np.savetxt(text, rows, delimiter=",", header=",".join(LABELLED), comments="", fmt="%.17g")
    for table in (shuffled, framed, read_events(text)):
        assert np.array_equal(table.is_signal, direct.is_signal)
        assert all(np.array_equal(table.columns[n], direct.columns[n]) for n in OFFICIAL_COLUMNS)


def test_a_file_without_labels_is_observed_data(tmp_path):
    table = read_events(write_official(tmp_path / "a.h5", shipped_rows(5000)[:, :14], OFFICIAL_COLUMNS))
    assert not table.is_labelled
    assert len(table.is_signal) == 0


def _broken(tmp_path, what):
    rows = shipped_rows(5000)
    path = tmp_path / "broken.h5"
    if what == "missing":
        return path
    if what == "directory":
        path.mkdir()
        return path
    if what == "empty":
        path.write_bytes(b"")
        return path
    if what == "text":
        path.write_text("pxj1,pyj1\n1,2\n")
        return path
    if what == "column":
        return write_official(path, rows[:, :13], OFFICIAL_COLUMNS[:13])
    if what == "nan":
        rows[3, 4] = np.nan
    if what == "label":
        rows[3, 14] = 2.0
    if what == "no rows":
        rows = rows[:0]
    write_official(path, rows)
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    if what == "nameless":
        import h5py

        with h5py.File(path, "r+") as file:
            del file["features"].attrs["columns"]
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("empty", "0 bytes"),
        ("text", "is text, not HDF5"),
        ("truncated", "cut short"),
        ("column", "column 'tau3j2' is missing"),
        ("nan", "column 'tau1j1' is NaN or infinite in 1 of"),
        ("label", "must be 0"),
        ("no rows", "holds no events"),
        ("nameless", "neither a pandas frame nor a data set with named columns"),
    ],
)
def test_unreadable_files_are_refused_with_a_sentence(tmp_path, what, message):
    with pytest.raises(DataError, match=message):
        read_events(_broken(tmp_path, what))


@given(st.integers(0, 60), st.floats(0.0, 0.99), st.integers(0, 1000))
@settings(max_examples=60)
def test_no_event_is_lost_or_used_twice_by_the_division(inject, reserve, seed):
    is_signal = np.random.default_rng(seed).random(997) < 0.1
    inject = min(inject, int(is_signal.sum()))
    division = divide_labelled(is_signal, [inject], reserve, Streams(seed))
    assert sorted(np.concatenate([division.observed, division.reference]).tolist()) == list(range(997))
    assert is_signal[division.observed].sum() == inject
    assert (~is_signal[division.reference]).sum() == round(reserve * (~is_signal).sum())


def test_neither_order_nor_id_tells_truth():
    is_signal = np.zeros(40_000, dtype=bool)
    is_signal[-4000:] = True  # in the file, all signal stands at the end
    division = divide_labelled(is_signal, [2000], 0.0, Streams(1))
    position = np.flatnonzero(is_signal[division.observed])
    assert abs(position.mean() / len(division.observed) - 0.5) < 4 / np.sqrt(12 * 2000)
    assert abs(np.corrcoef(np.arange(len(division.observed)), division.observed)[0, 1]) < 0.02


def test_all_and_default_injection():
    is_signal = np.arange(11_000) >= 10_000
    assert is_signal[divide_labelled(is_signal, ["all"], 0.0, Streams(1)).observed].sum() == 1000
    assert is_signal[divide_labelled(is_signal, ["default"], 0.0, Streams(1)).observed].sum() == 100


@pytest.mark.parametrize(("inject", "reserve"), [(1001, 0.0), (-1, 0.0), ("some", 0.0), (1, 1.0), (1, -0.1)])
def test_impossible_divisions_are_refused(inject, reserve):
    with pytest.raises(ConfigError, match=r"--inject|--reserve"):
        divide_labelled(np.arange(11_000) >= 10_000, [inject], reserve, Streams(1))


def test_unknown_and_repeated_features_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'tau21_j1'"):
        check_features(("tau21j1",))
    with pytest.raises(ConfigError, match="once"):
        check_features(("mj1", "mj1"))
