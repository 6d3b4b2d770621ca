"""The significance suite from the command line, on a small finished run."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import FAST, invoke
from pyhf.cli import cli as pyhf_cli
from scipy.stats import norm
from toys import blind, shipped_rows, write_official

from anomaly_cli.analysis.asymptotics import compute_significance
from anomaly_cli.analysis.counting import CountingModel
from anomaly_cli.analysis.limits import asymptotic_cls
from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.analysis.toys import toy_p_value
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.measured_on import described_events
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import read_any, read_artifact, write_artifact
from anomaly_cli.artifacts.unblinding import append_record
from anomaly_cli.cli.execution import before_the_look, known_before_the_look
from anomaly_cli.core.errors import AnomalyWarning, ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report import hepdata
from anomaly_cli.report.cells import shown
from anomaly_cli.report.exchange import export_run
from anomaly_cli.report.notation import PROBABILITY, fixed
from anomaly_cli.report.plots.sources import of_run
from anomaly_cli.report.results.significance import factor_cell, probability_cell, significance_cell
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.studies.global_significance import require_same_events
from anomaly_cli.studies.limits import experiments_of


def run_ok(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def measured(finished, tmp_path_factory):
    """A run with over-dispersion and closure measured; not to be changed."""
    directory = Path(shutil.copytree(finished, tmp_path_factory.mktemp("measured") / "run"))
    run_ok("significance", "overdispersion", "--run", directory, "--experiments", "5", "--processes", "1")
    run_ok("significance", "windows", "--run", directory, "--set", "significance.windows=3", "--processes", "1")
    return directory


@pytest.fixture
def fresh(measured, tmp_path):
    return Path(shutil.copytree(measured, tmp_path / "run"))


def test_what_is_measured_is_counted_again_and_weakens_the_claim(measured, finished):
    before = read_artifact(finished / "significance.h5", schema.SIGNIFICANCE).groups["tests"]
    after = read_artifact(measured / "significance.h5", schema.SIGNIFICANCE).groups["tests"]
    assert np.isnan(before["closure_uncertainty"]).all()
    assert (after["closure_uncertainty"] > 0.0).all()
    assert (after["overdispersion"] >= 1.0).all()
    assert (after["uncertainty"] > before["uncertainty"]).all()
    assert (np.abs(after["z"]) <= np.abs(before["z"]) + 0.01).all()
    assert np.isnan(before["z_claimable"]).all()  # nothing is claimed without windows
    assert np.isfinite(after["z_claimable"]).all()
    output = run_ok("summary", measured)
    groups = read_artifact(measured / "significance.h5", schema.SIGNIFICANCE).groups
    is_claimed = groups["largest"]["test"] != -1
    assert ("largest_claimable" in groups) == is_claimed
    if is_claimed:
        claimable = groups["largest_claimable"]
        assert claimable["z_global"] < claimable["z_local"] == after["z_claimable"].max()
    assert invoke("summary").exit_code == 2
    assert "from TOO FEW" in output
    assert "WITHOUT" not in output


@pytest.mark.slow
def test_a_run_that_measures_does_what_the_commands_do(measured, copied):
    settings = ("--set", "significance.experiments=5", "--set", "significance.windows=3")
    output = run_ok("run", "--run", copied, "--measure", *settings, "--processes", "2")
    assert "from TOO FEW" in output
    for name in ("overdispersion.h5", "validation.h5", "significance.h5"):
        assert (copied / name).read_bytes() == (measured / name).read_bytes(), name


def test_a_measuring_run_that_was_stopped_before_its_count_goes_on(measured, copied):
    """What was measured is there, the count is the one without it."""
    for name in ("overdispersion.h5", "validation.h5"):
        shutil.copy(measured / name, copied / name)
    settings = ("--set", "significance.experiments=5", "--set", "significance.windows=3")
    output = run_ok("run", "--run", copied, "--measure", *settings, "--processes", "1")
    assert "from TOO FEW" in output
    assert (copied / "significance.h5").read_bytes() == (measured / "significance.h5").read_bytes()


def test_a_method_that_cannot_be_measured_is_refused_before_anything_is_trained(tmp_path, data_file):
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--reserve", "0.3", "--method", "idealised")
    refused = invoke("run", "--run", tmp_path / "run", *options, "--measure")
    assert refused.exit_code == 2
    assert "--measure: method idealised needs more than side-bands" in " ".join(refused.output.split())
    assert not (tmp_path / "run").exists()
    both = ("--set", f"significance.measurements={tmp_path}")
    refused = invoke("run", "--run", tmp_path / "run", *options[:-2], "--measure", *both)
    assert (refused.exit_code, "contradict each other" in refused.output) == (2, True)


def test_what_was_measured_in_another_run_of_these_settings_is_shown(measured, copied):
    run_ok("significance", "--run", copied, "--measurements", measured, "--overwrite")
    output = run_ok("summary", "--run", copied)
    for text in ("TOO FEW", "Over-dispersion: 5", "Validation windows"):
        assert text in output
    assert " ".join(output.split()).count(f"From {measured}, a run with the same settings") == 2
    assert "--measure" not in output.split("Next:")[1]


def test_validation_windows_leave_the_signal_region_out(measured):
    windows = read_artifact(measured / "validation.h5", schema.VALIDATION).groups["windows"]
    assert len(windows["low"]) == 3
    assert all(high <= 3300.0 or low >= 3700.0 for low, high in zip(windows["low"], windows["high"], strict=True))
    split = read_any(measured / "split.h5")
    masses = np.concatenate([split.groups[name]["mjj"] for name in ("sb1", "sb2", "rest")])
    for low, high, n in zip(windows["low"], windows["high"], windows["n_events"], strict=True):
        assert ((masses >= low) & (masses < high)).sum() == n


@pytest.mark.slow
def test_a_window_whose_template_is_too_small_for_a_cut_counts_for_the_looser_ones(fresh, monkeypatch):
    from anomaly_cli.analysis.selection import select
    from anomaly_cli.core.errors import PhysicsError
    from anomaly_cli.search import windows

    efficiencies = np.unique(read_any(fresh / "validation.h5").groups["counts"]["background_efficiency"])
    refused = []

    def select_or_refuse(observed, template, efficiency, replicas):
        if efficiency == efficiencies[0] and not refused:
            refused.append(efficiency)
            raise PhysicsError("template events are too few")
        return select(observed, template, efficiency, replicas)

    monkeypatch.setattr(windows, "select", select_or_refuse)
    (fresh / "validation.h5").unlink()
    run_ok("significance", "windows", "--run", fresh, "--set", "significance.windows=3", "--processes", "1")
    groups = read_any(fresh / "validation.h5").groups
    counted = [int((groups["counts"]["background_efficiency"] == e).sum()) for e in efficiencies]
    assert counted == [2, *[3] * (len(efficiencies) - 1)]
    assert (read_any(fresh / "significance.h5").groups["tests"]["closure_uncertainty"] > 0.0).all()


def test_measurements_serve_other_runs_of_the_same_settings_only(measured, finished, tmp_path):
    other = Path(shutil.copytree(finished, tmp_path / "other"))
    run_ok("significance", "--run", other, "--measurements", measured, "--overwrite")
    assert (read_any(other / "significance.h5").groups["tests"]["closure_uncertainty"] > 0.0).all()
    run_ok("classify", "--run", other, "--set", "classifiers.trees.leaves=15", "--overwrite", "--processes", "1")
    refused = invoke("significance", "--run", other, "--overwrite")
    assert refused.exit_code == 2
    assert "holds no validation.h5 or overdispersion.h5 of these settings" in refused.output.replace("\n", " ")


def test_measurements_on_other_data_or_on_many_more_events_are_refused(measured, copied, tmp_path):
    elsewhere = Path(shutil.copytree(measured, tmp_path / "elsewhere"))
    artifact = read_artifact(elsewhere / "validation.h5", schema.VALIDATION)
    events = artifact.provenance.settings["events"]
    assert 1000 < events["n_side_bands"] < 50_000
    before = (copied / "significance.h5").read_bytes()
    for other, words in (
        ({"data": "0" * 64}, "on another data file"),
        ({"scores": "0" * 64}, "with other scores (--score-file)"),
        ({"n_side_bands": 10 * events["n_side_bands"]}, f"not {events['n_side_bands']}"),
    ):
        provenance = replace(artifact.provenance, settings=artifact.provenance.settings | {"events": events | other})
        write_artifact(elsewhere / "validation.h5", schema.VALIDATION, artifact.groups, provenance)
        refused = invoke("significance", "--run", copied, "--measurements", elsewhere, "--overwrite")
        assert refused.exit_code == 2
        assert words in " ".join(refused.output.split())
        assert (copied / "significance.h5").read_bytes() == before
    shutil.copy(elsewhere / "validation.h5", copied / "validation.h5")
    run_ok("significance", "--run", copied, "--overwrite")
    assert np.isnan(read_any(copied / "significance.h5").groups["tests"]["closure_uncertainty"]).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_processes(measured, finished, tmp_path):
    again = Path(shutil.copytree(finished, tmp_path / "again"))
    run_ok("significance", "overdispersion", "--run", again, "--experiments", "5", "--processes", "2")
    assert (again / "overdispersion.h5").read_bytes() == (measured / "overdispersion.h5").read_bytes()


def test_limits_expected_and_observed(fresh):
    output = run_ok("significance", "limits", "--run", fresh)
    assert "95 % CLs upper limits" in output
    limits = read_artifact(fresh / "limits.h5", schema.LIMITS).groups["tests"]
    assert (np.diff(limits["expected"], axis=1) > 0).all()
    assert (limits["observed"] > 0).all()


def write_injection(run, digest, injected=(0, 150, 300, 600), efficiency=lambda n: 0.3 * n / 600, each=4, **other):
    """Write an injection study by hand, on `other` events: at 20 % twice as much is selected as at 5 %."""
    rng = np.random.default_rng(1)
    jobs = [n for n in injected for _ in range(each)]
    selected = np.array([[rng.poisson(2 * n * efficiency(n)), rng.poisson(n * efficiency(n))] for n in jobs])
    zeros = np.zeros((len(jobs), 2))
    ends = {"low": [3300.0] * len(jobs), "high": [3700.0] * len(jobs)}
    experiments = {"index": range(len(jobs)), "seed": [1] * len(jobs), "n_injected": jobs, "n_signal": selected}
    experiments |= {
        **ends,
        **{"n_observed": zeros.astype(int), "is_refused": zeros.astype(bool)},
        **dict.fromkeys(("n_expected", "z", "p0", "p0_randomised", "z_statistical", "limit"), zeros),
    }
    columns = schema.INJECTION.groups["tests"].columns
    tests = {name: np.zeros((2, 5) if "q" in column.shape else 2) for name, column in columns.items()}
    tests |= {"background_efficiency": [0.2, 0.05], "n_injected": [0, 0]}
    tests["n_experiments"] = [each, each]
    groups = {"experiments": experiments, "failed": {"index": [], "reason": []}, "tests": tests}
    settings = {"settings_digest": digest, "events": described_events(read_any(run / "split.h5")) | other}
    provenance = Provenance("injection", 1, settings, 1, {})
    write_artifact(run / "injection.h5", schema.INJECTION, groups, provenance)


def test_a_limit_on_the_strength_needs_the_injection_study_of_these_settings(fresh):
    assert "inject-scan' measures it" in " ".join(run_ok("significance", "limits", "--run", fresh).split())
    digest = read_any(fresh / "significance.h5").provenance.settings["settings_digest"]
    write_injection(fresh, "another")
    assert "up to date" in run_ok("significance", "limits", "--run", fresh)
    for other in ({"data": "0" * 64}, {"n_side_bands": 10**6}):
        write_injection(fresh, digest, **other)
        assert "up to date" in run_ok("significance", "limits", "--run", fresh)
        assert "other data: injection.h5" in " ".join(run_ok("summary", "--run", fresh).split())
    write_injection(fresh, digest)
    output = run_ok("significance", "limits", "--run", fresh, "--overwrite")
    assert "signal events over the whole spectrum" in output
    limits = read_artifact(fresh / "limits.h5", schema.LIMITS).groups
    assert limits["strength"]["background_efficiency"].tolist() == [0.2, 0.05]
    assert np.array_equal(limits["strength"]["expected"], np.sort(limits["strength"]["expected"], axis=1))
    assert limits["strength"]["largest"].tolist() == [600.0, 600.0]
    run_ok("significance", "export", "--run", fresh, "--overwrite")
    assert (fresh / "exports" / "strength.csv").read_text().startswith("background_efficiency,observed,expected_m2")
    write_injection(fresh, digest, each=1)
    refused = invoke("significance", "limits", "--run", fresh, "--overwrite")
    assert refused.exit_code == 5
    assert "at least 2 pseudo-experiments of each strength" in " ".join(refused.output.split())


def test_a_count_of_nothing_has_limits_global_significance_and_exports(copied):
    """n = 0, and in the second cut m = 0 as well."""
    made = read_any(copied / "significance.h5")
    groups = {name: dict(columns) for name, columns in made.groups.items()}
    tests = groups["tests"]
    for row, m in enumerate((5.0, 0.0)):
        nothing = CountingModel(f"SR_{row}", 0, m, 4.0, {"norm": 0.01})
        found = compute_significance(nothing)
        toys = toy_p_value(nothing.experiment(), 2000, np.random.default_rng(1))
        assert toys.p0 > 0.5
        values = {"test": "template", "n_observed": 0, "n_expected": m / 4, "n_control": m, "transfer": 4.0}
        values |= {"width": nothing.width, "z": toys.z, "p0": toys.p0, "z_asymptotic": found.z}
        values |= {"workspace": json.dumps(found.workspace), "signal_yield": found.signal_yield}
        for name, value in values.items():
            tests[name] = np.array(tests[name], dtype=object if name in ("test", "workspace") else None)
            tests[name][row] = value
    write_artifact(copied / "significance.h5", schema.SIGNIFICANCE, groups, made.provenance)
    shutil.rmtree(copied / "workspaces")
    output = run_ok("significance", "limits", "--run", copied)
    assert "3.0 (toys)" in output
    limits = read_any(copied / "limits.h5").groups["tests"]
    assert limits["observed"] == pytest.approx(-np.log(0.05), abs=0.01)
    assert limits["expected"][1] == pytest.approx(-np.log(0.05), abs=0.01)
    assert read_any(copied / "limits.h5").groups["tests"]["by_toys"].all()
    run_ok("significance", "global", "--run", copied)
    run_ok("significance", "export", "--run", copied)
    assert "0.0 +- " in run_ok("summary", "--run", copied)


def test_limits_on_the_strength_are_those_of_the_injection_study_that_lies_beside(fresh):
    digest = read_any(fresh / "significance.h5").provenance.settings["settings_digest"]
    write_injection(fresh, digest)
    run_ok("significance", "limits", "--run", fresh)
    assert "upper limits on signal events" in run_ok("summary", "--run", fresh)
    write_injection(fresh, digest, each=5)
    shown = " ".join(run_ok("summary", "--run", fresh).split())
    assert "belongs to another count, other settings or other data: limits.h5" in shown
    assert "upper limits on signal events" not in shown
    refused = invoke("significance", "export", "--run", fresh)
    assert (refused.exit_code, "limits.h5: belongs to another count" in " ".join(refused.output.split())) == (4, True)


def test_a_measurement_that_the_count_does_not_contain_is_not_shown_with_it(fresh):
    made = read_any(fresh / "validation.h5")
    provenance = Provenance(**{**vars(made.provenance), "seed": 99})
    write_artifact(fresh / "validation.h5", schema.VALIDATION, made.groups, provenance)
    shown = " ".join(run_ok("summary", "--run", fresh).split())
    assert "belongs to another count, other settings or other data: validation.h5" in shown
    assert "Validation windows" not in shown
    assert "Over-dispersion" in shown
    (fresh / "bump.h5").write_bytes(b"damaged")
    found = of_run(RunDirectory(fresh), lambda *_: False)
    assert set(found.reasons) == {"bump", "validation"}, "one that cannot be read lets those of other counts in"
    assert "belongs to another count" in found.reasons["validation"]
    assert "overdispersion" in found.artifacts


def test_a_measurement_on_other_data_is_not_shown_with_a_count_that_did_without(fresh, finished):
    """Nor asked for no more: the count says that it lacks it."""
    for kind in (schema.VALIDATION, schema.OVERDISPERSION):
        made = read_any(fresh / f"{kind.name}.h5")
        events = made.provenance.settings["events"] | {"data": "0" * 64}
        provenance = replace(made.provenance, settings=made.provenance.settings | {"events": events})
        write_artifact(made.path, kind, made.groups, provenance)
    for name in ("significance.h5", "workspaces"):  # counted before anything was measured
        copy = shutil.copytree if name == "workspaces" else shutil.copy
        copy(finished / name, fresh / name, **({"dirs_exist_ok": True} if name == "workspaces" else {}))
    shown = " ".join(run_ok("summary", "--run", fresh).split())
    assert "other settings or other data: overdispersion.h5, validation.h5" in shown
    assert "Validation windows" not in shown
    assert f"anomaly run --run {fresh} --measure" in shown


def test_a_constant_efficiency_is_refused_unless_the_classifier_is_fixed(fresh, tmp_path, data_file):
    refused = invoke("significance", "limits", "--run", fresh, "--signal-efficiencies", "0.3,0.2", "--overwrite")
    assert refused.exit_code == 2
    assert "is trained on the data, so what passes depends on the signal" in " ".join(refused.output.split())
    fixed = tmp_path / "fixed"
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--inject", "60", "--reserve", "0.3")
    run_ok("run", "--run", fixed, *options, "--method", "supervised", *FAST, "--processes", "1")
    output = run_ok("significance", "limits", "--run", fixed, "--signal-efficiencies", "0.5,0.25")
    assert "not trained on the data" in " ".join(output.split())
    limits = read_artifact(fixed / "limits.h5", schema.LIMITS).groups
    assert limits["strength"]["observed"] == pytest.approx(limits["tests"]["observed"] / [0.5, 0.25])
    wrong = invoke("significance", "limits", "--run", fixed, "--signal-efficiencies", "0.5", "--overwrite")
    assert wrong.exit_code == 2
    assert "one for each cut" in " ".join(wrong.output.split())


def test_a_constant_efficiency_suits_a_score_that_sees_no_event_of_the_signal_region(fresh, monkeypatch):
    short = ("--set", "scores.autoencoder.epochs=1", "--overwrite", "--processes", "1")
    run_ok("classify", "--run", fresh, "--score", "autoencoder", *short)
    run_ok("significance", "--run", fresh, "--overwrite")
    output = run_ok("significance", "limits", "--run", fresh, "--signal-efficiencies", "0.5,0.25", "--overwrite")
    assert "not trained on the data" in " ".join(output.split())
    needs = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES})
    monkeypatch.setattr(METHODS.find()["curtains_f4f"], "needs", needs)  # as of a template of observed events
    refused = invoke("significance", "limits", "--run", fresh, "--signal-efficiencies", "0.5,0.2", "--overwrite")
    assert refused.exit_code == 2
    assert "the template of curtains_f4f is trained on the data" in " ".join(refused.output.split())


def test_the_bump_hunt_scores_side_bands_and_exports_its_likelihood(complete, tmp_path):
    fresh = Path(shutil.copytree(complete, tmp_path / "run"))
    output = run_ok("significance", "bump", "--run", fresh, "--processes", "1")
    assert "up to date" in output
    assert "Sculpting" in output
    bump = read_artifact(fresh / "bump.h5", schema.BUMP).groups
    assert bump["bins"]["n_observed"][:, 0].sum() == bump["tests"]["n_events"][0]
    scores = read_artifact(fresh / "significance.h5", schema.SIGNIFICANCE).groups["tests"]
    inside = (bump["bins"]["low"] >= 3300) & (bump["bins"]["high"] <= 3700)
    assert bump["bins"]["n_observed"][inside, 0].sum() == scores["n_observed"][0]  # the same classifier again
    tests = bump["tests"]
    assert (tests["overdispersion"] >= 1.0).all()
    assert np.allclose(tests["z"] * tests["overdispersion"], tests["z_asymptotic"], atol=0.3)
    assert (bump["scan_grid"]["z"].max(axis=0) == bump["scan"]["z"]).all()
    assert (bump["scan"]["z_global"] < bump["scan"]["z"]).all()
    z = max(float(bump["tests"]["z_asymptotic"][0]), 0.0)
    assert np.sqrt(bump["tests"]["q0_pyhf"][0]) == pytest.approx(z, abs=0.1)
    assert list((fresh / "workspaces").glob("bump_*.json"))


def test_the_global_significance_of_one_run_counts_its_cuts(fresh, finished, tmp_path):
    copied = Path(shutil.copytree(finished, tmp_path / "bare"))
    output = " ".join(run_ok("significance", "global", "--run", copied).split())
    assert "Probability of so large an excess in any of 2 tests" in output
    assert "WITHOUT closure uncertainty and k-fold over-dispersion" in output
    statistical = read_artifact(copied / "global.h5", schema.GLOBAL).groups["correlation"]["matrix"][0, 1]
    assert statistical == pytest.approx(0.46, abs=0.1)  # (0.05 - 0.01) / sqrt(0.16 x 0.0475), of data and template
    output = " ".join(run_ok("significance", "global", "--run", fresh).split())
    assert "from TOO FEW" in output
    found = read_artifact(fresh / "global.h5", schema.GLOBAL).groups
    assert 1.0 <= found["result"]["n_effective"] <= 2.0
    assert 0.0 < found["correlation"]["matrix"][0, 1] < statistical  # closure is each cut's own


def test_runs_whose_features_number_events_otherwise_are_not_combined(tmp_path):
    """Without tau21 the events that have none are usable too, and every event has another number."""
    rows = shipped_rows(80)
    rows[::50, OFFICIAL_COLUMNS.index("tau1j1")] = 0.0
    data = write_official(tmp_path / "data.h5", rows)
    runs = []
    for name, features in (("with", "mj1,tau21_j1"), ("without", "mj1,delta_mj"), ("also", "tau21_j1,mj1")):
        run_ok("split", "--run", tmp_path / name, "--data", data, "--signal-region", "3.3-3.7", "--features", features)
        runs.append(RunDirectory(tmp_path / name))
    require_same_events([runs[0], runs[2]])
    with pytest.raises(ConfigError, match=r"without: holds other events than .*with; .* --seed and --features"):
        require_same_events(runs[:2])


@pytest.mark.slow
def test_runs_of_other_events_are_not_combined(fresh, tmp_path, data_file):
    twice = invoke("significance", "global", "--run", fresh, "--run", fresh)
    assert twice.exit_code == 2
    assert "same signal region" in twice.output
    other = tmp_path / "other"
    options = ("--signal-region", "3.4-3.8", "--data", data_file, "--inject", "100", "--reserve", "0.3")
    run_ok("run", "--run", other, *options, *FAST, "--processes", "1")
    refused = invoke("significance", "global", "--run", fresh, "--run", other)
    assert refused.exit_code == 2
    assert "holds other events" in refused.output


@pytest.fixture(scope="module")
def complete(measured, tmp_path_factory):
    """A measured run with everything that is quick to make; not to be changed."""
    run = Path(shutil.copytree(measured, tmp_path_factory.mktemp("complete") / "run"))
    for command in ("bump", "limits", "global", "export"):
        run_ok("significance", command, "--run", run, *(("--processes", "1") if command == "bump" else ()))
    return run


def test_exports_are_readable_by_their_programs(complete):
    folder = complete / "exports"
    counts = (folder / "counts.csv").read_text().splitlines()
    assert counts[0].startswith("background_efficiency,n_observed,n_expected")
    assert len(counts) == 3
    for name in ("counts", "bump", "limits", "global"):
        tex = (folder / f"{name}.tex").read_text()
        assert "sqrt(s) = 13 TeV" in tex.splitlines()[0]
        assert r"\begin{tabular}" in tex
        assert "pseudo-experiments for the over-dispersion: 5, label permutations: none" in tex
        with (folder / f"{name}.csv").open() as lines:
            assert {row["n_experiments"] for row in csv.DictReader(lines)} == {"5"}
    told = (folder / "histfactory" / "README.txt").read_text()
    assert "never multiply these likelihoods" in told
    assert all(path.name in told for path in (folder / "histfactory").glob("*.json"))
    assert told.count("mu = 1 is ") == len(list((folder / "histfactory").glob("*.json")))
    refused = invoke("significance", "export", "--run", complete)
    assert refused.exit_code == 4
    assert "pass --overwrite" in refused.output


def test_every_export_says_which_uncertainties_its_numbers_contain(complete, copied):
    run_ok("significance", "limits", "--run", copied)
    run_ok("significance", "export", "--run", copied)
    without = "WITHOUT closure uncertainty and k-fold over-dispersion"
    few = "k-fold over-dispersion from TOO FEW pseudo-experiments"
    said = {(complete, name): few for name in ("counts", "limits", "global")}
    said |= {(copied, name): without for name in ("counts", "limits")}
    for (run, name), contents in said.items():
        folder = run / "exports"
        assert all(contents in line for line in (folder / f"{name}.csv").read_text().splitlines()[1:])
        assert contents in (folder / f"{name}.tex").read_text()


def test_hepdata_is_written_where_its_library_is_and_said_where_not(complete, monkeypatch, tmp_path):
    monkeypatch.setattr(hepdata, "INSTALLED", False)
    with pytest.warns(AnomalyWarning, match="pip install 'anomaly-cli\\[exchange\\]'"):
        export_run(RunDirectory(complete), tmp_path / "without", overwrite=False)
    assert not (tmp_path / "without" / "hepdata").exists()
    assert (tmp_path / "without" / "counts.csv").exists()


def pyhf_command(*arguments):
    done = CliRunner().invoke(pyhf_cli, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_pyhf_finds_our_numbers_in_every_exported_workspace(complete):
    folder = complete / "exports" / "histfactory"
    significance = read_any(complete / "significance.h5").groups["tests"]
    bump = read_any(complete / "bump.h5").groups["tests"]
    n_exported = sum(1 for text in bump["workspace"] if text) + len(significance["z"])
    assert len(list(folder.glob("*.json"))) == n_exported > 2
    data = experiments_of(read_any(complete / "significance.h5").groups)
    for path in folder.glob("*.json"):
        efficiency = float(path.stem.split("eff")[1].replace("p", "."))
        tests = bump if path.stem.startswith("bump_") else significance
        row = tests["background_efficiency"].tolist().index(efficiency)
        workspace = json.loads(path.read_text())
        is_bump = tests is bump
        nominal = bump["signal_error"][row] if is_bump else workspace["channels"][0]["samples"][0]["data"][0]
        fitted = pyhf_command("fit", path, "--optimizer", "minuit")["mle_parameters"]["mu"][0] * nominal
        # the bump's workspace is linear in the modes of the background, our fit of it is not
        error = 0.5 * bump["signal_error"][row] if is_bump else 0.01 * significance["uncertainty"][row]
        assert fitted == pytest.approx(max(tests["signal_yield"][row], 0.0), abs=error + 0.1)
        cls = pyhf_command("cls", path, "--optimizer", "minuit")["CLs_obs"]
        assert 0.0 <= cls <= 1.0
        if tests is significance:
            one = Experiments(*(np.asarray(getattr(data, name)[row]) for name in ("n", "m", "tau", "theta0", "width")))
            assert cls == pytest.approx(float(asymptotic_cls(one, np.full((6, 1), nominal))[0, 0]), abs=2e-3)


def test_the_summary_shows_all_that_is_known_and_offers_nothing_twice(complete, copied):
    output = run_ok("summary", "--run", complete)
    titles = ("Counting experiment", "Bump hunt at", "upper limits on signal events", "in any of 2 tests")
    titles += ("Over-dispersion", "Validation windows", "Closure uncertainty", "Closure of the template")
    found = [output.index(title) for title in titles]
    assert found == sorted(found)
    following = output.split("Next:")[1]
    assert "anomaly significance export" not in following
    at_first = run_ok("summary", "--run", copied).split("Next:")[1]
    for command in ("anomaly run", "anomaly significance limits", "anomaly significance bump"):
        assert command not in following
        assert command in at_first
    shutil.copy(complete / "limits.h5", copied / "limits.h5")
    other = run_ok("summary", "--run", copied)
    assert "belongs to another count, other settings or other data: limits.h5" in " ".join(other.split())
    assert "upper limits on signal events" not in other


def test_a_factor_is_shown_with_its_error_and_from_how_few_experiments(complete):
    tests = read_any(complete / "significance.h5").groups["tests"]
    output = " ".join(run_ok("summary", "--run", complete).split())
    for value, error in zip(tests["overdispersion_measured"], tests["overdispersion_error"], strict=True):
        number = f"{value:.2f} +- {error:.2f}"
        assert (f"{number} (as 1, few)" if value < 1.0 else f"{number} (few)") in output
    row = {"overdispersion": 1.0, "overdispersion_measured": 0.9, "overdispersion_error": 0.2, "n_experiments": 20}

    def factor(**other):
        return shown(factor_cell({**row, **other}), fixed(2))

    assert factor() == "0.90 +- 0.20 (as 1)"
    assert factor(overdispersion=1.3, overdispersion_measured=1.3) == "1.30 +- 0.20"
    assert factor(overdispersion=np.nan) == "not measured"


def test_what_no_float_holds_is_shown_as_a_bound():
    tiny = float(norm.isf(np.finfo(float).tiny))
    shown_z = [shown(significance_cell(z), fixed(2)) for z in (tiny, 37.4, 41.0, -1.0)]
    assert shown_z == ["> 37.5", "37.40", "41.00", "-1.00"]
    assert [shown(probability_cell(p), PROBABILITY) for p in (0.0, 0.012)] == ["< 2.2e-308", "0.012"]


@pytest.mark.parametrize("place", ["file", "below"])
def test_an_output_that_cannot_be_made_is_a_sentence(complete, tmp_path, place):
    file = tmp_path / "file"
    file.write_text("")
    for output in (file if place == "file" else file / "below", Path("/proc/nothing")):
        refused = invoke("significance", "export", "--run", complete, "--output", output)
        assert refused.exit_code == 4, refused.output
        assert "another" in refused.output  # path, directory or --output
        assert refused.output.count("error: ") == 1
        assert "Traceback" not in refused.output


def test_hepdata_is_valid(complete):
    pytest.importorskip("hepdata_lib")
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    checker = validator.FullSubmissionValidator()
    assert checker.validate(directory=str(complete / "exports" / "hepdata")), checker.get_messages()


def test_cabinetry_finds_our_significance_in_every_exported_count(complete):
    cabinetry = pytest.importorskip("cabinetry")
    tests = read_any(complete / "significance.h5").groups["tests"]
    for z, text in zip(tests["z_asymptotic"], tests["workspace"], strict=True):
        pdf, data = cabinetry.model_utils.model_and_data(json.loads(str(text)))
        assert cabinetry.fit.significance(pdf, data).observed_significance == pytest.approx(z, abs=0.02)


@pytest.mark.slow
def test_a_calibration_of_other_settings_is_not_quoted_and_leaves_the_records_of_these(fresh):
    short = ("--run", fresh, "--set", "significance.experiments=5", "--set", "significance.windows=3")
    run_ok("significance", "calibrate", *short, "--index", "0", "--processes", "1")
    (record,) = (fresh / "calibration").glob("*/*.json")
    before = record.read_bytes()
    fast = ("--fast", "--set", "classifiers.trees.leaves=7", "--processes", "1")
    run_ok("significance", "calibrate", *short, "--region", "3.3-3.7", "--region", "3.7-4.1", *fast)
    assert "searches without signal" not in run_ok("summary", "--run", fresh)
    assert record.read_bytes() == before


def test_hs3_is_parsed_by_its_reader(complete):
    pyhs3 = pytest.importorskip("pyhs3")
    for path in (complete / "exports" / "hs3-experimental").glob("*.json"):
        workspace = pyhs3.Workspace(**json.loads(path.read_text()))
        assert workspace.analyses


@pytest.mark.slow
def test_an_injection_study_finds_more_where_more_is_injected(fresh):
    arguments = ("--injected", "0,600", "--experiments", "2", "--processes", "2")
    output = run_ok("significance", "inject-scan", "--run", fresh, *arguments)
    assert "Injection study" in output
    tests = read_artifact(fresh / "injection.h5", schema.INJECTION).groups["tests"]
    z = {
        (int(n), float(e)): v
        for n, e, v in zip(tests["n_injected"], tests["background_efficiency"], tests["z_mean"], strict=True)
    }
    assert z[(600, 0.05)] > z[(0, 0.05)] + 2.0
    assert np.isnan(tests["signal_efficiency"][tests["n_injected"] == 0]).all()
    assert (tests["signal_efficiency"][tests["n_injected"] == 600] > 0.1).all()


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """A run on data without labels: blinded."""
    folder = tmp_path_factory.mktemp("observed")
    path = write_official(folder / "observed.h5", shipped_rows(8)[:, :14], OFFICIAL_COLUMNS)
    run_ok("run", "--run", folder / "run", "--data", path, *FAST, "--signal-region", "3.3-3.7", "--processes", "1")
    return folder / "run"


@pytest.mark.slow
def test_signal_is_found_in_windows_of_blinded_data_and_nobody_looks(observed, tmp_path):
    run, rows = Path(shutil.copytree(observed, tmp_path / "run")), shipped_rows(1)
    signal = write_official(tmp_path / "signal.h5", rows[(rows[:, 14] == 1) & (np.arange(len(rows)) % 8 != 0)])
    study = ("significance", "inject-scan", "--run", run, "--in-windows", "--injected", "0,400", "--processes", "2")
    refused = invoke(*study)
    assert refused.exit_code == 2
    assert "name simulated signal of the signal region with --signal FILE" in " ".join(refused.output.split())
    run_ok(*study, "--signal", signal, "--experiments", "2")
    tests = read_artifact(run / "injection.h5", schema.INJECTION).groups["tests"]
    z = dict(zip(zip(tests["n_injected"], tests["background_efficiency"], strict=True), tests["z_mean"], strict=True))
    assert z[400, 0.05] > z[0, 0.05] + 1.0
    assert not (run / "significance.h5").exists()
    assert not (run / "unblinding.json").exists()
    steps = run_ok("summary", "--run", run)
    assert "inject-scan" not in steps.split("Next:")[1]


def test_observed_data_are_blinded_until_said_otherwise(observed, tmp_path):
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    assert not (run / "significance.h5").exists()
    assert not (run / "truth.h5").exists()
    unlabelled = invoke("evaluate", "--run", run)
    assert unlabelled.exit_code == 2
    assert "these have no labels" in unlabelled.output
    assert "--reserve" not in unlabelled.output  # there is no background to hold back
    assert "blinded" in run_ok("split", "--run", run)
    split = read_any(run / "split.h5")
    summary = run_ok("summary", "--run", run)
    assert "blinded" in summary
    assert "truth" not in summary
    assert str(len(split.groups["sr"]["mjj"])) not in summary
    for command in ("", "bump", "limits", "global"):
        refused = invoke("significance", *command.split(), "--run", run)
        assert refused.exit_code == 2
        advice = f"'anomaly significance --unblind --run {run}' looks at it"
        assert advice.replace(" ", "") in "".join(refused.output.split())
    permuted = run_ok("significance", "permute", "--run", run, "--permutations", "5", "--processes", "1")
    tests = read_artifact(run / "permutation.h5", schema.PERMUTATION).groups["tests"]
    assert np.isnan(tests["z_observed"]).all()
    assert np.isnan(tests["p_permutation"]).all()
    assert "Z with true labels" in permuted
    assert not (run / "significance.h5").exists()
    assert not (run / "unblinding.json").exists()


def test_no_command_tells_the_number_of_blinded_events(observed, tmp_path):
    """Nor the size of the template, nor numbers that add up to it."""
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    (run / "template.h5").unlink()
    printed = run_ok("run", "--run", run) + run_ok("closure", "--run", run, "--overwrite")
    printed += run_ok("significance", "permute", "--run", run, "--permutations", "5", "--processes", "1")
    printed += run_ok("significance", "overdispersion", "--run", run, "--experiments", "5", "--processes", "1")
    run_ok("base", "--run", run, "--without", "3.3-3.7", *("--set", "methods.curtains_f4f_efficient.base_epochs=1"))
    printed += (
        run_ok("split", "--run", run)
        + run_ok("summary", "--run", run)
        + run_ok("data", "describe", observed.parent / "observed.h5")
    )
    artifacts = sorted(run.glob("*.h5"))
    assert {path.stem for path in artifacts} >= {
        "split",
        "model",
        "template",
        "scores",
        "closure",
        "overdispersion",
        "permutation",
        "shared_model",
    }
    explained = {path.stem: run_ok("inspect", path) for path in artifacts}
    split, template = read_any(run / "split.h5"), read_any(run / "template.h5")
    secrets = {len(split.groups[name]["mjj"]) for name in ("sr", "rest")} | {len(template.groups["events"]["mjj"])}
    secrets.add(sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sr", "sb2")))
    for name, text in {**explained, "printed": printed}.items():
        numbers = {int(number) for number in re.findall(r"\d+", text)}
        assert not numbers & secrets, name
    moved = Path(shutil.copy(run / "template.h5", tmp_path / "template.h5"))
    assert "the signal region is blinded" in run_ok("inspect", moved)
    run_ok("run", "--run", run, "--unblind", "--processes", "1")
    for name in ("split", "template", "scores"):
        assert str(len(split.groups["sr"]["mjj"])) in run_ok("inspect", run / f"{name}.h5") or name == "template"
        assert "is blinded" not in run_ok("inspect", run / f"{name}.h5")
    run_ok("classify", "--run", run, "--set", "classifiers.trees.leaves=15", "--overwrite", "--processes", "1")
    assert "is blinded" in run_ok("inspect", run / "scores.h5")
    assert "is blinded" not in run_ok("inspect", run / "split.h5")


def test_every_unblinding_is_recorded_and_stays(observed, tmp_path):
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    output = run_ok("run", "--run", run, "--unblind", "--processes", "1")
    assert "Counting experiment" in output
    (record,) = json.loads((run / "unblinding.json").read_text())
    assert record["windows_tev"]["sr"] == "3.3-3.7"
    assert {"user", "host", "time", "split", "settings_digest"} <= set(record)
    counted = run_ok("significance", "--run", run)  # needs no second permission
    assert f"anomaly significance limits --run {run}" in counted.replace("\n", "")
    assert len(json.loads((run / "unblinding.json").read_text())) == 1
    run_ok("classify", "--run", run, "--set", "classifiers.trees.leaves=15", "--overwrite", "--processes", "1")
    assert invoke("significance", "--run", run, "--overwrite").exit_code == 2
    run_ok("significance", "--run", run, "--overwrite", "--unblind")
    records = json.loads((run / "unblinding.json").read_text())
    assert len(records) == 2
    (run / "unblinding.json").write_text(json.dumps(records[1:]))
    refused = invoke("significance", "--run", run)
    assert refused.exit_code == 4
    assert "Next:" not in refused.output
    assert "may only grow" in refused.output.replace("\n", " ")


def test_only_what_was_declared_is_unblinded(observed, tmp_path):
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    said = run_ok("significance", "declare", "--run", run, "--note", "as approved")
    assert f"anomaly run --run {run} --unblind" in said
    (first,) = json.loads((run / "declaration.json").read_text())
    assert (first["note"], first["n_rankings"]) == ("as approved", 1)
    assert first["hash"] in said
    run_ok("significance", "declare", "--run", run)  # nothing new, nothing added
    assert json.loads((run / "declaration.json").read_text()) == [first]
    other = ("--set", "significance.correct=none")
    refused = invoke("significance", "--unblind", "--run", run, *other)
    assert refused.exit_code == 2
    assert "the settings of the count" in " ".join(refused.output.split())
    assert not (run / "unblinding.json").exists()
    run_ok("significance", "declare", "--run", run, *other)
    run_ok("significance", "--unblind", "--run", run, *other)
    (record,) = json.loads((run / "unblinding.json").read_text())
    assert record["n_declarations"] == 2
    assert record["declaration"] == json.loads((run / "declaration.json").read_text())[1]["hash"]
    late = invoke("significance", "declare", "--run", run, *other)
    assert late.exit_code == 2
    assert "has been looked at" in " ".join(late.output.split())


def test_a_declaration_that_was_changed_is_refused(observed, tmp_path):
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    run_ok("significance", "declare", "--run", run)
    text = (run / "declaration.json").read_text()
    (run / "declaration.json").write_text(text.replace('"n_rankings": 1', '"n_rankings": 0'))
    refused = invoke("significance", "--unblind", "--run", run)
    assert refused.exit_code == 4
    assert "may only grow" in " ".join(refused.output.split())


@pytest.fixture(scope="module")
def unblinded(observed, tmp_path_factory):
    """A blinded run that was looked at, with permission; not to be changed."""
    run = Path(shutil.copytree(observed, tmp_path_factory.mktemp("unblinded") / "run"))
    run_ok("significance", "--unblind", "--run", run)
    return run


def delete_record(path):
    path.unlink()


def edit_record(path):
    (record,) = json.loads(path.read_text())
    path.write_text(json.dumps([{**record, "user": "nobody"}]))


def forge_record(path):
    """Another record in its place, with a hash that fits."""
    (record,) = json.loads(path.read_text())
    path.unlink()
    content = {key: value for key, value in record.items() if key not in ("hash", "previous")}
    split = read_any(path.parent / "split.h5")
    (path.parent / "significance.h5").rename(path.parent / "aside")
    append_record(RunDirectory(path.parent), split, {**content, "user": "nobody"})
    (path.parent / "aside").rename(path.parent / "significance.h5")


@pytest.mark.parametrize("tamper", [delete_record, edit_record, forge_record])
def test_what_was_counted_needs_its_record_untouched(unblinded, tmp_path, tamper):
    run = Path(shutil.copytree(unblinded, tmp_path / "run"))
    tamper(run / "unblinding.json")
    commands = (("summary",), *(("significance", name) for name in ("export", "limits", "global")))
    for command in commands:
        refused = invoke(*command, "--run", run)
        assert refused.exit_code == 4, (command, refused.output)
        assert "it may only grow" in " ".join(refused.output.split())
    if tamper is delete_record:  # nor does a new unblinding make the old one disappear
        refused = invoke("significance", "--unblind", "--run", run)
        assert refused.exit_code == 4
        assert not (run / "unblinding.json").exists()


def test_nothing_is_recorded_where_nothing_can_be_looked_at(observed, tmp_path):
    run = Path(shutil.copytree(observed, tmp_path / "run"))
    (run / "scores.h5").rename(run / "aside")
    assert invoke("significance", "--unblind", "--run", run).exit_code == 4
    assert invoke("significance", "bump", "--unblind", "--run", run).exit_code == 4
    (run / "aside").rename(run / "scores.h5")
    refused = invoke("significance", "--unblind", "--run", run, "--measurements", "nowhere")
    assert refused.exit_code == 2
    other = ("--set", "template.oversampling=3")
    refused = invoke("significance", "permute", "--unblind", "--run", run, *other)
    assert refused.exit_code == 4
    assert "under the wrong ones" in " ".join(refused.output.split())
    for command in (("significance",), ("significance", "bump"), ("significance", "permute")):
        refused = invoke(*command, "--unblind", "--run", run, "--set", "significance.toys=10")
        assert (refused.exit_code, "toys >= 1000" in refused.output) == (2, True)
    assert not (run / "unblinding.json").exists()


def test_pseudo_data_are_not_blinded_and_it_is_said(finished):
    assert "not blinded" in run_ok("summary", "--run", finished)
    assert not (finished / "unblinding.json").exists()


BAD = [
    (("significance",), 2, "name a run directory"),
    (("significance", "--run", "nowhere"), 4, "no such file"),
    (("significance", "limits", "--run", "nowhere"), 4, "no such file"),
    (("significance", "bump", "--run", "nowhere"), 4, "no such file"),
    (("significance", "windows", "--run", "nowhere"), 4, "no such file"),
    (("significance", "permute", "--run", "nowhere"), 4, "no such file"),
    (("significance", "calibrate", "--run", "nowhere"), 4, "no such file"),
    (("significance", "global", "--run", "nowhere"), 4, "no such file"),
    (("significance", "export", "--run", "nowhere"), 4, "no such file"),
    (("significance", "--run", "RUN", "--measurements", "nowhere"), 2, "measure there with"),
    (("significance", "calibrate", "--run", "RUN", "--index", "3"), 2, "jobs 0 to 0"),
    (("significance", "inject-scan", "--run", "RUN", "--injected", "many"), 2, "not a list of whole numbers"),
    (("significance", "inject-scan", "--run", "RUN", "--injected", "-5"), 2, "0 or more"),
    (("significance", "inject-scan", "--run", "RUN", "--injected", "0,0"), 2, "each number of signal events once"),
    (("significance", "inject-scan", "--run", "RUN", "--injected", "0,9999999"), 2, "signal events; ask for"),
    (("significance", "inject-scan", "--run", "RUN", "--experiments", "1"), 2, "at least 2 of each yield"),
    (("significance", "permute", "--run", "RUN", "--permutations", "4"), 2, "permutations >= 5"),
    (("significance", "--run", "RUN", "--set", "significance.toys=10"), 2, "toys >= 1000"),
    (("significance", "--run", "RUN", "--background-efficiencies", "0.1,0.1"), 2, "named twice"),
    (
        ("significance", "--run", "RUN", "--background-efficiencies", "0.00001", "--overwrite"),
        5,
        "drop that efficiency",
    ),
    (("significance", "windows", "--run", "RUN", "--set", "significance.windows=2"), 2, "windows >= 3"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), BAD, ids=[" ".join(arguments) for arguments, _, _ in BAD])
def test_bad_input_ends_in_one_sentence(arguments, code, sentence, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "RUN" in arguments:
        shutil.copytree(finished, tmp_path / "RUN")
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_scores_of_other_events_are_refused(fresh, tmp_path, data_file):
    other = tmp_path / "other"
    options = ("--signal-region", "3.3-3.7", "--data", data_file, "--inject", "100", "--reserve", "0.3")
    run_ok("split", "--run", other, *options)
    shutil.copy(other / "split.h5", fresh / "split.h5")
    refused = invoke("significance", "--run", fresh)
    assert refused.exit_code == 4
    assert "was made from another split" in " ".join(refused.output.split())


def test_methods_that_need_more_than_side_bands_have_no_validation_windows(fresh):
    refused = invoke("significance", "windows", "--run", fresh, "--set", "template.method=idealised", "--overwrite")
    assert refused.exit_code == 2
    assert "needs more than side-bands" in " ".join(refused.output.split())


@pytest.mark.slow
def test_a_users_systematics_are_counted_shown_shared_and_exported(copied):
    own = {"scale.up": "0.3", "scale.down": "-0.02", "tagging.up": "0.1", "tagging.on": "signal"}
    options = [text for key, value in own.items() for text in ("--set", f"significance.systematics.{key}={value}")]
    options += ["--set", "significance.toys=2000"]
    before = read_any(copied / "significance.h5").groups["tests"]
    output = run_ok("significance", "--run", copied, "--overwrite", *options)
    assert "+30.00 %" in output
    found = read_any(copied / "significance.h5").groups
    tests, systematics = found["tests"], found["systematics"]
    assert systematics["name"].tolist() == ["scale", "tagging"] * 2
    assert np.allclose(tests["z_statistical"], before["z_statistical"])
    signed = np.where(before["z"] > 0, 1, -1)
    assert (signed * tests["z"] < signed * before["z"]).all()
    cost = systematics["cost"].reshape(2, 2)
    assert np.allclose(cost[:, 1], 0.0)
    assert np.allclose(cost[:, 0], before["z_closed_form"] - tests["z_closed_form"])
    run_ok("significance", "limits", "--run", copied)
    run_ok("significance", "global", "--run", copied)
    correlation = read_any(copied / "global.h5").groups["correlation"]["matrix"]
    assert correlation[0, 1] > 0.5  # one parameter shifts both cuts
    workspace = json.loads((copied / "workspaces" / "SR_3300_3700_eff0p05.json").read_text())
    signal, background = workspace["channels"][0]["samples"]
    assert {"name": "tagging", "type": "normsys"}.items() <= signal["modifiers"][1].items()
    assert background["modifiers"][-1]["data"] == {"hi": 1.3, "lo": 0.98}
    refused = invoke("significance", "--run", copied, "--set", "significance.systematics.scale.upp=0.1")
    assert refused.exit_code == 2
    assert "unknown setting 'upp'; did you mean 'up'" in " ".join(refused.output.split())


def test_the_largest_of_all_cuts_is_as_global_significance_says(fresh):
    output = run_ok("summary", "--run", fresh)
    assert "Probability of so large an excess in any of the 2 cuts" in output
    run_ok("significance", "global", "--run", fresh)
    alone, largest = read_any(fresh / "global.h5").groups, read_any(fresh / "significance.h5").groups
    for here, there in (("largest", "result"), ("largest_claimable", "claimable")):
        for name, value in largest[here].items():
            assert value == alone[there][name], name
    largest = largest["largest"]
    tests = read_any(fresh / "significance.h5").groups["tests"]
    assert tests["p0"].min() * 0.9 < largest["p_global"] < 2.2 * tests["p0"].min()


def test_the_look_comes_after_measurement_injection_and_declaration(tmp_path):
    run, measure = RunDirectory(tmp_path), ("measure", "")

    def commands(*known):
        return [command.split(" --run")[0] for command, _ in before_the_look(run, measure, True, known)]

    assert commands() == commands("validation") == commands("injection", "overdispersion") == ["measure"]
    measured = ("validation", "overdispersion")
    assert commands(*measured) == ["anomaly significance inject-scan", "anomaly significance declare", "anomaly run"]
    (tmp_path / "declaration.json").touch()
    assert commands(*measured, "injection") == ["anomaly run"]
    assert len(before_the_look(RunDirectory(tmp_path / "other"), measure, False, ())) == 2


def test_what_was_measured_for_other_settings_is_asked_for_again_before_the_look(fresh):
    """The look is not suggested because files of other settings, or of other data, lie there."""
    run = RunDirectory(blind(fresh))
    digest = stored_identity(run).digest
    assert known_before_the_look(run) == set()
    write_injection(run.path, digest)
    run_ok("significance", "expected", "--run", run.path)
    assert known_before_the_look(run) == {"validation", "overdispersion", "injection"}
    write_injection(run.path, "another")
    made = read_any(run.path / "validation.h5")
    other = replace(made.provenance, settings=made.provenance.settings | {"settings_digest": "another"})
    write_artifact(made.path, schema.VALIDATION, made.groups, other)
    run_ok("significance", "expected", "--run", run.path, "--overwrite")
    assert known_before_the_look(run) == {"overdispersion"}
    run_ok("closure", "--run", run.path)
    assert f"anomaly run --run {run.path} --measure" in run_ok("summary", "--run", run.path).split("Next:")[1]


def test_a_blinded_run_says_what_it_could_find_and_asks_for_the_measurement_first(observed):
    summary = run_ok("summary", "--run", observed)
    assert "What this search can find, WITHOUT closure" in summary
    steps = [line.split("  #")[0].split(" --")[-1] for line in summary.split("Next:")[1].splitlines() if line.strip()]
    assert steps == ["measure"]
    found = read_any(observed / "sensitivity.h5")
    fit = read_any(observed / "template.h5").groups["mass_fit"]["n_expected"]
    tests = found.groups["tests"]
    assert tests["n_expected"] == pytest.approx(fit * tests["background_efficiency"], rel=1e-3)
    assert (np.diff(tests["limits"], axis=1) > 0).all()
    assert (tests["evidence"] < tests["discovery"]).all()
    assert (found.groups["costs"]["z_gained"] > -1e-6).all()
