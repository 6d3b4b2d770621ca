"""Jobs are kept one by one, and published values stand beside ours."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from small_plan import small_plan
from toys import compute

import anomaly_cli
from anomaly_cli.artifacts.reproduction import Compared, read_reproduction, write_reproduction
from anomaly_cli.core.errors import ArtifactError, ConfigError, PhysicsError
from anomaly_cli.report.render.registry import About, find_renderers
from anomaly_cli.report.reproduction import chance_of, reproduction_report
from anomaly_cli.report.reproduction_picture import draw_reproduction
from anomaly_cli.reproduce import kinds
from anomaly_cli.reproduce.comparing import collect, count_outdated, tell_anew
from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.job_records import write_record
from anomaly_cli.reproduce.kind_distances import TOYS, frechet_distance, kernel_distance
from anomaly_cli.reproduce.running import missing_jobs, plan_target, read_record, run_jobs
from anomaly_cli.reproduce.targets import load_target


@pytest.fixture
def planned():
    return small_plan()


def test_an_interrupted_run_goes_on_where_it_stopped(planned, tmp_path):
    first, *others = missing_jobs(planned, tmp_path)
    run_jobs([first], tmp_path, compute(), "cpu")
    assert missing_jobs(planned, tmp_path) == others
    partly = collect(planned, tmp_path)
    assert {value.why_not for value in partly.values if value.quantity == "kernel distance"} == {"", "not run yet"}
    (tmp_path / first.name).write_text("{")  # a crash of the file system
    assert missing_jobs(planned, tmp_path) == [first, *others]
    run_jobs(missing_jobs(planned, tmp_path), tmp_path, compute(), "cpu")
    assert not missing_jobs(planned, tmp_path)


def test_published_exact_and_own_values_stand_beside_each_other(planned, tmp_path):
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    found = collect(planned, tmp_path)
    shifted = next(v for v in found.values if v.quantity.startswith("Frechet") and v.x != "truth")
    assert (shifted.published, shifted.published_error) == (1002.0, 4.0)
    assert shifted.exact == pytest.approx(1000.0)
    assert len(shifted.ours) == 2
    assert abs(shifted.mean - 1000.0) < 5.0 * max(shifted.errors)
    assert "thesis" in shifted.how_read
    records = [read_record(tmp_path, job)["found"] for job in planned.jobs if "shift" in job.settings["toy"]]
    assert shifted.errors == pytest.approx([1000.0 * record["fpd.error"] for record in records])
    assert all(record["fpd.error"] != record["kpd.error"] for record in records)
    waiting = next(v for v in found.values if v.quantity == "Wasserstein")
    assert waiting.published is not None
    assert waiting.why_not.startswith("waits for")

    path = write_reproduction(found, tmp_path / "found.json")
    assert read_reproduction(path) == dataclasses.replace(found, settings=json.loads(json.dumps(found.settings)))
    path.write_text('{"format": 1}')
    with pytest.raises(ArtifactError, match="run the target again"):
        read_reproduction(path)
    report = reproduction_report(found)
    for render in find_renderers().values():
        render(report, About())
    text = find_renderers()["text"](report, About(width=160))
    assert "1002 +- 4" in text
    assert "Not run, two-dimensional toys: waits for" in text
    picture = draw_reproduction(found, tmp_path / "found.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_job_that_cannot_be_done_is_a_result_with_its_reason(planned, tmp_path, monkeypatch):
    def fail(settings, compute):
        raise PhysicsError("too few points")

    broken = dataclasses.replace(kinds.KINDS["distances"], run=fail)
    monkeypatch.setitem(kinds.KINDS, "distances", broken)
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    assert not missing_jobs(planned, tmp_path)
    found = collect(planned, tmp_path)
    assert found.failed == tuple(
        f"two-dimensional toys, toy {toy}, seed {seed}: too few points"
        for toy in ("truth", "shift mu_x by 1 sigma")
        for seed in (1, 2)
    )
    assert {value.why_not for value in found.values if value.quantity == "kernel distance"} == {"too few points"}
    assert not draw_reproduction(found, tmp_path / "none.png")


def test_values_of_fewer_seeds_are_named(planned, tmp_path, monkeypatch):
    def fail_once(settings, compute):
        if settings["toy"] == "truth" and compute.streams.seed == 2:
            return {"fpd": 1.0, "fpd.error": 0.1, "kpd": np.nan}
        return {"fpd": 1.0, "fpd.error": 0.1, "kpd": 2.0, "kpd.error": 0.1}

    monkeypatch.setitem(kinds.KINDS, "distances", dataclasses.replace(kinds.KINDS["distances"], run=fail_once))
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    found = collect(planned, tmp_path)
    assert all(np.isfinite(value.ours).all() for value in found.values)
    text = find_renderers()["text"](reproduction_report(found), About(width=160))
    assert text.count("Of fewer than 2 seeds") == 1
    assert "Of fewer than 2 seeds: two-dimensional toys truth (1)." in text


def test_what_was_found_knows_when_its_jobs_are_no_longer_those_asked_for(tmp_path, monkeypatch):
    target = load_target("fpd-kpd-toys")
    plan = plan_target(target, "quick", EventFiles())
    found = collect(plan, tmp_path)
    assert count_outdated(found, EventFiles()) == 0
    monkeypatch.setitem(kinds.KINDS, "distances", dataclasses.replace(kinds.KINDS["distances"], version="next"))
    assert count_outdated(found, EventFiles()) == len(plan.jobs)


def test_results_of_another_stand_in_are_older_and_those_of_a_users_file_are_not(tmp_path):
    files = EventFiles(data="shipped", digests=(("data", "1"),), n_background=9, n_signal=9)
    files = dataclasses.replace(files, n_background_inside=9, n_signal_inside=9)
    found = collect(plan_target(load_target("closure-auc"), "quick", files), tmp_path)
    assert count_outdated(found, files) == 0
    changed = dataclasses.replace(files, digests=(("data", "2"),))
    assert count_outdated(found, changed) == len(found.settings["jobs"])
    own = dataclasses.replace(found, settings=dict(found.settings) | {"given": ["data"]})
    assert count_outdated(own, changed) == 0
    measured = dataclasses.replace(files, reference="other.h5", digests=(("data", "1"), ("reference", "2")))
    on_reference = collect(plan_target(load_target("closure-auc"), "quick", measured), tmp_path)
    assert count_outdated(on_reference, files) == 0
    assert count_outdated(on_reference, changed) == len(on_reference.settings["jobs"])


def test_seeds_that_agree_by_chance_do_not_make_the_error_smaller_than_statistics():
    alike = Compared("a", "SIC", ours=(5.0, 5.01, 5.0, 5.01), errors=(0.2, 0.2, 0.2, 0.2))
    assert alike.error == pytest.approx(0.1)
    assert dataclasses.replace(alike, ours=(4.0, 6.0, 4.0, 6.0)).error == pytest.approx(
        np.std((4.0, 6.0, 4.0, 6.0), ddof=1) / 2.0
    )
    assert dataclasses.replace(alike, errors=()).error < 0.01
    assert dataclasses.replace(alike, shared=1.0).error == pytest.approx(0.2, abs=1e-4), "one sample"
    assert dataclasses.replace(alike, shared=0.4).error == pytest.approx(0.1 * np.sqrt(2.2))


def test_a_spread_over_seeds_has_the_events_in_common_on_top():
    scattered = Compared("a", "SIC", ours=(0.0, 5.0, 10.0), errors=(1.0,) * 3, shared=0.4)
    assert scattered.error == pytest.approx(np.sqrt(25.0 / 3.0 + 0.4))
    assert dataclasses.replace(scattered, shared=0.0).error == pytest.approx(5.0 / np.sqrt(3.0))


def test_an_error_that_is_a_spread_of_few_seeds_is_known_as_badly():
    """Of three seeds whose spread exceeds what statistics say, all of the spread is an estimate."""
    below, above = (
        Compared("a", "SIC", ours=(5.0 - step, 5.0, 5.0 + step), errors=(1.0,) * 3) for step in (0.999, 1.001)
    )
    assert below.freedom(below.error, is_published=False) == np.inf
    assert above.freedom(above.error, is_published=False) == pytest.approx(2.0)
    in_common = dataclasses.replace(above, shared=0.4)
    assert in_common.freedom(in_common.error, is_published=False) == pytest.approx(
        2.0 * (1.0 + 3.0 * 0.4 / 1.001**2) ** 2
    )


@pytest.mark.parametrize(("training", "shared"), [(0.0, 0.4), (1.0, 0.4), (2.0, 0.4), (2.0, 0.0), (1.4, 1.0)])
def test_small_chances_are_about_as_frequent_as_they_say(training, shared):
    """Three seeds whose trainings scatter so much beside a statistical error of 1, and no difference.

    Where scattered seeds agree by chance, the statistical error is too small for them: docs/reproduce.md says so.
    """
    random, chances = np.random.default_rng(4), []
    for _ in range(3000):
        ours = np.sqrt(shared) * random.normal() + np.sqrt(1.0 - shared) * random.normal(size=3)
        ours = tuple(ours + training * random.normal(size=3))
        value = Compared("a", "SIC", ours=ours, errors=(1.0,) * 3, shared=shared, published=0.0)
        difference, error = value.difference(0.0, None)
        chances.append(chance_of(difference / error, value.freedom(error, is_published=True)))
    assert np.mean(np.array(chances) < 0.05) < 0.08
    assert np.mean(np.array(chances) < 0.01) < (0.05 if training > shared + 1.0 else 0.02)


def test_a_difference_has_an_error_where_it_is_known():
    one = Compared("a", "SIC", ours=(5.0,), errors=(0.1,), published=4.0, published_error=0.5)
    assert one.difference(4.0, 0.5) == (1.0, None), "one seed does not tell how trainings scatter"
    several = dataclasses.replace(one, ours=(4.0, 6.0), errors=(0.1, 0.1))
    assert several.difference(4.0, 0.5) == (1.0, pytest.approx(np.hypot(1.0, 0.5)))
    assert Compared("a", "SIC", why_not="waits").difference(4.0, None) is None


def test_a_published_standard_deviation_counts_as_the_error_of_the_mean():
    value = Compared("a", "SIC", published=4.0, published_error=0.5)
    assert value.published_mean_error == 0.5
    assert dataclasses.replace(value, published_over=25).published_mean_error == pytest.approx(0.1)
    assert dataclasses.replace(value, published_over=0).published_mean_error is None


@pytest.mark.parametrize(
    ("value", "chance"),
    [
        (Compared("a", "SIC", ours=(4.0, 5.0, 6.0), published=3.0), "0.074"),  # Student's t of 2 degrees of freedom
        (Compared("a", "SIC", ours=(4.0, 5.0, 6.0), published=3.0, published_error=0.7), "0.047"),
        # of five seeds theirs are: 6 degrees of freedom instead of thousands
        (Compared("a", "SIC", ours=(4.99, 5.0, 5.01), published=3.0, published_error=1.0, published_over=5), "0.011"),
        (Compared("a", "SIC", ours=(4.9, 5.0, 5.1), errors=(1.0,) * 3, published=3.0), "< 0.001"),  # statistics
        (Compared("a", "SIC", ours=(4.0, 5.0, 6.0), published=4.0), None),
    ],
)
def test_a_difference_is_told_with_how_often_chance_makes_one(planned, tmp_path, value, chance):
    found = dataclasses.replace(collect(planned, tmp_path), values=(value,), x="")
    text = find_renderers()["text"](reproduction_report(found), About(width=160))
    told = f"a, SIC: 5 where published is {value.published:.4g} ({chance})"
    assert (told in text) == (chance is not None)
    assert ("Differ by more than" in text) == (chance is not None)


@pytest.mark.parametrize(
    "damage",
    [
        *("{", "[]", '{"key": "K"}', '{"key": "K", "kind": "distances", "found": {"a": "b"}}'),
        '{"key": "K", "kind": "d", "failure": null, "release": "1", "seed": 1, "cpu_seconds": 1, "found": {}}',
    ],
)
def test_a_damaged_record_is_none(planned, tmp_path, damage):
    job = planned.jobs[0]
    (tmp_path / job.name).write_text(damage.replace("K", job.key))
    assert read_record(tmp_path, job) is None
    assert job in missing_jobs(planned, tmp_path)
    collect(planned, tmp_path)


def test_values_of_a_record_that_are_no_numbers_are_missing(planned, tmp_path):
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    path = tmp_path / planned.jobs[0].name
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"found": record["found"] | {"fpd": float("nan"), "kpd": float("inf")}}))
    assert not {"fpd", "kpd"} & set(read_record(tmp_path, planned.jobs[0])["found"])
    assert draw_reproduction(collect(planned, tmp_path), tmp_path / "drawn.png")


def test_what_ran_to_no_value_is_told_apart_from_what_did_not_run(planned, tmp_path, monkeypatch):
    def measure(settings, compute):
        return {"fpd": 1.0, "fpd.error": 0.1} | ({} if settings["toy"] == "truth" else {"kpd": 2.0})

    monkeypatch.setitem(kinds.KINDS, "distances", dataclasses.replace(kinds.KINDS["distances"], run=measure))
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    text = find_renderers()["text"](reproduction_report(collect(planned, tmp_path)), About(width=160))
    assert "No value, two-dimensional toys truth: too few events." in text
    assert "Not run, two-dimensional toys: waits for" in text


def test_a_failure_gives_no_advice_on_options_that_the_command_lacks(planned, tmp_path, monkeypatch):
    def fail(settings, compute):
        raise PhysicsError("side-band 3-3.3 TeV holds 3 events; widen it with --side-bands")

    monkeypatch.setitem(kinds.KINDS, "distances", dataclasses.replace(kinds.KINDS["distances"], run=fail))
    run_jobs(planned.jobs[:1], tmp_path, compute(), "cpu")
    assert read_record(tmp_path, planned.jobs[0])["failure"] == "side-band 3-3.3 TeV holds 3 events"


def test_seeds_are_seeds(planned, tmp_path):
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    for one, other in itertools.pairwise(value.ours for value in collect(planned, tmp_path).values if value.ours):
        assert len(set(one)) == len(one)
        assert set(one) != set(other)


def test_releases_of_all_records_are_told(planned, tmp_path):
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    record = read_record(tmp_path, planned.jobs[0])
    write_record(tmp_path, {**record, "release": "0.0.1"})
    assert collect(planned, tmp_path).release == f"0.0.1, {anomaly_cli.__version__}"


def test_words_and_published_values_are_those_of_the_target_as_it_is_now(planned, tmp_path):
    run_jobs(planned.jobs, tmp_path, compute(), "cpu")
    found = collect(planned, tmp_path)
    old = tuple(dataclasses.replace(value, published=-1.0, how_read="") for value in found.values)
    again = tell_anew(dataclasses.replace(found, values=old, notes=("old",)))
    assert again.values == found.values
    assert set(planned.target.notes) <= set(again.notes)
    renamed = dataclasses.replace(found.values[0], series="gone")
    with pytest.raises(ConfigError, match=r"has no Frechet distance, 1e-3 of gone any more; run it again"):
        tell_anew(dataclasses.replace(found, values=(renamed,)))


@pytest.mark.parametrize("name", TOYS)
def test_algebra_agrees_with_many_points(name):
    truth, toy, generator = TOYS["truth"], TOYS[name], np.random.default_rng(1)
    n = 100_000
    x = toy.draw(n, generator)
    assert np.allclose(np.cov(x, rowvar=False), toy.whole_covariance, atol=0.03 * toy.whole_covariance.max())
    monte_carlo = float(((x**2).prod(axis=1)).mean())
    assert toy.moment((2, 2)) == pytest.approx(monte_carlo, rel=0.06)
    assert kernel_distance(truth, truth) == 0.0
    if name.startswith("mixture"):
        assert frechet_distance(toy, truth) == pytest.approx(0.0, abs=1e-9)
        assert kernel_distance(toy, truth) > 0.05
