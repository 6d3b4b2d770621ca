"""Every template method from the command line; the shared base flow; what each refuses."""

from __future__ import annotations

import json
import re

import h5py
import numpy as np
import pytest
from conftest import FAST, invoke
from toys import shipped_rows, toy_events, write_official

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.config import load_config
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import METHODS
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.identity import configured_identity

EFFICIENT = [
    *("--method", "curtains_f4f_efficient"),
    *("--set", "methods.curtains_f4f_efficient.base_epochs=1"),
    *("--set", "methods.curtains_f4f_efficient.transport_epochs=1"),
    *("--set", "methods.curtains_f4f_efficient.scaling_bags=2"),
]
DATA = ["--inject", "150", "--reserve", "0.3", "--processes", "1"]


def provenance(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["provenance"])


@pytest.fixture(scope="module")
def efficient(tmp_path_factory, data_file):
    """A finished run of the efficient configuration, with its own base flow."""
    run = tmp_path_factory.mktemp("efficient") / "run"
    result = invoke("run", "--run", run, "--signal-region", "3.3-3.7", "--data", data_file, *DATA, *FAST, *EFFICIENT)
    assert result.exit_code == 0, result.output
    return run


def test_a_run_makes_the_base_flow_that_it_lacks_and_keeps_it(efficient, data_file):
    base = provenance(efficient / "shared_model.h5")
    assert base["stage"] == "shared model"
    with h5py.File(efficient / "model.h5") as model:
        assert model["shared/has_seen_signal_region"][()]
    again = invoke("run", "--run", efficient, "--quiet")
    assert again.exit_code == 0, again.output
    assert "Up to date, not run again: split, shared model" in again.output


def test_every_event_is_in_the_base_flow_or_left_out(efficient):
    with h5py.File(efficient / "split.h5") as split, h5py.File(efficient / "shared_model.h5") as base:
        n_events = sum(len(split[name]["mjj"]) for name in ("sb1", "sr", "sb2", "rest"))
        assert int(base["counts/n_seen"][()]) == n_events
        assert int(base["counts/n_left_out"][()]) == 0


def test_another_signal_region_uses_the_same_base_flow(efficient, data_file, tmp_path):
    options = ["--signal-region", "3.4-3.8", "--data", data_file, "--inject", "150", "--reserve", "0.3"]
    invoke("split", "--run", tmp_path / "other", *options)
    base = ["--base", efficient / "shared_model.h5"]
    result = invoke("template", "--run", tmp_path / "other", *base, *FAST[:-2], *EFFICIENT)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "other" / "shared_model.h5").exists()
    used = provenance(tmp_path / "other" / "model.h5")["inputs"]["shared_model"]
    assert used == provenance(efficient / "model.h5")["inputs"]["shared_model"]


def test_a_window_can_be_left_out_of_the_base_flow(efficient, tmp_path):
    base = tmp_path / "blind.h5"
    result = invoke("base", "--run", efficient, "--without", "3.3-3.7", "--base", base, "--quiet")
    assert result.exit_code == 0, result.output
    with h5py.File(efficient / "split.h5") as split, h5py.File(base) as file:
        assert int(file["counts/n_left_out"][()]) == len(split["sr/mjj"])
    result = invoke("run", "--run", efficient, "--base", base)
    assert result.exit_code == 4
    assert "provided.left_out was [], now [[3300.0, 3700.0]]" in " ".join(result.output.split())


@pytest.mark.parametrize("windows", [("3.0-4.0", "3.3-3.5"), ("3.0-3.6", "3.4-4.0"), ("3.5-4.0", "3.0-3.5")])
def test_windows_that_meet_are_left_out_of_the_base_flow_as_one(efficient, tmp_path, windows):
    without = [option for window in windows for option in ("--without", window)]
    result = invoke("base", "--run", efficient, *without, "--base", tmp_path / "blind.h5", "--quiet")
    assert result.exit_code == 0, result.output
    base = read_artifact(tmp_path / "blind.h5", schema.SHARED_MODEL).groups
    with h5py.File(efficient / "split.h5") as split:
        masses = np.concatenate([split[name]["mjj"][()] for name in ("sb1", "sr", "sb2", "rest")])
    assert base["counts"]["n_left_out"] == ((masses >= 3000.0) & (masses < 4000.0)).sum()
    assert (base["left_out"]["low"].tolist(), base["left_out"]["high"].tolist()) == ([3000.0], [4000.0])


def test_a_base_flow_of_other_settings_is_refused_by_their_name(efficient):
    other = ["--set", "methods.curtains_f4f_efficient.base_bins=5", "--overwrite"]
    result = invoke("template", "--run", efficient, "--base", efficient / "shared_model.h5", *other)
    assert result.exit_code == 4
    assert "was trained with base_bins" in " ".join(result.output.split())


def test_a_base_flow_that_leaves_out_other_windows_than_the_settings_say_is_refused(efficient):
    other = ["--set", "template.base=''", "--set", "template.base_without=['3.3-3.7']", "--overwrite"]
    result = invoke("template", "--run", efficient, *other)
    assert result.exit_code == 4
    assert "leaves out other windows" in " ".join(result.output.split())


def test_a_named_base_flow_that_has_seen_what_the_settings_leave_out_is_refused(efficient):
    other = ["--base", efficient / "shared_model.h5", "--set", "template.base_without=['3.3-3.7']", "--overwrite"]
    result = invoke("template", "--run", efficient, *other)
    assert result.exit_code == 2
    assert "has seen events of 3.3-3.7 TeV, which template.base_without leaves out" in " ".join(result.output.split())


def test_what_was_measured_with_one_base_flow_is_not_used_with_one_that_has_seen_less(efficient, tmp_path):
    def configured_digest(config):
        return configured_identity(Analysis.open(efficient, config)).digest

    whole = load_config([], [], {"template.method": "curtains_f4f_efficient"})
    blind = load_config([], [], {"template.method": "curtains_f4f_efficient", "template.base_without": ["3.3-3.7"]})
    base = tmp_path / "base.h5"
    invoke("base", "--run", efficient, "--without", "3.3-3.7", "--base", base, "--quiet")
    named = load_config([], [], {"template.method": "curtains_f4f_efficient", "template.base": str(base)})
    assert configured_digest(blind) == configured_digest(named) != configured_digest(whole)


def test_a_base_flow_of_other_events_is_refused(efficient, data_file, tmp_path):
    options = [
        "--signal-region",
        "3.3-3.7",
        "--data",
        data_file,
        "--base",
        efficient / "shared_model.h5",
        "--seed",
        "2",
    ]
    result = invoke("run", "--run", tmp_path / "run", *options, *DATA, *FAST, *EFFICIENT)
    assert result.exit_code == 4
    assert "was trained on other events" in result.output
    assert "seed differ" in result.output


@pytest.mark.parametrize("method", ["salad", "flows_for_flows"])
def test_a_method_from_simulation_asks_for_it_before_anything_is_made(method, data_file, tmp_path):
    options = ["--signal-region", "3.3-3.7", "--data", data_file, "--method", method]
    result = invoke("run", "--run", tmp_path / "run", *options, *DATA)
    assert result.exit_code == 2
    assert "--simulation FILE" in result.output


def test_simulation_is_weighted_to_the_data(copied, data_file, tmp_path):
    simulation = write_official(tmp_path / "simulation.h5", shipped_rows(8, first=1))
    options = ["--method", "salad", "--simulation", simulation, "--set", "methods.salad.epochs=2", "--overwrite"]
    result = invoke("template", "--run", copied, *options)
    assert result.exit_code == 0, result.output
    with h5py.File(copied / "template.h5") as file:
        assert (file["events/source_id"][()] < 0).all()
        assert (file["events/weight"][()] == 1.0).all()
        copies = np.unique(file["events/source_id"][()], return_counts=True)[1]
    with h5py.File(copied / "split.h5") as split:
        assert copies.sum() == 4 * len(split["sr/mjj"])
    assert copies.max() > copies.min() + 1  # more than rounding


def test_the_data_are_refused_as_their_own_simulation(data_file, tmp_path):
    options = ["--data", data_file, "--signal-region", "3.3-3.7", "--method", "salad", "--simulation", data_file]
    result = invoke("run", "--run", tmp_path / "run", *options, *DATA)
    assert result.exit_code == 2
    assert "would hold copies of them" in " ".join(result.output.split())


def test_a_missing_simulation_or_a_mistyped_method_costs_no_split(data_file, tmp_path):
    options = ["run", "--run", tmp_path / "run", "--data", data_file, "--signal-region", "3.3-3.7"]
    missing = invoke(*options, "--method", "salad", "--simulation", tmp_path / "none.h5")
    assert missing.exit_code == 3
    mistyped = invoke(*options, "--set", "methods.curtain_f4f.base_epochs=1")
    assert mistyped.exit_code == 2
    assert "did you mean 'curtains_f4f'" in " ".join(mistyped.output.split())
    assert not (tmp_path / "run").exists()


def test_a_simulation_with_other_columns_is_refused_by_the_name_of_the_column(copied, tmp_path):
    names = ("pxj1", "pyj1", "other")
    simulation = write_official(tmp_path / "simulation.h5", shipped_rows(50)[:, :3], names)
    result = invoke("template", "--run", copied, "--method", "salad", "--simulation", simulation, "--overwrite")
    assert result.exit_code == 3
    assert "column 'pzj1' is missing" in result.output


OWN = """
file = "{name}.npz"
[mjj]
column = "mass"
unit = "GeV"
[features.first]
column = "{column}"
unit = "1"
[features.second]
column = "second"
unit = "1"
"""


def own_events(folder, name, n=6000, column="first", change=None, seed=1):
    """Write events with two features of their own, and the manifest that names them."""
    events = toy_events(n, seed)
    columns = {"mass": events.mjj, column: events.features[:, 0].copy(), "second": events.features[:, 1].copy()}
    if change:
        change(columns)
    np.savez(folder / f"{name}.npz", **columns)
    manifest = folder / f"{name}.toml"
    manifest.write_text(OWN.format(name=name, column=column))
    return manifest


def split_own(folder, *options, **changes):
    run = folder / "run"
    data = own_events(folder, "data", **changes)
    result = invoke("split", "--run", run, "--data", data, "--signal-region", "3.3-3.7", *options)
    assert result.exit_code == 0, result.output
    return run


def test_a_simulation_that_lacks_a_feature_is_refused_by_its_name(tmp_path):
    simulation = own_events(tmp_path, "simulation", column="other")
    simulation.write_text(simulation.read_text().replace("features.first", "features.other"))
    run = split_own(tmp_path)
    result = invoke("template", "--run", run, "--method", "flows_for_flows", "--simulation", simulation)
    assert result.exit_code == 3
    assert "simulation.toml: has no feature 'first'" in " ".join(result.output.split())


def make_nan(columns):
    columns["second"][::40] = np.nan


@pytest.mark.parametrize(("options", "exit_code"), [((), 3), (("--drop-nan",), 0)])
def test_a_simulation_with_nan_is_used_where_the_split_dropped_nan(tmp_path, options, exit_code):
    simulation = own_events(tmp_path, "simulation", change=make_nan, seed=2)
    quick = ["--set", "methods.salad.epochs=1"]
    run = split_own(tmp_path, *options)
    result = invoke("template", "--run", run, "--method", "salad", "--simulation", simulation, *quick)
    assert result.exit_code == exit_code, result.output
    if exit_code:
        assert "column 'second' is NaN" in " ".join(result.output.split())
        return
    steps = read_artifact(run / "model.h5", schema.TEMPLATE_MODEL).groups["simulation"]
    left = dict(zip(steps["step"], steps["n_events"].tolist(), strict=True))
    assert list(left.values())[:2] == [6000, 5850]
    with np.load(tmp_path / "simulation.npz") as file:
        inside = (file["mass"] >= 3000.0) & (file["mass"] < 4600.0) & np.isfinite(file["second"])
        assert left["in side-bands and signal region"] == inside.sum()


def test_a_column_without_any_number_is_named_whether_nan_are_dropped_or_not(tmp_path):
    data = own_events(tmp_path, "data", change=lambda columns: columns["second"].fill(np.nan))
    for options in ((), ("--drop-nan",)):
        result = invoke("split", "--run", tmp_path / "run", "--data", data, "--signal-region", "3.3-3.7", *options)
        assert result.exit_code == 3
        assert "column 'second' is NaN or infinite in every event" in " ".join(result.output.split())


@pytest.mark.parametrize("precision", ["f8", "f4"])
def test_the_data_in_another_order_or_precision_are_refused_as_simulation(tmp_path, precision):
    run = split_own(tmp_path)
    simulation = own_events(tmp_path, "simulation")
    with np.load(tmp_path / "simulation.npz") as file:
        np.savez(tmp_path / "reversed.npz", **{name: file[name][::-1].astype(precision) for name in file.files})
    simulation.write_text(simulation.read_text().replace("simulation.npz", "reversed.npz"))
    result = invoke("template", "--run", run, "--method", "salad", "--simulation", simulation)
    assert result.exit_code == 2
    assert "are among the analysed events" in " ".join(result.output.split())
    assert not (run / "model.h5").exists()


def make_whole(columns):
    for name, step in (("mass", 20.0), ("first", 1.0), ("second", 1.0)):
        columns[name][:] = np.round(columns[name] / step) * step


def test_independent_simulation_in_whole_numbers_is_not_taken_for_the_data(tmp_path):
    run = split_own(tmp_path, change=make_whole)
    simulation = own_events(tmp_path, "simulation", change=make_whole, seed=2)
    quick = ["--set", "methods.salad.epochs=1"]
    result = invoke("template", "--run", run, "--method", "salad", "--simulation", simulation, *quick)
    assert result.exit_code == 0, result.output


def shift(columns):
    columns["second"] += 50.0


def shift_but_one(columns):
    columns["second"][1:] += 50.0
    columns["second"][0] = -50.0


def cut_out(columns):
    is_low = columns["second"] < np.quantile(columns["second"], 0.2)
    columns["second"][is_low] = np.quantile(columns["second"], 0.3)


@pytest.mark.parametrize("change", [shift, shift_but_one, cut_out])
def test_weights_are_refused_where_the_simulation_has_no_events(tmp_path, change):
    run = split_own(tmp_path)
    simulation = own_events(tmp_path, "simulation", change=change, seed=2)
    result = invoke("template", "--run", run, "--method", "salad", "--simulation", simulation)
    assert result.exit_code == 5
    assert "% of the side-band events have their 'second'" in " ".join(result.output.split())
    assert not (run / "model.h5").exists()


def test_a_simulation_in_another_place_can_be_moved(tmp_path):
    run = split_own(tmp_path)
    simulation = own_events(tmp_path, "simulation", change=shift, seed=2)
    quick = [f"methods.flows_for_flows.{part}_epochs=1" for part in ("base", "transport")]
    settings = [word for setting in quick for word in ("--set", setting)]
    result = invoke("template", "--run", run, "--method", "flows_for_flows", "--simulation", simulation, *settings)
    assert result.exit_code == 0, result.output
    with h5py.File(run / "template.h5") as template, h5py.File(run / "split.h5") as split:
        own, data = (file["features"][:, 1] for file in (template["events"], split["sr"]))
    assert abs(np.median(own) - np.median(data)) < 0.5


def flatten_all(columns):
    columns["second"][:] = 1.0


def test_a_simulation_with_a_constant_feature_is_refused_by_its_name(tmp_path):
    run = split_own(tmp_path)
    simulation = own_events(tmp_path, "simulation", change=flatten_all, seed=2)
    result = invoke("template", "--run", run, "--method", "flows_for_flows", "--simulation", simulation)
    assert result.exit_code == 5
    assert "feature 'second' has the same value (1) in every simulated event" in " ".join(result.output.split())


def test_a_simulation_of_signal_only_is_refused_as_such(copied, tmp_path):
    rows = shipped_rows(1)
    signal = write_official(tmp_path / "signal.h5", rows[rows[:, -1] == 1])
    result = invoke("template", "--run", copied, "--method", "salad", "--simulation", signal, "--overwrite")
    assert result.exit_code == 3
    assert "holds signal only" in result.output


@pytest.fixture(scope="module")
def made_of_reference(tmp_path_factory):
    """A folder with data, a reference, a simulation that shares half of its events, and a template made of that."""
    folder = tmp_path_factory.mktemp("reference")
    rows, run = shipped_rows(1), folder / "run"
    background, signal = rows[rows[:, -1] == 0], rows[rows[:, -1] == 1]
    data = write_official(folder / "data.h5", np.concatenate([background[::4], signal[:200]]))
    reference = write_official(folder / "reference.h5", np.concatenate([background[1::4], signal[200:]]))
    simulation = write_official(folder / "simulation.h5", np.concatenate([background[1::8], background[2::8]]))
    files = ["--data", data, "--reference", reference, "--reserve", "0", "--inject", "all"]
    quick = ["--set", "methods.salad.epochs=1", "--simulation", simulation]
    result = invoke("split", "--run", run, "--signal-region", "3.3-3.7", *files)
    assert result.exit_code == 0, result.output
    result = invoke("template", "--run", run, "--method", "salad", *quick)
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["evaluate", "closure"])
def test_a_template_made_from_the_reference_measures_nothing_on_it(stage, made_of_reference):
    run, data, reference = (made_of_reference / name for name in ("run", "data.h5", "reference.h5"))
    result = invoke(stage, "--run", run)
    assert result.exit_code == 2, result.output
    assert "of its events are among the reference events" in " ".join(result.output.split())
    assert not (run / f"{stage}.h5").exists()
    for other in (data, run.parent / "vanished.h5"):
        result = invoke(stage, "--run", run, "--set", f"template.simulation={other}")
        assert result.exit_code == 2, result.output
        assert "is not the simulation that" in " ".join(result.output.split())
    same = invoke("template", "--run", run, "--method", "salad", "--simulation", reference, "--overwrite")
    assert same.exit_code == 2
    assert "a file that the reference events come from" in " ".join(same.output.split())


def test_a_few_simulated_events_are_told_as_few_though_they_cover_little(tmp_path):
    run = split_own(tmp_path)
    simulation = own_events(tmp_path, "simulation", n=40, seed=2)
    result = invoke("template", "--run", run, "--method", "salad", "--simulation", simulation)
    assert result.exit_code == 5
    assert "at least 500 are needed; give a larger file" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("salad.largest_weight=0", "must be 1 or more"),
        ("salad.largest_weight=nan", "must be a finite number"),
        ("drapes.sigma_max=inf", "must be a finite number"),
        ("drapes.steps=1", "steps must be 2 or more"),
    ],
)
def test_settings_that_no_training_can_use_cost_none(setting, advice):
    result = invoke("config", "--set", f"methods.{setting}")
    assert result.exit_code == 2, result.output
    assert advice in " ".join(result.output.split())


def test_a_feature_that_is_constant_in_the_side_bands_is_refused_by_its_name(tmp_path):
    def flatten(columns):
        columns["second"][(columns["mass"] < 3300.0) | (columns["mass"] >= 3700.0)] = 2.0

    result = invoke("template", "--run", split_own(tmp_path, change=flatten))
    assert result.exit_code == 5
    assert "feature 'second' has the same value (2) in every side-band event" in " ".join(result.output.split())


def test_side_bands_with_too_few_events_are_refused(tmp_path):
    result = invoke("template", "--run", split_own(tmp_path, n=1000))
    assert result.exit_code == 5
    assert "needs at least 500; widen it with --side-bands" in " ".join(result.output.split())


def test_a_template_that_nothing_can_be_compared_with_says_how_to_check_it(tmp_path):
    run = split_own(tmp_path)
    result = invoke("template", "--run", run, "--method", "rad_ot")
    assert result.exit_code == 0, result.output
    result = invoke("closure", "--run", run)
    assert result.exit_code == 0, result.output
    assert "was not measured" in result.output
    assert "anomaly closure --windows" in " ".join(result.output.split())
    assert "Wasserstein" not in result.output


def test_what_is_next_is_what_the_method_can_do(copied):
    quick = ["--overwrite", "--processes", "1", "--set", "classifiers.trees.iterations=5"]
    mixed = invoke("run", "--run", copied, "--method", "rad_ot", *quick)
    assert mixed.exit_code == 0, mixed.output
    following = mixed.output.split("Next:")[1]
    assert "--measure" in following
    assert "significance bump" not in following
    result = invoke("run", "--run", copied, "--method", "idealised", *quick)
    assert result.exit_code == 0, result.output
    assert "--measure" not in result.output.split("Next:")[1]


def test_a_template_says_where_no_epoch_was_better_than_the_start(copied):
    quick = ["--method", "curtains_f4f", "--overwrite", *FAST[:4]]
    frozen = "methods.curtains_f4f.transport_learning_rate=1e-30"
    result = invoke("template", "--run", copied, *quick, "--set", frozen)
    assert result.exit_code == 0, result.output
    rows = re.findall(r"^ +(base|transport) flow(?:, part \d)? +\d+ +(\d+) ", result.output, re.MULTILINE)
    assert {part for part, _ in rows} == {"base", "transport"}
    best = {name: {epoch for part, epoch in rows if part == name} for name in ("base", "transport")}
    assert best["transport"] == {"0"}
    assert best["base"] != {"0"}


@pytest.mark.parametrize(
    "method",
    [
        "supervised",
        pytest.param("cwola_hunting", marks=pytest.mark.slow),
        pytest.param("over_idealised", marks=pytest.mark.slow),
        pytest.param("drapes_signal_region", marks=pytest.mark.slow),
    ],
)
def test_references_and_bounds_run_to_the_end(method, copied):
    quick = ["--set", f"methods.{method}.epochs=1"] if method.startswith("drapes") else []
    result = invoke("run", "--run", copied, "--method", method, "--overwrite", "--processes", "1", *quick)
    assert result.exit_code == 0, result.output
    assert f"template {method}" in result.output
    assert ("(truth), seed" in result.output) == (Need.TRUTH in METHODS.find()[method].needs)


def test_the_bump_hunt_refuses_events_that_are_made_from_several(copied):
    result = invoke("template", "--run", copied, "--method", "rad_ot", "--overwrite")
    assert result.exit_code == 0, result.output
    result = invoke("significance", "bump", "--run", copied, "--set", "template.method=curtains_f4f")
    assert result.exit_code == 2, result.output
    assert "from several side-band events" in " ".join(result.output.split())


@pytest.mark.slow
def test_a_combination_scores_every_event_with_every_component(copied):
    quick = ["--set", "methods.combined.methods=['rad_ot','cathode']"]
    result = invoke("run", "--run", copied, "--method", "combined", "--overwrite", "--processes", "1", *quick)
    assert result.exit_code == 0, result.output
    with h5py.File(copied / "template.h5") as template, h5py.File(copied / "scores.h5") as scores:
        component = template["components/component"][()]
        assert set(component) == {0, 1}
        assert len(scores["template/score"]) == len(component)
        assert len(scores["observed/score"]) > 0


def test_a_method_that_needs_truth_cannot_be_combined(copied):
    options = ["--method", "combined", "--set", "methods.combined.methods=['rad_ot','idealised']", "--overwrite"]
    result = invoke("run", "--run", copied, *options)
    assert result.exit_code == 2
    assert "'idealised' cannot be combined" in result.output


@pytest.mark.slow
def test_closure_in_signal_free_windows_looks_at_no_event_of_the_signal_region(copied):
    quick = ["--set", "significance.window_width=0.5", "--set", "significance.windows=3", "--overwrite"]
    result = invoke("closure", "--run", copied, "--windows", *quick, *FAST[:4])
    assert result.exit_code == 0, result.output
    with h5py.File(copied / "closure.h5") as file:
        checks = [name.decode() for name in file["checks/check"][()]]
        windows = [name.removeprefix("window ").removesuffix(" TeV") for name in checks if name.startswith("window")]
        assert len(windows) == 3
        for window in windows:
            low, high = map(float, window.split("-"))
            assert high <= 3.3 or low >= 3.7
        assert len(file["distances/fpd"]) == 2 * len(checks)


@pytest.mark.parametrize("family", ["methods", "classifiers", "scores"])
def test_a_list_of_plug_ins_says_nothing_twice_to_programs(family):
    table = json.loads(invoke(family, "--json").output)["tables"][0]
    assert [column["name"] for column in table["columns"]] == [family[:-1], "summary", "needs", "reference", "presets"]
    assert all(row["summary"] and row["reference"] for row in table["rows"])


def test_the_list_of_methods_names_each_and_what_it_needs_beside_the_side_bands():
    result = invoke("methods")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    for name, method in METHODS.find().items():
        needs = ", ".join(sorted(need.value for need in method.needs - {Need.SIDE_BANDS}))
        line = f" {name} {method.summary}{f'; needs {needs}' if needs else ''} ({method.reference})"
        assert line in text
