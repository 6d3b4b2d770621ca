"""What pictures show, what they refuse, and what they never tell."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import drawn_samples
import numpy as np
import pytest
from conftest import invoke
from made_artifacts import make_artifact
from matplotlib.figure import Figure

from anomaly_cli.analysis.counting import Shift
from anomaly_cli.analysis.modelling import Measured, model_by_fail, model_by_template
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import CutCounts
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.cli.completion import plot_names
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.report.plots import feature_ratios
from anomaly_cli.report.plots import sources as sources_module
from anomaly_cli.report.plots.cut_counts import costs, rebuilt
from anomaly_cli.report.plots.picture import BLINDED, render
from anomaly_cli.report.plots.registry import find_plot, find_plots
from anomaly_cli.report.plots.score_cuts import template_rank
from anomaly_cli.report.plots.sculpted_mass import pass_rate
from anomaly_cli.report.plots.sources import of_artifact, of_run
from anomaly_cli.report.plots.style import SIZES, cut_label, look, safe

OF_SHORT_RUN = {"closure", "counts", "features", "mjj", "scores", "sculpting", "training"}
"""What can be drawn of a run without studies."""


def hides_all(run, artifact):
    return any(group.tells_region for group in artifact.kind.groups.values())


def shows_all(run, artifact):
    return False


@pytest.fixture(scope="session")
def shown(finished):
    return of_run(RunDirectory(finished), shows_all)


@pytest.fixture(scope="session")
def hidden(finished):
    return of_run(RunDirectory(finished), hides_all)


def test_every_plot_is_found_and_completed_by_its_name():
    plots = find_plots()
    assert set(plot_names("")) == {*plots, "all", "list"}
    for name, plot in plots.items():
        assert plot.name == name
        assert plot.summary.endswith(".")
        for kind, groups in plot.needs.items():
            assert set(groups) <= set(schema.KINDS[kind].groups), name


def test_a_run_has_its_plots_and_each_other_says_what_it_lacks(shown):
    lacking = {name: plot.lacks(shown) for name, plot in find_plots().items()}
    assert {name for name, reason in lacking.items() if not reason} == OF_SHORT_RUN
    assert lacking["limits"] == "there is no limits artifact; 'anomaly significance limits' makes it"
    with pytest.raises(ConfigError, match="plot limits: there is no limits artifact"):
        find_plot("limits").figure(shown)


@pytest.mark.parametrize("name", sorted(OF_SHORT_RUN))
def test_every_plot_of_a_run_is_drawn_on_axes_of_ones_own(name, shown):
    plot = find_plots()[name]
    for panel in plot.panels(shown):
        axes = Figure().subplots()
        plot.panel(axes, shown, panel)
        assert axes.has_data(), panel


def test_a_plot_that_nobody_knows_names_the_nearest():
    with pytest.raises(ConfigError, match="no plot is called 'mj'; did you mean 'mjj'"):
        find_plot("mj")


def test_nothing_that_tells_of_a_blinded_region_reaches_any_plot(hidden):
    assert hidden.is_blinded
    for artifact in hidden.artifacts.values():
        for name in artifact.groups:
            assert not artifact.kind.groups[name].tells_region, (artifact.kind.name, name)
    for name in ("features", "scores", "sculpting"):
        assert find_plots()[name].lacks(hidden) == "the signal region is blinded"


def test_the_spectrum_of_a_blinded_run_has_no_point_in_the_signal_region(hidden, shown):
    plot = find_plot("mjj")
    counted = {}
    for name, sources in (("hidden", hidden), ("shown", shown)):
        axes = plot.figure(sources).axes
        for panel in axes:
            x = np.concatenate([line.get_xdata() for line in panel.get_lines() if line.get_linestyle() == "None"])
            counted.setdefault(name, []).append(int(((x > 3.3) & (x < 3.7)).sum()))
    assert counted == {"hidden": [0, 0], "shown": [10, 10]}
    assert plot.header(hidden).endswith(BLINDED)
    assert BLINDED not in plot.header(shown)


def test_a_count_that_was_looked_at_without_a_record_is_not_used_nor_what_was_made_of_it(finished, monkeypatch):
    def refuse(*_):
        raise ArtifactError("no record of that")

    monkeypatch.setattr(sources_module, "NOT_NEEDED", "never")
    monkeypatch.setattr(sources_module, "require_record", refuse)
    found = of_run(RunDirectory(finished), shows_all)
    assert "significance" not in found.artifacts
    assert find_plot("counts").lacks(found) == "no record of that"


def test_the_counting_models_of_a_run_are_rebuilt_to_the_last_digit(shown):
    tests = shown.group(schema.SIGNIFICANCE, "tests")
    for index, z in enumerate(tests["z_closed_form"]):
        assert float(signed_root(rebuilt(tests, {}, index).experiment())) == pytest.approx(z, rel=1e-12)
        assert rebuilt(tests, {}, index).width == pytest.approx(tests["width"][index], rel=1e-12)


@pytest.mark.parametrize(("closure", "factor"), [(0.03, 1.2), (np.nan, np.nan)])
def test_a_rebuilt_model_has_the_measured_terms_and_the_users_own(closure, factor):
    cut = CutCounts(0.2, 100, 450, 0.2, 500.0, 0.02, 0.03)
    measured = Measured(closure=closure, overdispersion=factor)
    shift = Shift("jets", "jets", "background", 0.05, 1 / 1.05 - 1)
    fit = SimpleNamespace(n_expected=450.0, uncertainty=20.0)
    for plain in (model_by_fail("a", cut, measured), model_by_template("a", cut, fit, measured)):
        model = replace(plain, systematics=(shift,))
        row = {
            "test": "pass/fail" if model.is_pass_fail else "template",
            **{"n_observed": 100, "n_expected": model.n_expected, "n_control": model.n_control},
            **{"transfer": model.transfer, "n_sources": cut.n_sources, "no_claim": ""},
            **{"template_uncertainty": 0.02, "model_uncertainty": cut.model_uncertainty},
            **{"norm_uncertainty": 20.0 / 450.0, "closure_uncertainty": closure, "overdispersion": factor},
        }
        tests = {name: np.array([value]) for name, value in row.items()}
        systematics = {name: np.array([value]) for name, value in {"test": 0, **vars(shift)}.items()}
        again = rebuilt(tests, systematics, 0)
        assert again.relative == pytest.approx(model.relative)
        assert again.width == pytest.approx(model.width)
        found = costs(tests, systematics)
        gained = signed_root(plain.experiment()) - signed_root(model.experiment())
        assert found["systematics"][0] == pytest.approx(gained)
        assert np.isnan(found["closure"][0]) == np.isnan(found["k-fold"][0]) == np.isnan(closure)


def test_the_cost_of_an_uncertainty_is_what_z_gains_without_it_and_no_claim_costs_nothing_that_is_shown():
    found = costs(drawn_samples.TESTS, {})
    assert all((cost[:2] >= 0.0).all() or np.isnan(cost[:2]).all() for cost in found.values())
    assert found["template"][0] > 0.0
    assert np.isnan(found["side-bands"][:2]).all()  # events that fail the cut normalise
    assert [bool(np.isnan(cost[2])) for cost in found.values()] == [True] * 6
    claimed = costs(drawn_samples.TESTS | {"no_claim": np.array([""] * 3)}, {})
    assert claimed["side-bands"][2] > 0.0
    assert claimed["template"][2] > 0.0


def test_no_significance_is_drawn_where_none_may_be_claimed():
    axes = Figure().subplots()
    find_plot("counts").panel(axes, drawn_samples.sources(), "significance")
    for line in axes.get_lines():
        if line.get_label() in ("statistics only", "Z", "claimable Z"):
            assert list(np.isnan(line.get_ydata())) == [False, False, True]
    assert [text.get_text() for text in axes.texts if text.get_text() == "no claim"] == ["no claim"]
    assert "NO CLAIM at 1 %" in find_plot("counts").header(drawn_samples.sources())


def test_the_template_is_flat_in_the_part_of_itself_that_scores_higher():
    generator = np.random.default_rng(1)
    fold = generator.integers(0, 3, 3000)
    template = {"fold": fold, "score": generator.normal(fold, 1.0), "weight": np.ones(3000)}
    rank = template_rank(template, template)
    assert np.histogram(rank, 10, (0.0, 1.0))[0] == pytest.approx(300, abs=3)
    above = {"fold": np.array([0, 1]), "score": np.array([99.0, -99.0])}
    assert template_rank(above, template) == pytest.approx([0.0, 1.0])


def test_curves_end_where_too_few_background_events_are_left_and_each_has_its_band():
    curves = {
        "method": np.array(["cathode"] * 3 + ["idealised"] * 3),
        "background_efficiency": np.array([0.001, 0.01, 1.0] * 2),
        "signal_efficiency": np.array([0.2, 0.5, 1.0, 0.1, 0.4, 1.0]),
        "sic": np.array([6.3, 5.0, 1.0, 3.2, 4.0, 1.0]),
        "sic_error": np.array([1.0, 0.2, np.nan] * 2),
        "n_background": np.array([5.0, 50.0, 5000.0] * 2),
    }
    made = make_artifact(schema.EVALUATION, {"curves": curves, "counts": {"n_signal": 100}})
    for panel, highest in (("ROC", 1.0), ("significance improvement", 5.0)):
        axes = Figure().subplots()
        find_plot("sic").panel(axes, of_artifact(made), panel)
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert list(lines) == ["cathode", "idealised", "by chance"]
        assert list(lines["cathode"].get_xdata()) == [0.01, 1.0]
        assert max(lines["cathode"].get_ydata()) == highest
        assert len(axes.collections) == 2


def test_a_cut_that_goes_with_mass_is_seen_as_sculpting_and_one_that_does_not_is_not():
    generator = np.random.default_rng(3)
    mjj, edges = generator.uniform(3000.0, 4000.0, 20000), [np.linspace(3000.0, 4000.0, 11)]
    chi2 = {}
    for name, chance in (("flat", np.full(20000, 0.1)), ("sculpted", (mjj - 3000.0) / 5000.0)):
        _, rate, error = pass_rate(mjj, generator.random(20000) < chance, edges)
        chi2[name] = float((((rate - 1.0) / error) ** 2).sum())
    assert chi2["flat"] < 25.0
    assert chi2["sculpted"] > 500.0


def test_things_beside_each_other_differ_in_colour_line_and_marker():
    looks = [look(number) for number in range(6)]
    for attribute in ("colour", "line", "marker"):
        assert len({str(getattr(one, attribute)) for one in looks}) == 6
    assert look(6) == look(0)


def test_names_with_formulas_and_escapes_are_drawn_as_they_are():
    assert safe("a$b\x1b[31m") == r"a\$b\x1b[31m"
    split = make_artifact(schema.CLOSURE, {"checks": drawn_samples.CHECKS | {"check": np.array(["$x", "$\\y{"])}})
    figure = find_plot("closure").figure(of_artifact(split, "own $ tag_1 {", "<b>$"))
    assert len(render(figure, "svg")) > 1000  # a formula that cannot be parsed would have failed


def test_the_same_artifacts_give_the_same_bytes_and_no_date():
    figures = [find_plot("closure").figure(drawn_samples.sources()) for _ in range(2)]
    for kind in ("svg", "pdf", "png"):
        first, second = (render(figure, kind) for figure in figures)
        assert first == second
        assert b"CreationDate" not in first
        assert b"<dc:date>" not in first


def test_slides_have_larger_text_than_paper():
    sizes = [find_plot("closure").figure(drawn_samples.sources(), SIZES[name]) for name in ("paper", "slides")]
    heights = [figure.axes[0].xaxis.label.get_size() for figure in sizes]
    assert heights == [8.0, 14.0]


@pytest.mark.parametrize("n_panels", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("name", ["paper", "slides"])
def test_pictures_fit_a_page_and_a_slide_and_leave_no_row_empty(name, n_panels):
    size = SIZES[name]
    for shape in ((1.0, 1.25), (1.9, 0.8)):
        columns, rows, width, height = size.layout(n_panels, shape)
        assert width <= size.most_width + 1e-9
        assert height <= size.most_height
        assert (rows - 1) * columns < n_panels <= rows * columns


def test_ratios_are_shown_as_far_as_they_are_beyond_chance():
    ratio, error = np.array([1.0, 1.5, 0.9, np.inf, np.nan]), np.full(5, 0.1)
    assert feature_ratios._shown(ratio, error) == pytest.approx((1 - 0.575, 1.575))
    assert feature_ratios._shown(ratio, 5 * error) == (0.7, 1.3)
    assert feature_ratios._shown(9 * ratio, error) == (0.0, 2.0)


def test_panels_that_say_the_same_have_one_legend(shown):
    axes = find_plot("features").figure(shown).axes
    assert sum(one.get_legend() is not None for one in axes) == 1


def test_a_long_stamp_is_broken_where_the_picture_ends(shown):
    plot = replace(find_plot("mjj"), stamp=lambda _: "k-fold over-dispersion " * 10)
    lines = plot.header(shown, 40).split("\n")
    assert len(lines) > 5
    assert all(len(line) <= 40 for line in lines[1:])
    assert not any(line.endswith("over-") for line in lines)


def test_what_a_search_can_find_is_drawn_also_while_it_is_blinded():
    tests = {
        **{"background_efficiency": np.array([0.2, 0.01]), "n_expected": np.array([4000.0, 220.0])},
        **{"limits": np.array([[100.0, 140.0, 200.0, 280.0, 370.0], [20.0, 27.0, 38.0, 53.0, 72.0]])},
        **{"evidence": np.array([310.0, 60.0]), "discovery": np.array([530.0, np.inf])},
        **{"claimable": np.array([600.0, np.inf]), "no_claim": np.array(["", "windows disagree"])},
        **{"n_windows": np.array([4, 4]), "n_experiments": np.array([20, 20])},
        **{"closure_uncertainty": np.array([0.01, 0.1]), "overdispersion": np.array([1.1, 1.1])},
    }
    costs = {"test": np.array([0, 1]), "term": np.array(["template", "norm"]), "z_gained": np.array([0.9, 0.1])}
    found = of_artifact(make_artifact(schema.SENSITIVITY, {"tests": tests, "costs": costs}))
    plot, drawn = find_plot("expected"), {}
    assert not any(group.tells_region for group in schema.SENSITIVITY.groups.values())
    for panel in plot.panels(found):
        drawn[panel] = Figure().subplots()
        plot.panel(drawn[panel], found, panel)
    yields = {line.get_label(): line.get_ydata() for line in drawn["signal"].get_lines()}
    assert np.array_equal(
        yields["for an expected Z of 5"], [530.0, np.nan], equal_nan=True
    )  # of no claim there is none
    bars = [bar.get_height() for bar in drawn["cost"].patches]
    assert bars == [0.9, 0.0, 0.0, 0.1]
    assert "NO CLAIM at 1 %" in plot.header(found)


def test_a_calibration_is_drawn_beside_what_is_right():
    levels, z = np.array([0.1, 0.01]), np.array([[-1.0, 0.0], [0.5, np.nan], [2.0, 1.0]])
    tests = {
        "background_efficiency": np.array([0.2, 0.01]),
        "type_one": np.array([[0.33, 0.0], [0.5, 0.0]]),
        "type_one_low": np.array([[0.1, 0.0], [0.2, 0.0]]),
        "type_one_high": np.array([[0.6, 0.4], [0.8, 0.5]]),
    }
    experiments, sets = {"index": np.arange(3), "z": z}, {"file": ["a.h5", "b.h5"]}
    groups = {"experiments": experiments, "sets": sets, "tests": tests, "levels": {"level": levels}}
    found = of_artifact(make_artifact(schema.CALIBRATION, groups))
    plot, axes = find_plot("calibration"), Figure().subplots()
    plot.panel(axes, found, "distribution")
    steps = {line.get_label(): line for line in axes.get_lines()}
    assert list(steps["cut 1 %"].get_ydata()) == [0.0, 0.5, 1.0, 1.0]  # without the one that has no Z
    assert plot.header(found).endswith("; with closure uncertainty and k-fold over-dispersion")
    plot.panel(Figure().subplots(), found, "type-I errors")


def test_cuts_are_called_as_in_tables():
    assert [cut_label(value) for value in (0.2, 0.001)] == ["20 %", "0.1 %"]


def test_the_command_draws_lists_and_refuses(finished, tmp_path):
    figure = tmp_path / "new folder" / "a b.svg"
    drawn = invoke("plot", "mjj", "--run", finished, "--figure", figure, "--tag", "LHCO")
    assert drawn.exit_code == 0, drawn.output
    assert figure.read_bytes().startswith(b"<?xml")
    listed = invoke("plot", "--run", finished)
    assert "ready" in listed.output
    assert "anomaly significance limits" in " ".join(listed.output.split())
    assert "heat_map" in invoke("plot", "list").output
    for arguments, words in (
        (["mjj"], "--run my-run"),
        (["mj", "--run", finished], "did you mean 'mjj'"),
        (["limits", "--run", finished], "there is no limits artifact"),
        (["mjj", "--run", finished, "--figure", "a.jpg"], "let its name end in .pdf, .png, .svg"),
        (["mjj", "--run", finished, "--size", "a0"], "known are paper, slides"),
        (["all", "--run", finished, "--figure", "a.pdf"], "leave out --figure"),
        (["mjj", "--run", tmp_path / "nowhere"], "no such directory"),
        (["mjj", "--run", tmp_path], "holds no artifacts"),
    ):
        refused = invoke("plot", *arguments)
        assert refused.exit_code in (2, 4), arguments
        assert words in " ".join(refused.output.split()), arguments


def test_a_folder_that_cannot_be_written_is_named(finished, tmp_path):
    (tmp_path / "file").write_text("")
    refused = invoke("plot", "closure", "--run", finished, "--figure", tmp_path / "file" / "x.pdf")
    assert refused.exit_code == 4
    assert "x.pdf" in refused.output.replace("\n", "")


def test_python_draws_runs_and_artifacts_and_refuses_what_it_cannot(finished):
    import anomaly_cli as an

    axes = Figure().subplots()
    assert an.plot.closure(str(finished), axes) is axes
    assert an.plot.training(an.open(finished)).axes
    assert an.plot.closure(make_artifact(schema.CLOSURE, {"checks": drawn_samples.CHECKS}), tag="own").axes
    assert "mjj" in dir(an.plot)
    assert "Args:" in an.plot.mjj.__doc__
    with pytest.raises(AttributeError, match="did you mean 'closure'"):
        _ = an.plot.closur
    with pytest.raises(ConfigError, match="cannot be drawn"):
        an.plot.mjj(3)
    with pytest.raises(ConfigError, match="has no panel 'z'"):
        an.plot.mjj(finished, axes, panel="z")
