"""Sets of background for a calibration, and signal in signal-free windows: what lies in which search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import invoke
from toys import blind, shipped_rows, write_official

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.cli.significance_execution import FAST_FOLDS, _fast
from anomaly_cli.config import Config, load_config
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.records import build_record
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.search.split import split_events
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.background_sets import open_sets
from anomaly_cli.studies.calibrate import open_calibration
from anomaly_cli.studies.experiment_jobs import (
    FIRST_SIGNAL_ID,
    Job,
    draw_signal,
    injection_jobs,
    refuse_too_much_signal,
)
from anomaly_cli.studies.experiments import open_laboratory
from anomaly_cli.studies.free_windows import WindowSource, open_windows
from anomaly_cli.studies.remeasured import Remeasure

COMPUTE = Compute(Streams(1))


@pytest.fixture(scope="module")
def analysis(finished):
    return Analysis.open(finished, load_config([finished / "config.toml"], [], {}))


def write_background(path, first=0, step=1):
    """Write rows of shipped background, every `step`-th from `first` on."""
    rows = shipped_rows(1)
    background = rows[rows[:, 14] == 0]
    return write_official(path, background[first::step])


def test_the_data_themselves_without_their_signal_are_one_set(analysis):
    source = open_sets(analysis, [], [])
    (job,) = source.jobs()
    split = source.draw(job, COMPUTE).split
    everything = split.everything
    assert len(source.sets) == 1
    assert len(np.unique(everything.event_id)) == len(everything)
    own = stored_split(analysis.run.read(schema.SPLIT))
    assert split.regions == own.regions
    n_own, n_set = (len(one.sb1) + len(one.sb2) for one in (own, split))
    assert abs(n_set / n_own - 1.0) < 0.05


def test_a_large_file_becomes_disjoint_sets_of_the_size_of_the_data(analysis, tmp_path, monkeypatch):
    own = stored_split(analysis.run.read(schema.SPLIT))
    small = replace(
        own, sb1=own.sb1.take(np.arange(len(own.sb1)) % 3 == 0), sb2=own.sb2.take(np.arange(len(own.sb2)) % 3 == 0)
    )
    monkeypatch.setattr("anomaly_cli.studies.background_sets.stored_split", lambda _: small)
    source = open_sets(analysis, [], [Window(3300.0, 3700.0), Window(3700.0, 4100.0)])
    n = len(source.sets)
    assert n >= 3
    assert len(source.jobs()) == 2 * n == len({job.name for job in source.jobs()})
    drawn = [source.draw(job, COMPUTE).split for job in source.jobs()]
    masses = [np.sort(split.everything.mjj) for split in drawn[::2]]
    assert max(one.high for one in source.sets) < 1.0  # what is left over is no set
    for one in range(n):
        assert abs((len(drawn[2 * one].sb1) + len(drawn[2 * one].sb2)) / (len(small.sb1) + len(small.sb2)) - 1.0) < 0.1
        assert drawn[2 * one + 1].regions.sr == Window(3700.0, 4100.0)
        moved = drawn[2 * one + 1].regions
        assert (moved.sb1.width, moved.sb2.width) == (own.regions.sb1.width, own.regions.sb2.width)
        for other in range(one):
            assert len(np.intersect1d(masses[one], masses[other])) == 0


def test_names_of_searches_do_not_change_when_sets_or_regions_are_added(analysis, tmp_path):
    first = write_background(tmp_path / "one.h5")
    few = {job.name for job in open_sets(analysis, [first], []).jobs()}
    more = {job.name for job in open_sets(analysis, [first], [Window(3300.0, 3700.0), Window(3900.0, 4300.0)]).jobs()}
    assert few < more


def test_sets_that_cannot_be_used(analysis, tmp_path):
    every = write_background(tmp_path / "every.h5")
    again = write_background(tmp_path / "again.h5", 1)
    few = write_background(tmp_path / "few.h5", 0, 80)
    with pytest.raises(ConfigError, match="is named twice"):
        open_sets(analysis, [every, every], [])
    with pytest.raises(ConfigError, match="of its events are among the events of the sets before it"):
        open_sets(analysis, [every, again], [])
    with pytest.raises(ConfigError, match=r"side-band events where the data hold .* use files of .*000 events or more"):
        open_sets(analysis, [few], [])
    with pytest.raises(ConfigError, match=r"--region 1-1\.2: leaves less than 0\.1 TeV of a side-band"):
        open_sets(analysis, [every], [Window(1000.0, 1200.0)])
    with pytest.raises(ConfigError, match="name each signal region once"):
        open_sets(analysis, [every], [Window(3300.0, 3700.0)] * 2)


def test_background_with_other_features_calibrates_another_search(analysis, tmp_path):
    rng = np.random.default_rng(1)
    table = np.column_stack([2.5 + rng.exponential(0.5, 30_000), rng.uniform(0.1, 0.9, (30_000, 4))])
    names = ("m_jj", "m_jmin", "m_jmax-m_jmin", "tau21_jmin", "tau21_jmax")
    four = write_official(tmp_path / "four.h5", table, names)
    with pytest.raises(ConfigError, match=r"has the features mj1, delta_mj, tau21_j1, tau21_j2, the data mj1, .*_jj;"):
        open_sets(analysis, [four], [])


def test_blinded_data_are_neither_background_nor_signal(copied, data_file):
    """Their region would be searched, and what is found be shown, before anybody has said that he looks."""
    run = blind(copied)
    config = load_config([run / "config.toml"], [], {})
    blinded = Analysis.open(run, config)
    unlabelled = write_official(run / "again.h5", shipped_rows(8)[::-1, :14], OFFICIAL_COLUMNS)
    with pytest.raises(ConfigError, match="the data have no labels, so they cannot be searched without signal"):
        open_sets(blinded, [], [])
    for path in (data_file, unlabelled):
        with pytest.raises(ConfigError, match=r"--background .*: .* of its events are among the analysed events"):
            open_sets(blinded, [path], [])
    with pytest.raises(ConfigError, match=r"--signal .*: .* of its events are among the analysed events"):
        open_windows(blinded, unlabelled, injection_jobs([0, 100], 2))
    others = shipped_rows(1)
    others = others[(np.arange(len(others)) % 8 != 0) & (others[:, 14] == 0)]
    assert len(open_sets(blinded, [write_official(run / "others.h5", others)], []).sets) >= 1


def test_a_method_that_needs_more_than_side_bands_is_not_calibrated(analysis):
    config = replace(analysis.config, template=replace(analysis.config.template, method="idealised"))
    with pytest.raises(ConfigError, match="needs more than side-bands"):
        open_calibration(analysis.reconfigured(config), [], [])


def events(n, low, high, first_id, seed):
    rng = np.random.default_rng(seed)
    return make_events(rng.uniform(low, high, n), rng.normal(size=(n, 1)), ("mj1",), first_id + np.arange(n))


def test_signal_is_moved_with_its_window_and_never_into_the_region():
    background = events(40_000, 2500.0, 5000.0, 0, 1)
    background = background.take(~Window(3300.0, 3700.0).contains(background.mjj))
    regions = Regions(Window(3800.0, 4200.0), Window(3200.0, 3800.0), Window(4200.0, 4900.0))
    stretches = (Window(3200.0, 3300.0), Window(3700.0, 3800.0), Window(4200.0, 4900.0))
    window = split_events(background, regions, stretches)
    signal = events(3000, 3300.0, 3700.0, 0, 2)
    wide = replace(signal, mjj=np.where(np.arange(3000) % 5 == 0, signal.mjj - 500.0, signal.mjj))
    source = WindowSource((window,), wide, 3500.0, len(window.sr) / 4.0)
    drawn = source.draw(Job(0, 1000), COMPUTE)
    assert drawn.signal_scale == pytest.approx(2.0)
    split = drawn.split
    injected = split.everything.take(split.everything.event_id >= FIRST_SIGNAL_ID)
    assert len(injected) < 2000  # what is moved into the signal region, or beyond the side-bands, is not seen
    assert not Window(3300.0, 3700.0).contains(split.everything.mjj).any()
    assert (split.sr.event_id >= FIRST_SIGNAL_ID).sum() == pytest.approx(1600, abs=60)
    assert len(split.everything) - len(injected) == len(window.everything)
    nothing = source.draw(Job(0, 0), COMPUTE)
    assert nothing.split is window
    assert nothing.signal_scale == pytest.approx(2.0)  # its limit is on the signal of the region, as all others are


def test_as_much_signal_is_drawn_as_is_asked_for_each_event_once():
    drawn = draw_signal(events(50, 3300.0, 3700.0, 0, 3), 50, Streams(1))
    assert len(np.unique(drawn.mjj)) == len(np.unique(drawn.event_id)) == 50
    with pytest.raises(ConfigError, match="only 50 signal events; ask for 50 or fewer"):
        draw_signal(events(50, 3300.0, 3700.0, 0, 3), 51, Streams(1))


def test_signal_of_a_larger_window_is_refused_with_the_number_that_was_asked_for():
    refuse_too_much_signal(33, 50, 1.5)
    with pytest.raises(
        ConfigError, match=r"--injected 34: the file has only 50 .*, 1\.5 of which .* ask for 33 or fewer"
    ):
        refuse_too_much_signal(34, 50, 1.5)


@pytest.mark.parametrize("method", ["curtains_f4f", "drapes", "cathode", "mass_scaling"])
def test_fast_trainings_are_short_whatever_the_method(method):
    config = _fast(build_record(Config, {"template": {"method": method}, "classifier": {"name": "mlp"}}, "test"))
    settings = resolve_settings(config)
    assert getattr(settings.method, "base_epochs", 2) == getattr(settings.method, "epochs", 2) == 2
    assert (settings.classifier.ensemble, settings.classifier.epochs, settings.kfold.folds) == (1, 2, FAST_FOLDS)


def test_windows_of_a_run_hold_no_event_of_its_region(analysis):
    source, named = open_windows(analysis, None, injection_jobs([0, 100], 2))
    assert len(source.windows) >= 3
    searched = {source.draw(Job(index, 0), COMPUTE).split.regions.sr for index in range(len(source.windows))}
    assert searched == {window.regions.sr for window in source.windows}
    region = stored_split(analysis.run.read(schema.SPLIT)).regions.sr
    for index in range(len(source.windows)):
        split = source.draw(Job(index, 100), COMPUTE).split
        assert not region.contains(split.everything.mjj).any()
    assert named[0] == "windows"


def test_a_signal_file_for_a_smooth_model_is_refused(finished, tmp_path):
    result = invoke("significance", "inject-scan", "--run", finished, "--signal", tmp_path / "signal.h5")
    assert result.exit_code == 2
    assert "goes with --in-windows" in " ".join(result.output.split())


def test_records_are_those_of_the_seed_the_cuts_and_what_is_measured_anew(analysis):
    def key(remeasure, seed=1, **significance):
        config = replace(analysis.config, seed=seed, significance=replace(analysis.config.significance, **significance))
        return open_laboratory(analysis.reconfigured(config), "calibration", None, "sets", remeasure).key

    own = Remeasure(5, 3, 1.0)
    keys = [key(one) for one in (own, Remeasure(6, 3, 1.0), Remeasure(5, 4, 1.0), Remeasure(5, 3, 0.5), None)]
    keys += [key(own, seed=2), key(own, least_fit_p=0.01), key(own, background_efficiencies=(0.2,))]
    assert key(own) == keys[0]
    assert len(set(keys)) == len(keys)


def test_one_search_is_refused_before_it_is_made(copied):
    refused = invoke("significance", "calibrate", "--run", copied, "--processes", "1")
    assert refused.exit_code == 2, refused.output
    assert "one search does not tell how Z scatters; name further signal regions" in " ".join(refused.output.split())
    assert not (copied / "calibration").exists()


@pytest.mark.slow
def test_a_calibration_measures_everything_anew_and_keeps_searches(copied):
    short = ("--set", "significance.experiments=5", "--set", "significance.windows=3")
    options = ("--run", copied, "--processes", "1", *short)
    single = invoke("significance", "calibrate", *options, "--index", "0")
    assert "job 0 of 1 is done" in single.output, single.output
    (record,) = (copied / "calibration").glob("*/*.json")
    before = record.stat().st_mtime_ns
    two = (*options, "--region", "3.3-3.7", "--region", "3.7-4.1")
    output = invoke("significance", "calibrate", *two).output
    assert "2 searches without signal in one set" in output
    assert "One set says nothing of its own scatter" in " ".join(output.split())
    assert record.stat().st_mtime_ns == before
    found = read_artifact(copied / "calibration.h5", schema.CALIBRATION).groups
    assert found["experiments"]["n_signal"].sum() == 0
    assert (found["experiments"]["z"] != found["experiments"]["z_statistical"]).all()  # what was measured is in it
    assert np.isnan(found["tests"]["mean_error"]).all()
    assert found["experiments"]["low"].tolist() == [3300.0, 3700.0]
    assert "searches without signal" in invoke("summary", "--run", copied).output
