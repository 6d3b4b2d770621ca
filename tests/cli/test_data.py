"""`anomaly data`, own files and injected signals, from the command line to the artifacts."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import invoke
from toys import shipped_rows, write_official

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import file_digest, read_artifact
from anomaly_cli.datasets.features import EXTENDED_COLUMNS, OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.stages.identity import Identity
from anomaly_cli.stages.split import stored_split

WINDOW = ("--signal-region", "3.3-3.7")


def split(tmp_path, *options, name="run"):
    return invoke("split", "--run", tmp_path / name, *WINDOW, *options)


@pytest.fixture
def background_file(tmp_path):
    rows = shipped_rows(20)
    return write_official(tmp_path / "background.h5", rows[rows[:, 14] == 0])


@pytest.fixture
def signal_file(tmp_path):
    rows = shipped_rows(20)
    return write_official(tmp_path / "signal.h5", rows[rows[:, 14] == 1])


def cutflow(run):
    columns = read_artifact(run / "split.h5", schema.SPLIT).groups["cutflow"]
    return dict(zip(columns["step"].tolist(), columns["n_events"].tolist(), strict=True))


def test_signals_are_injected_from_files_and_the_truth_names_file_and_row(tmp_path, background_file, signal_file):
    labels_off = tmp_path / "unlabelled.h5"
    write_official(labels_off, shipped_rows(30)[-400:, :14], OFFICIAL_COLUMNS)
    options = ["--data", background_file, "--inject-from", f"{signal_file}=123", "--inject-from", f"{labels_off}=77"]
    result = split(tmp_path, *options, "--seed", "4", "--reserve", "0.1")
    assert result.exit_code == 0, result.output
    truth = read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH)
    sources = truth.groups["sources"]
    assert sources["file"].tolist() == ["background.h5", "signal.h5", "unlabelled.h5"]
    assert sources["n_injected"].tolist() == [0, 123, 77]
    assert sources["digest"][1] == file_digest(signal_file)
    assert truth.provenance.seed == 4
    observed = truth.groups["observed"]
    assert observed["is_signal"].sum() == 200
    assert (observed["is_signal"] == (observed["source"] > 0)).all()
    run = read_artifact(tmp_path / "run" / "split.h5", schema.SPLIT)
    events = [run.events(name) for name in ("sb1", "sr", "sb2", "rest")]
    mjj = dict(
        zip(np.concatenate([e.event_id for e in events]).tolist(), np.concatenate([e.mjj for e in events]), strict=True)
    )
    injected = np.flatnonzero(observed["source"] == 1)
    masses = read_events(signal_file).compute(("mj1",)).mjj
    assert len(set(observed["source_row"][injected].tolist())) == 123
    assert [mjj[i] for i in observed["event_id"][injected].tolist()] == masses[
        observed["source_row"][injected]
    ].tolist()
    reference = truth.groups["reference"]
    n_signal = len(read_events(signal_file))
    assert (reference["source"] == 1).sum() == n_signal - 123  # what is not injected serves evaluation


def test_signal_of_the_data_in_another_file_is_not_injected_again(tmp_path):
    rows = shipped_rows(20)
    data = write_official(tmp_path / "data.h5", rows)
    again = write_official(tmp_path / "again.h5", rows[rows[:, 14] == 1][::-1])
    result = split(tmp_path, "--data", data, "--inject-from", f"{again}=50")
    assert result.exit_code == 2
    assert "again.h5" in result.output
    assert "are among the analysed events" in " ".join(result.output.split())


def test_injection_leaves_the_choice_of_other_events_alone(tmp_path, background_file, signal_file):
    for name, number in (("a", 10), ("b", 20)):
        split(tmp_path, "--data", background_file, "--inject-from", f"{signal_file}={number}", name=name)
    drawn = []
    for name in "ab":
        observed = read_artifact(tmp_path / name / "truth.h5", schema.TRUTH).groups["observed"]
        drawn.append(set(observed["source_row"][observed["source"] == 1].tolist()))
    assert drawn[0] < drawn[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--inject-from", "{signal}=x"], "write FILE=N"),
        (["--inject-from", "{signal}=100000"], "has only"),
        (["--inject-from", "{background}"], "is the same file"),
        (["--inject-from", "nowhere.h5=3"], "cannot be read"),
    ],
)
def test_impossible_injections_are_refused(tmp_path, background_file, signal_file, options, message):
    given = [option.format(signal=signal_file, background=background_file) for option in options]
    result = split(tmp_path, "--data", background_file, *given)
    assert result.exit_code in (2, 3)
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_events_with_nan_are_counted_in_the_cutflow(tmp_path):
    rows = shipped_rows(20)
    rows[5:9, 2] = np.nan
    data = write_official(tmp_path / "a.h5", rows)
    result = split(tmp_path, "--data", data)
    assert result.exit_code == 3
    assert "--drop-nan" in result.output
    assert not (tmp_path / "run").exists()
    assert split(tmp_path, "--data", data, "--drop-nan").exit_code == 0
    flow = cutflow(tmp_path / "run")
    assert flow["read"] - flow["no NaN and no unphysical value in a column in use"] == 4


def test_the_table_chosen_by_key_is_split_and_another_choice_is_another_split(tmp_path):
    import h5py

    rows = shipped_rows(20)
    data = write_official(tmp_path / "a.h5", rows[::2])
    with h5py.File(data, "a") as file:
        file.create_dataset("other", data=rows[1::2]).attrs["columns"] = file["features"].attrs["columns"]
    result = split(tmp_path, "--data", data)
    assert result.exit_code == 3
    assert "several tables, /features, /other" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()
    assert split(tmp_path, "--data", data, "--key", "other").exit_code == 0
    assert cutflow(tmp_path / "run")["read"] == len(rows[1::2])
    again = split(tmp_path, "--data", data, "--key", "features")
    assert again.exit_code == 4
    assert "key" in again.output


def test_duplicates_are_warned_of_and_refused_when_strict(tmp_path):
    rows = shipped_rows(20)
    data = write_official(tmp_path / "a.h5", np.concatenate([rows, rows[:3]]))
    result = split(tmp_path, "--data", data, "--strict")
    assert result.exit_code == 3
    assert "3 of" in result.output
    assert not (tmp_path / "run").exists()
    result = split(tmp_path, "--data", data)
    assert result.exit_code == 0
    assert "warning:" in result.output
    assert "3 of" in result.output


def write_own(tmp_path, weights=None, first=0):
    """Write an own CSV of every tenth event with a manifest that names three features."""
    table = read_events(write_official(tmp_path / "source.h5", shipped_rows(10, first)))
    found = table.compute(("mj1", "delta_mj", "tau21_j1"))
    columns = [found.mjj / 1000, found.values[:, 0] / 1000, found.values[:, 1], found.values[:, 2], table.is_signal]
    weights = np.ones(len(table)) if weights is None else weights(len(table))
    text = np.column_stack([*columns, weights])
    np.savetxt(tmp_path / "mine.csv", text, delimiter=",", header="m,a,b,c,truth,w", comments="", fmt="%.17g")
    (tmp_path / "mine.toml").write_text(
        'file = "mine.csv"\nlabel = "truth"\nweight = "w"\nmjj = { column = "m", unit = "TeV" }\n[features]\n'
        'light = { column = "a", unit = "TeV" }\ndifference = { column = "b", unit = "GeV" }\n'
        'prongs = { column = "c", unit = "1" }\n'
    )
    return tmp_path / "mine.toml", found


def test_an_own_file_is_split_with_its_own_features(tmp_path):
    manifest, found = write_own(tmp_path)
    result = split(tmp_path, "--data", manifest, "--inject", "50")
    assert result.exit_code == 0, result.output
    artifact = read_artifact(tmp_path / "run" / "split.h5", schema.SPLIT)
    assert artifact.features == ("light", "difference", "prongs")
    assert set(artifact.events("sr").mjj.tolist()) <= set((1000 * (found.mjj / 1000)).tolist())
    assert split(tmp_path, "--data", manifest, "--features", "mj1", name="other").exit_code == 2
    (tmp_path / "mine.csv").write_text((tmp_path / "mine.csv").read_text() + "3.5,0.1,100,0.5,0,1\n")
    changed = split(tmp_path, "--data", manifest, "--inject", "50")
    assert "its input 'data' has changed" in " ".join(changed.output.split())


def at_energy(folder, energy, first=0):
    """Write an own file whose collisions have an energy."""
    manifest, _ = write_own(folder, first=first)
    manifest.write_text(f'collision_energy = "{energy}"\n' + manifest.read_text())
    return manifest


def test_the_collision_energy_of_a_manifest_reaches_fit_provenance_and_identity(tmp_path):
    results = {}
    for energy in ("13 TeV", "14 TeV"):
        folder = tmp_path / energy[:2]
        folder.mkdir()
        assert split(folder, "--data", at_energy(folder, energy), "--inject", "50").exit_code == 0
        run = RunDirectory(folder / "run")
        artifact = run.read(schema.SPLIT)
        divided = stored_split(artifact)
        fit = divided.fit_masses()
        assert fit.collision_energy == divided.regions.collision_energy == read_regions(artifact).collision_energy
        results[energy] = (artifact.provenance.settings.get("collision_energy_gev"), fit.n_expected)
    assert results["13 TeV"][0] is None
    assert results["14 TeV"][0] == 14_000.0
    assert results["14 TeV"][1] != results["13 TeV"][1]
    identities = [Identity([], [], {}, {}, energy).digest for energy in (13_000.0, 14_000.0)]
    assert identities[0] == Identity([], [], {}, {}).digest != identities[1]


def test_windows_above_the_collision_energy_are_refused_before_events_are_read(tmp_path):
    manifest = at_energy(tmp_path, "3.6 TeV")
    result = split(tmp_path, "--data", manifest)
    assert result.exit_code == 2
    assert "window 3.3-3.7 TeV lies above the collision energy of 3.6 TeV" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--inject-from", "--reference"])
def test_events_of_collisions_of_another_energy_are_refused(tmp_path, option):
    manifest = at_energy(tmp_path, "14 TeV")
    other = tmp_path / "other"
    other.mkdir()
    result = split(tmp_path, "--data", manifest, option, at_energy(other, "13.6 TeV", first=5))
    assert result.exit_code in (2, 3)
    told = " ".join(result.output.split())
    assert f"{option} {other}" in told
    assert "holds collisions at 13.6 TeV and the data those at 14 TeV" in told
    assert not (tmp_path / "run").exists()


def test_simulation_of_collisions_of_another_energy_is_refused(tmp_path):
    assert split(tmp_path, "--data", at_energy(tmp_path, "14 TeV"), "--inject", "50").exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    options = ("--method", "salad", "--simulation", at_energy(other, "13 TeV", first=5))
    result = invoke("template", "--run", tmp_path / "run", *options)
    assert result.exit_code == 2
    told = " ".join(result.output.split())
    assert "--simulation" in told
    assert "holds collisions at 13 TeV and the data those at 14 TeV, which have other spectra" in told


def test_weighted_events_are_drawn_to_unit_weight(tmp_path):
    manifest, _ = write_own(tmp_path, lambda n: np.where(np.arange(n) % 2, 1.0, 0.25))
    assert split(tmp_path, "--data", manifest, "--inject", "all").exit_code == 0
    flow = cutflow(tmp_path / "run")
    n, kept = flow["read"], flow["drawn to unit weight"]
    deviation = np.sqrt(n / 2 * 0.25 * 0.75)
    assert abs(kept - (n / 2 + n / 2 * 0.25)) < 5 * deviation
    truth = read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH).groups["observed"]
    assert (truth["source_row"] % 2 == 1).sum() == n // 2  # weight 1: every one is kept
    assert (read_artifact(tmp_path / "run" / "split.h5", schema.SPLIT).events("sr").weight == 1).all()


def test_data_that_lose_most_events_to_their_weights_are_warned_of(tmp_path):
    manifest, _ = write_own(tmp_path, lambda n: np.where(np.arange(n) % 100, 0.05, 1.0))
    result = split(tmp_path, "--data", manifest, "--inject", "all")
    assert "events are left at unit weight" in " ".join(result.output.split())


def test_a_reference_keeps_its_weights_and_the_bound_made_of_it_is_drawn_by_them(tmp_path):
    own = ["--inject", "20", "--reference", write_own(tmp_path, lambda n: 1.0 + np.arange(n) % 3)[0]]
    (tmp_path / "d").mkdir()
    manifest, _ = write_own(tmp_path / "d", first=5)
    n_reference = len((tmp_path / "mine.csv").read_text().splitlines()) - 1
    result = split(tmp_path, "--data", manifest, *own)
    assert result.exit_code == 0, result.output
    weight = read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH).events("reference").weight
    held_back = weight[weight != 1.0]
    assert held_back.max() / held_back.min() == pytest.approx(3.0)
    assert held_back.mean() == pytest.approx(1.0)
    truth = read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH).groups
    flow = dict(zip(truth["cutflow"]["step"], truth["cutflow"]["n_events"], strict=True))
    assert set(truth["cutflow"]["source"]) == {1}
    assert flow["read"] == n_reference
    assert flow["weight above 0"] == (truth["reference"]["source"] == 1).sum()
    result = invoke("template", "--run", tmp_path / "run", "--method", "over_idealised")
    assert result.exit_code == 0, result.output
    template = read_artifact(tmp_path / "run" / "template.h5", schema.TEMPLATE).events("events")
    assert (template.weight == 1.0).all()
    copies = np.unique(template.source_id, return_counts=True)[1]
    assert copies.std() > 0.3 * copies.mean()
    method = ["--set", "template.method=curtains_f4f"]
    result = invoke("significance", "inject-scan", "--run", tmp_path / "run", *method)
    assert result.exit_code == 2
    assert "events of equal weight" in " ".join(result.output.split())


def test_the_extended_set_has_56_features_ordered_by_jet_mass(tmp_path):
    rows = shipped_rows(20)
    taus = np.random.default_rng(1).random((len(rows), len(EXTENDED_COLUMNS)))
    names = (*OFFICIAL_COLUMNS, "label", *EXTENDED_COLUMNS)
    data = write_official(tmp_path / "a.h5", np.column_stack([rows, taus]), names)
    result = split(tmp_path, "--data", data, "--inject", "all", "--features", "extended")
    assert result.exit_code == 0, result.output
    artifact = read_artifact(tmp_path / "run" / "split.h5", schema.SPLIT)
    assert len(artifact.features) == 56
    events, truth = artifact.events("sr"), read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH)
    origin = truth.groups["observed"]["source_row"][events.event_id]
    is_second_lighter = rows[origin, 10] < rows[origin, 3]
    for feature, jets in (("tau4_j1", ("tau4j1", "tau4j2")), ("tau9b2_j2", ("tau9b2j2", "tau9b2j1"))):
        first, second = (taus[origin, EXTENDED_COLUMNS.index(name)] for name in jets)
        found = events.features[:, artifact.features.index(feature)]
        assert np.array_equal(found, np.where(is_second_lighter, second, first))
    single = split(tmp_path, "--data", data, "--inject", "all", "--features", "mj1,tau3_j1,tau1b05_j2", name="b")
    assert single.exit_code == 0, single.output


def test_extended_features_of_a_file_without_them_are_refused_with_the_way_to_make_them(tmp_path):
    data = write_official(tmp_path / "a.h5", shipped_rows(50))
    result = split(tmp_path, "--data", data, "--features", "extended")
    assert result.exit_code == 2
    text = " ".join(result.output.split())
    assert "has no feature 'tau1b05_j1'" in text
    assert "anomaly data features RAW OUT --extended" in text
    assert split(tmp_path, "--data", data, "--features", "extended,mj1").exit_code == 2
    assert not (tmp_path / "run").exists()


def test_a_master_key_makes_observed_data_labelled(tmp_path):
    rows = shipped_rows(20)
    data = write_official(tmp_path / "a.h5", rows[:, :14], OFFICIAL_COLUMNS)
    np.savetxt(tmp_path / "key", rows[:, 14], fmt="%d")
    result = split(tmp_path, "--data", data, "--labels", tmp_path / "key", "--inject", "all")
    assert result.exit_code == 0, result.output
    truth = read_artifact(tmp_path / "run" / "truth.h5", schema.TRUTH).groups["observed"]
    assert truth["is_signal"].sum() == rows[:, 14].sum()
    assert np.array_equal(truth["is_signal"], rows[truth["source_row"], 14] == 1)


@pytest.mark.parametrize("arguments", [["list"], ["show", "lhco_rnd_raw"], ["show", "shipped"], ["verify", "shipped"]])
def test_data_sets_are_listed_shown_and_verified(arguments):
    result = invoke("data", *arguments)
    assert result.exit_code == 0, result.output
    assert "lhco" in result.output


def test_paths_are_printed_for_scripts_and_missing_files_are_an_error(tmp_path):
    result = invoke("data", "path", "shipped")
    assert result.output.strip().endswith("lhco_like_sim.h5")
    result = invoke("data", "path", "lhco_rnd_features", "--folder", tmp_path)
    assert result.exit_code == 3
    assert "anomaly data fetch lhco_rnd_features" in " ".join(result.output.split())


def test_an_unknown_data_set_is_answered_with_the_nearest_name():
    result = invoke("data", "show", "lhco_rnd_feature")
    assert result.exit_code == 2
    assert "did you mean 'lhco_rnd_features'" in result.output


def test_describe_prints_columns_regions_and_the_next_command(tmp_path):
    data = write_official(tmp_path / "a.h5", shipped_rows(50))
    result = invoke("data", "describe", data)
    assert result.exit_code == 0
    for text in ("official features", "tau21_j1", "3.3-3.7", "anomaly run --data"):
        assert text in " ".join(result.output.split())


def test_describe_names_no_region_that_the_masses_do_not_reach(tmp_path):
    rows = shipped_rows(50)
    momenta = [f"{name}{jet}" for jet in ["j1", "j2"] for name in ("px", "py", "pz", "m")]
    rows[:, [OFFICIAL_COLUMNS.index(name) for name in momenta]] *= 0.2
    data = write_official(tmp_path / "light.h5", rows)
    assert "--signal-region LOW-HIGH" in " ".join(invoke("data", "describe", data).output.split())


def test_describe_says_how_many_columns_it_does_not_show(tmp_path):
    rows = shipped_rows(500)
    names = (*OFFICIAL_COLUMNS, "label", *(f"c{i}" for i in range(2000)))
    path = write_official(tmp_path / "a.h5", np.column_stack([rows, np.zeros((len(rows), 2000))]), names)
    told = invoke("data", "describe", path).output
    assert "1975 more columns are not shown" in told
    assert "c24 " in told
    assert "c25 " not in told
    assert "more columns" not in invoke("data", "describe", write_official(tmp_path / "b.h5", rows)).output


def test_a_column_name_that_looks_like_markup_is_printed_as_it_is(tmp_path):
    names = (*OFFICIAL_COLUMNS, "a[/b]")
    result = invoke("data", "describe", write_official(tmp_path / "a.h5", shipped_rows(500), names))
    assert result.exit_code == 0, result.output
    assert "a[/b]" in result.output


@pytest.mark.parametrize("name", ["shipped", "lhco_like_sim"])
def test_describe_takes_a_data_set_by_name_unless_a_file_is_called_so(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    result = invoke("data", "describe", name)
    assert result.exit_code == 0
    assert "238480 events, of these 20000 signal" in result.output
    write_official(tmp_path / name, shipped_rows(50))
    assert "238480 events" not in invoke("data", "describe", name).output


def test_describe_of_a_data_set_that_is_not_here_names_the_command_that_gets_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ANOMALY_DATA", str(tmp_path))
    result = invoke("data", "describe", "lhco_rnd_features")
    assert result.exit_code == 3
    assert "get it with 'anomaly data fetch lhco_rnd_features'" in result.output


def test_simulated_masses_need_a_unit_that_is_known():
    result = invoke("simulate", "signal", "--events", "10", "--mx", "5furlongs")
    assert result.exit_code == 2
    assert "mass '5furlongs' is not understood" in result.output
