"""The public check of a target, run over every one that is found."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from toys import shipped_rows, write_official

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.manifests import shipped_file
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report.reproduction import reproduction_report
from anomaly_cli.report.table import Message
from anomaly_cli.reproduce import kind_search
from anomaly_cli.reproduce.comparing import collect
from anomaly_cli.reproduce.eventfiles import EventFiles, open_files
from anomaly_cli.reproduce.kinds import KINDS
from anomaly_cli.reproduce.published import FOLDER, not_found, rows_of
from anomaly_cli.reproduce.running import count_jobs, plan_target
from anomaly_cli.reproduce.targets import NO_EVENTS, SCALES, find_targets, load_target, parse_target
from anomaly_cli.stages.resolve import resolve_settings

NAMES = list(find_targets())
RUNNABLE = [name for name in NAMES if not load_target(name).waits_for]
GIVEN = EventFiles(
    data="shipped",
    simulation="mc.h5",
    digests=(("data", "0"), ("simulation", "1")),
    n_background=200_000,
    n_signal=20_000,
    n_background_inside=24_270,
    n_signal_inside=15_440,
)
MOST_QUICK_JOBS, MOST_QUICK_MINUTES = 40, 25.0


def plan(name, scale):
    target = load_target(name)
    return plan_target(target, scale, EventFiles() if target.data == NO_EVENTS else GIVEN)


@pytest.mark.parametrize("name", NAMES)
def test_published_values_say_where_they_are_from_and_how_they_were_read(name):
    rows = rows_of(load_target(name))
    assert rows
    for row in rows:
        assert row.how_read
        assert row.value is None or (row.source and row.protocol)
    assert all(row.value is not None for row in rows) or not_found(rows)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("scale", SCALES)
def test_all_that_a_target_names_is_there(name, scale):
    target = load_target(name)
    assert target.kind in KINDS
    assert len({series.name for series in target.series}) == len(target.series)
    planned = plan(name, scale)  # refuses methods, classifiers and settings that are not there
    assert planned.jobs
    for place in planned.places:
        assert bool(place.jobs) != bool(place.why_not)


@pytest.mark.parametrize("name", RUNNABLE)
def test_what_is_published_of_a_series_is_found_under_its_name(name):
    target, rows = load_target(name), rows_of(load_target(name))
    methods = {row.method for row in rows}
    for series in target.series:
        if series.published and "{" not in series.published:
            assert series.published in methods
    quantities = {row.quantity for row in rows}
    for quantity in target.quantities:
        assert not quantity.published or quantity.published in quantities
    is_public = any(row.value is not None for row in rows)
    assert not is_public or any((one.published or one.name) in quantities for one in target.quantities)


@pytest.mark.parametrize("name", RUNNABLE)
def test_quick_is_minutes(name):
    jobs = plan(name, "quick").jobs
    assert len(jobs) <= MOST_QUICK_JOBS
    assert len(jobs) * load_target(name).scales["quick"].cpu_minutes <= MOST_QUICK_MINUTES


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", RUNNABLE)
def test_jobs_are_counted_without_events(name, scale):
    assert count_jobs(load_target(name), scale) == len(plan(name, scale).jobs)


def test_a_setting_that_jobs_do_not_have_is_refused_with_the_nearest():
    target = load_target("sic-trees")
    misspelt = replace(target, settings={**target.settings, "mesure": ["sic"]})
    with pytest.raises(ConfigError, match="target sic-trees: has no setting 'mesure'; did you mean 'measure'"):
        count_jobs(misspelt, "quick")


def test_a_job_is_another_one_where_the_manifest_of_its_file_is(tmp_path):
    shutil.copy(shipped_file(), tmp_path / "events.h5")
    target, keys = load_target("closure-auc"), []
    for energy in ("13 TeV", "14 TeV", "13 TeV"):
        (tmp_path / "mine.toml").write_text(f'file = "events.h5"\ncollision_energy = "{energy}"\n')
        files = open_files(target, "quick", str(tmp_path / "mine.toml"), "", "")
        keys.append(plan_target(target, "quick", files).jobs[0].key)
    assert keys[0] == keys[2] != keys[1]


def test_every_file_of_published_values_belongs_to_a_target():
    used = {file for name in NAMES for file in load_target(name).published}
    assert used == {path.name for path in FOLDER.iterdir()}


def test_targets_share_their_jobs():
    first, second = ({job.key for job in plan(name, "standard").jobs} for name in ("closure-auc", "training-time"))
    assert len(first & second) > 10
    again = plan("closure-auc", "standard")
    elsewhere = plan_target(load_target("closure-auc"), "standard", EventFiles(**{**vars(GIVEN), "data": "/copy.h5"}))
    assert [job.key for job in again.jobs] == [job.key for job in elsewhere.jobs], "a path is in the key"


def test_a_job_is_another_one_where_a_default_of_its_method_is(monkeypatch):
    keys = {job.key for job in plan("training-time", "quick").jobs}
    method = METHODS.make("curtains_f4f", {})
    changed = replace(method, transport_epochs=method.transport_epochs + 1)
    monkeypatch.setattr(
        kind_search, "resolve_settings", lambda config: replace(resolve_settings(config), method=changed)
    )
    assert not keys & {job.key for job in plan("training-time", "quick").jobs}


def test_a_job_is_another_one_where_its_kind_is(monkeypatch):
    keys = {job.key for job in plan("fpd-kpd-toys", "quick").jobs}
    monkeypatch.setitem(KINDS, "distances", replace(KINDS["distances"], version="another"))
    assert not keys & {job.key for job in plan("fpd-kpd-toys", "quick").jobs}


def test_signal_that_is_published_as_in_the_region_is_injected_over_the_whole_spectrum():
    jobs = plan("drapes-mlp", "quick").jobs
    assert {job.settings["config"]["data"]["inject"] for job in jobs} == {GIVEN.injection(971, 1_000_000)}


def test_rows_that_are_published_twice_are_refused():
    with pytest.raises(ConfigError, match=r"max SIC of Supervised at 'default' is published twice; name the tables"):
        rows_of(replace(load_target("max-sic-cathode"), tables=()))


@pytest.mark.parametrize("name", NAMES)
def test_tables_that_a_target_names_are_published(name):
    target, tables = load_target(name), {row.table for row in rows_of(load_target(name))}
    assert set(target.tables) <= tables
    quantities = {f"{row.table} {row.quantity}" for row in rows_of(target)}
    assert set(target.spread_over) <= tables | quantities
    said = {row.table for row in rows_of(target) if "std over" in row.protocol + row.how_read}
    assert said <= set(target.spread_over)


def test_an_error_of_one_quantity_of_a_table_may_be_the_spread_of_several_values(tmp_path):
    values = collect(plan("fpd-kpd-toys", "quick"), tmp_path).values
    over = {value.quantity: value.published_over for value in values if value.published is not None}
    assert over == {"Frechet distance, 1e-3": 1, "kernel distance": 6, "Wasserstein": 1}


def test_a_waiting_target_says_what_it_waits_for():
    waiting = next(name for name in NAMES if load_target(name).waits_for)
    with pytest.raises(ConfigError, match=r"waits for .*anomaly reproduce show"):
        plan(waiting, "quick")


@pytest.mark.parametrize(
    ("name", "scale", "files", "sentence"),
    [
        ("sic-trees", "paper", ("", "", ""), "anomaly data fetch lhco_rnd_features"),
        ("fpd-kpd-toys", "quick", ("events.h5", "", ""), "leave out --data"),
        ("sic-trees", "quick", ("", "", "mc.h5"), "leave out --simulation"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_sentence(name, scale, files, sentence):
    with pytest.raises(ConfigError, match=sentence):
        open_files(load_target(name), scale, *files)


def test_injections_into_the_shipped_file_have_the_published_significance():
    files = open_files(load_target("sic-trees"), "quick", "", "", "")
    assert (files.n_background, files.n_signal) == (218_480, 20_000)
    n = files.injection(1_000, 1_000_000)
    ours = n * files.n_signal_inside / files.n_signal / (0.6 * files.n_background_inside) ** 0.5
    assert ours == pytest.approx(772 / 121_352**0.5, rel=2e-3)  # arXiv:2109.00546


def test_of_the_papers_own_file_some_is_held_back_and_the_factor_says_so():
    real = replace(GIVEN, n_background=10**6, n_signal=10**5, n_background_inside=121_352, n_signal_inside=77_200)
    real = replace(real, is_real=True)
    assert real.injection(1_000, 10**6) == round(1_000 * 0.6**0.5)
    planned = plan_target(load_target("sic-trees"), "quick", real)
    words = planned.files.words(planned.target, [job.settings for job in planned.jobs])
    assert "the file that the paper used: 1,000,000 background" in words
    assert "Injections are the published ones times 0.77, for equal S/sqrt(B) in 3.3-3.7 TeV." in words
    whole = replace(real, reference="more.h5", digests=(*real.digests, ("reference", "2")))
    assert "Injections" not in whole.words(planned.target, [job.settings for job in planned.jobs])


@pytest.mark.parametrize("kind", ["background", "signal"])
def test_a_file_with_nothing_in_the_region_cannot_be_scaled_to_it(kind):
    none = replace(GIVEN, **{f"n_{kind}_inside": 0})
    with pytest.raises(ConfigError, match=f"holds no {kind} in 3.3-3.7 TeV"):
        plan_target(load_target("sic-trees"), "quick", none)
    assert none.injection(0, 10**6) == 0


def test_a_simulation_is_part_of_the_jobs_that_read_it():
    target = load_target("interplay")
    keys = {}
    for digest in ("1", "2", None):
        simulation = {"simulation": "mc.h5" if digest else ""}
        digests = (("data", "0"), *([("simulation", digest)] if digest else []))
        places = plan_target(target, "standard", replace(GIVEN, digests=digests, **simulation)).places
        keys[digest] = {(place.series.name, job.key) for place in places for job in place.jobs}
    read = {"FETA", "SALAD"}
    assert {name for name, _ in keys["1"] ^ keys["2"]} == read
    assert {name for name, _ in keys["1"] ^ keys[None]} == read


def test_the_papers_scale_takes_a_file_that_is_nearly_the_papers(data_file):
    target, n = load_target("sic-trees"), 27_310
    nearly, not_quite = (replace(target, n_background=round(n / share)) for share in (0.91, 0.89))
    assert open_files(nearly, "paper", str(data_file), "", "").n_background == n
    with pytest.raises(ConfigError, match=f"holds {n} background events where the paper has {round(n / 0.89)}"):
        open_files(not_quite, "paper", str(data_file), "", "")


def test_references_that_no_job_could_use_are_refused_before_any_is_run(data_file, tmp_path):
    with pytest.raises(ConfigError, match="is the data itself; give other events"):
        open_files(load_target("sic-trees"), "quick", str(data_file), str(data_file), "")
    unlabelled = write_official(tmp_path / "bare.h5", shipped_rows(8)[:, :14], OFFICIAL_COLUMNS)
    with pytest.raises(ConfigError, match="has no labels, without which nothing can be measured on it"):
        open_files(load_target("sic-trees"), "quick", "", str(unlabelled), "")
    with pytest.raises(ConfigError, match="holds no background back to measure on; leave out --reference"):
        open_files(load_target("flows-for-flows-science"), "quick", "", str(data_file), "")


def test_data_are_no_simulation_of_themselves(data_file):
    with pytest.raises(ConfigError, match=r"is the data itself; give background of another generator"):
        open_files(load_target("interplay"), "quick", str(data_file), "", str(data_file))


def test_a_file_with_too_little_signal_is_refused_before_anything_is_run():
    few = replace(GIVEN, n_signal=9, n_signal_inside=7)
    with pytest.raises(ConfigError, match=r"holds 9 signal events where target sic-trees injects 344"):
        plan_target(load_target("sic-trees"), "quick", few)


def test_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'sic-trees'"):
        load_target("sic_trees")
    with pytest.raises(ConfigError, match="did you mean 'quick'"):
        load_target("sic-trees").scale("quik")
    with pytest.raises(ConfigError, match="unknown setting 'serie'"):
        parse_target("x", {"title": "", "serie": []})


def test_settings_that_are_no_defaults_are_told(tmp_path):
    report = reproduction_report(collect(plan("lacathode", "quick"), tmp_path))
    said = [part.text for part in report if isinstance(part, Message)]
    (settings,) = (text for text in said if text.startswith("Settings of all rows: "))
    for one in ("template.crossfit = none", "data.inject = 1000 as published", "data.features = mj1,delta_mj,tau21_j1"):
        assert one in settings
    assert "methods.cathode.base_epochs = 4" in settings, "of the scale"
    assert "measure" not in settings


def test_seeds_share_what_is_held_back_or_all_of_a_reference():
    search, files = load_target("sic-trees"), load_target("flows-for-flows-science")
    assert GIVEN.shared(search) == 0.4
    assert replace(GIVEN, reference="y").shared(search) == 1.0
    assert GIVEN.shared(files) == 1.0
    assert EventFiles().shared(load_target("fpd-kpd-toys")) == 0.0


def test_injections_have_the_published_significance_on_fewer_events():
    assert GIVEN.injection(1000, 1_000_000) == round(1000 * (0.6 * 0.2) ** 0.5)
    denser = replace(GIVEN, n_background_inside=4 * 24_270, n_signal_inside=15_440 // 2)
    assert denser.injection(1000, 1_000_000) == pytest.approx(4 * GIVEN.injection(1000, 1_000_000), abs=2)
    whole = replace(GIVEN, reference="y", n_background_inside=121_352)
    assert whole.injection(1000, 1_000_000) == 1000
    injected, plain = ({"config": {"data": {"inject": n, "reserve": 0.4}}} for n in (346, 0))
    words = GIVEN.words(load_target("sic-trees"), [plain, injected])
    assert "40% of the background held back" in words
    assert "what the paper used (1,000,000 background events). Injections are the published ones times 0.35" in words
    assert words.endswith("Simulation: mc.h5, 0 events, SHA-256 1...")
    assert "Injections" not in GIVEN.words(load_target("sic-trees"), [plain])
    assert "held back" not in GIVEN.words(load_target("sic-trees"), [{"config": {"data": {"file": "x"}}}])


@pytest.mark.parametrize(
    ("name", "scale", "left_out"),
    [
        ("sic-trees", "quick", "Not computed at this scale: 68 of 76 published values, 16 of them at none."),
        ("r-anode", "quick", "Not computed at this scale: 173 of 182 published values, 114 of them at none."),
        ("lacathode", "standard", "Not computed at any scale: 15 of 27 published values."),
        ("fpd-kpd-toys", "standard", "Not computed at any scale: 40 of 56 published values."),
    ],
)
def test_published_values_that_a_scale_leaves_out_are_counted(name, scale, left_out, tmp_path):
    counted = [note for note in collect(plan(name, scale), tmp_path).notes if note.startswith("Not computed")]
    assert counted == [left_out]
