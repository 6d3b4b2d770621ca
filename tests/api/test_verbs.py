"""The Python API: the same analysis on values, with results that show themselves."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import brief_closure, invoke
from matplotlib.figure import Figure
from toys import shipped_rows, write_official

import anomaly_cli as an
from anomaly_cli.api import spelling
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.errors import AnomalyError, ConfigError
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS

METHOD = {"base_epochs": 2, "transport_epochs": 1, "scaling_bags": 3}


@pytest.fixture(scope="module")
def data(data_file):
    return an.load(data_file, inject=150, reserve=0.3)


@pytest.fixture(scope="module")
def regions(data):
    return an.split(data, "3.3-3.7")


@pytest.fixture(scope="module")
def template(regions):
    return an.template(regions, an.methods.CurtainsF4F(**METHOD))


@pytest.fixture(scope="module")
def counts(regions, template):
    # as `anomaly run` of the fixture `finished`, but for the folds
    return an.count(regions, an.classify(regions, template, an.classifiers.Trees(ensemble=1)), (0.2, 0.05))


def test_the_api_gives_the_numbers_of_the_command_line(data_file, template, counts, tmp_path):
    settings = [f"methods.curtains_f4f.{name}={value}" for name, value in METHOD.items()]
    options = [option for setting in (*settings, "classifiers.trees.ensemble=1") for option in ("--set", setting)]
    arguments = ["--signal-region", "3.3-3.7", "--data", data_file, "--inject", "150", "--reserve", "0.3", *options]
    result = invoke("run", "--run", tmp_path, *arguments, "--background-efficiencies", "0.2,0.05", "--processes", "1")
    assert result.exit_code == 0, result.output
    run = RunDirectory(tmp_path)
    assert np.array_equal(run.read(schema.TEMPLATE).groups["events"]["features"], template.template.events.features)
    tests = run.read(schema.SIGNIFICANCE).groups["tests"]
    frame = counts.to_pandas()
    assert frame["n_observed"].tolist() == tests["n_observed"].tolist()
    assert frame["n_expected"].tolist() == tests["n_expected"].tolist()
    assert frame["z"].tolist() == tests["z"].tolist()
    checks = run.read(schema.CLOSURE).groups["checks"]
    with brief_closure():
        closure = an.closure(template, template.regions.data.truth)
    assert closure.auc == checks["auc"][list(checks["check"]).index("signal region, true background")]


def test_every_result_has_a_short_text_and_a_table(data, regions, template, counts):
    for result in (data, regions, template, counts, an.closure(template, data.truth)):
        assert len(repr(result)) < 200
        assert repr(result).startswith("<")
        assert result._repr_html_().startswith("<figure")
        assert "<table" in result._repr_html_()
        assert len(result.to_pandas())
    assert "WITHOUT closure uncertainty" in repr(counts)


def test_every_verb_takes_a_seed_that_is_recorded_and_is_that_of_the_data_otherwise(data_file):
    for verb in (an.load, an.split, an.template, an.classify, an.count, an.closure):
        assert "seed" in inspect.signature(verb).parameters, verb
    regions = an.split(an.load(data_file, inject=100, reserve=0.3, seed=7), "3.3-3.7")
    assert regions.seed == 7
    assert an.split(regions.data, "3.3-3.7", seed=8).seed == 8
    made = [an.template(regions, an.methods.RadOT(), seed=seed) for seed in (None, 7, 8)]
    assert [template.seed for template in made] == [7, 7, 8]
    features = [template.template.events.features for template in made]
    assert np.array_equal(features[0], features[1])
    assert not np.array_equal(features[0], features[2])


def test_a_run_is_opened_as_it_is_printed(finished):
    run = an.open(finished)
    split = RunDirectory(finished).read(schema.SPLIT)
    scores = run.scores.to_pandas()
    assert (scores["events"] == "observed").sum() == len(split.groups["sr"]["mjj"])
    assert run.significance.to_pandas()["background_efficiency"].tolist() == [0.2, 0.05]
    assert run._repr_html_().count("<table") > 3


def test_a_blinded_run_is_opened_but_not_looked_into(tmp_path):
    rows = shipped_rows(8)
    file = write_official(tmp_path / "data.h5", rows[rows[:, -1] == 0, :-1], OFFICIAL_COLUMNS)
    fast = ["--set", "methods.rad_ot.batch=500", "--set", "classifiers.trees.ensemble=1", "--set", "classifier.folds=2"]
    options = ["--signal-region", "3.3-3.7", "--data", file, "--method", "rad_ot", "--processes", "1", *fast]
    assert invoke("run", "--run", tmp_path / "run", *options).exit_code == 0
    run = an.open(tmp_path / "run")
    hidden = (lambda: run.scores, lambda: run.artifact("template"), lambda: run.artifact("classifier"))
    for look in (*hidden, lambda: run.significance):
        with pytest.raises(ConfigError, match="blinded"):
            look()
    inspected = invoke("inspect", tmp_path / "run" / "classifier.h5")
    assert "/models: arrays of all models: not shown" in inspected.output
    shown = json.loads(invoke("summary", "--run", tmp_path / "run", "--json").output)
    regions = next(table for table in shown["tables"] if table["name"] == "regions")["rows"]
    assert regions[1]["n_events"] == {"value": None, "hidden": True}


def test_what_is_wrong_ends_in_one_sentence(tmp_path, data, template):
    with pytest.raises(AnomalyError, match="holds no run"):
        an.open(tmp_path)
    with pytest.raises(AnomalyError, match=r"write it as 3\.3-3\.7"):
        an.split(data, "nonsense")
    with pytest.raises(AnomalyError, match="needs labelled data"):
        an.closure(template, None)
    with pytest.raises(AnomalyError, match="'nonsense'"):
        an.load(nonsense=True)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        an.methods.Nothing  # noqa: B018


def test_parts_of_different_analyses_are_refused(data_file, data, regions, template):
    scores = an.classify(regions, template, an.classifiers.Trees(ensemble=1))
    other = an.load(data_file, inject=100, reserve=0.3, seed=2)
    for elsewhere in (an.split(data, "3.4-3.8"), an.split(other, "3.3-3.7")):
        with pytest.raises(ConfigError, match="classify: the template is that of"):
            an.classify(elsewhere, template)
        with pytest.raises(ConfigError, match="count: the scores are those of"):
            an.count(elsewhere, scores)
    with pytest.raises(ConfigError, match="truth is that of other data"):
        an.closure(template, other.truth)
    again = an.split(data, "3.3-3.7")  # the same once more
    assert an.count(again, scores, (0.2,)).to_pandas()["n_observed"].item() > 0


@pytest.mark.slow
def test_closure_leaves_out_what_a_template_of_truth_consists_of(data, regions):
    made = an.template(regions, an.methods.Idealised())
    held_back = len(data.truth.background(regions.split.regions.sr))
    with_truth = an.closure(made, data.truth).closure.check.compared.points
    without = an.closure(an.template(regions, an.methods.RadOT()), data.truth).closure.check.compared.points
    assert len(without) == len(with_truth) + held_back


def test_simulation_is_checked_as_that_of_a_file(data, regions):
    with pytest.raises(ConfigError, match="the simulation"):
        an.template(regions, an.methods.Salad(), simulation=data.observed)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda regions, template: an.template(regions, "curtains_f4f"), "methods.CurtainsF4F"),
        (lambda regions, template: an.template(regions, an.methods.RadOT), "the class RadOT"),
        (lambda regions, template: an.templates(regions), r"give for instance \[split"),
        (lambda regions, template: an.templates([template]), r"give for instance \[split"),
        (lambda regions, template: an.classify(template, regions), "classify: regions"),
        (lambda regions, template: an.classify(regions, template, "trees"), "classifiers.Trees"),
        (lambda regions, template: an.classify(regions, template, None, "cwola"), "classify: score"),
        (lambda regions, template: an.classify(regions, template, processes=-1), "processes >= 0"),
        (lambda regions, template: an.split(regions.data, (3.3, 3.7)), "split: signal_region"),
        (lambda regions, template: an.closure(template, regions.data), "closure: truth"),
        (lambda regions, template: an.load(features="mj1"), "list of names"),
        (lambda regions, template: an.load(features=None), "load: features must be a list, not None"),
        (lambda regions, template: an.load(features=[1]), "load: features must be text, not 1"),
        (lambda regions, template: an.load(strict="no"), "load: strict must be true or false, not 'no'"),
        (lambda regions, template: an.load(foo=1), "load: unknown setting 'foo'; known are drop_nan, features"),
        (lambda regions, template: an.load(reserv=0.4), "did you mean 'reserve'?"),
        (lambda regions, template: an.load(3), "load: file cannot be 3"),
    ],
)
def test_arguments_of_another_kind_are_named(regions, template, call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call(regions, template)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("drop that efficiency or raise --oversampling", "drop that efficiency or raise template(oversampling=...)"),
        ("hold some back with --reserve 0.4 or --reference FILE", "with load(reserve=0.4) or load(reference=...)"),
        ("with --background-efficiencies 0.2,0.05", "with count(efficiencies=(0.2,0.05))"),
        (
            "use it with --method combined, or --score cwola",
            "template(method=methods.Combined()), or classify(score=scores.CWoLa())",
        ),
        ("narrow the side-bands with --side-bands", "with split(side_bands=...)"),
        ("they are kept, --strict refuses them", "load(strict=True) refuses them"),
        ("use --device cpu", "use template(device='cpu')"),
        ("pass --overwrite", "pass --overwrite"),
    ],
)
def test_options_are_spelt_as_the_arguments_that_do_the_same(said, meant):
    def failing():
        raise ConfigError(said)

    with pytest.raises(ConfigError, match=re.escape(meant)):
        spelling.spelt(failing)()


def test_an_argument_that_several_verbs_take_is_that_of_the_verb_that_failed():
    def failing(device):
        raise ConfigError(f"--device {device} is not there")

    with pytest.raises(ConfigError, match=re.escape("failing(device='cuda') is not there")):
        spelling.spelt(failing)("cuda")


def test_failures_of_the_verbs_name_arguments(data, regions, template):
    calls = (
        (lambda: an.load(features=["nonsense"]), "load(features=...)"),
        (lambda: an.load(reserve=2.0), "load(reserve=2)"),
        (lambda: an.template(regions, an.methods.RadOT(), oversampling=1e-6), "template(oversampling=...)"),
        (lambda: an.template(regions, an.methods.Salad()), "template(simulation=...)"),
        (
            lambda: an.count(regions, an.classify(regions, template, an.classifiers.Trees(ensemble=1)), (1e-6,)),
            "template(oversampling=...)",
        ),
    )
    for call, argument in calls:
        with pytest.raises(AnomalyError) as failed:
            call()
        assert argument in str(failed.value)
        assert "--" not in str(failed.value)


@pytest.mark.slow
def test_templates_are_those_of_each(data):
    several = [an.split(data, "3.3-3.7", seed=seed) for seed in (1, 2)]
    method = an.methods.MassScaling()
    for one, regions in zip(an.templates(several, method), several, strict=True):
        alone = an.template(regions, method)
        assert (one.seed, one.regions) == (alone.seed, regions)
        assert np.array_equal(one.template.events.features, alone.template.events.features)
    assert an.templates([]) == []
    other = an.template(several[0], method, seed=2)
    assert (other.seed, other.regions) == (2, several[0])


def test_plug_ins_can_be_completed_and_mistyped():
    assert "CurtainsF4F" in dir(an.methods)
    with pytest.raises(AttributeError, match="CombinedScore"):
        an.scores.Combined  # noqa: B018


def test_what_is_public_is_listed_and_importing_it_is_light():
    assert set(dir(an)) == set(an.__all__)
    for name in an.__all__:
        assert getattr(an, name) is not None
    heavy = "{'torch', 'numpy', 'sklearn', 'pandas', 'h5py', 'typer', 'anomaly_cli.api'}"
    code = f"import sys, anomaly_cli; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_verbs_return_is_drawn_as_it_is(regions, template, counts):
    for name, result in (("mjj", regions), ("mjj", template), ("features", template), ("counts", counts)):
        axes = Figure().subplots()
        getattr(an.plot, name)(result, axes)
        assert axes.has_data(), name
    (panel, *_) = an.plot.mjj(regions, tag="own").axes
    assert "own" in panel.get_figure().get_suptitle()
    with pytest.raises(ConfigError, match="there is no scores artifact"):
        an.plot.scores(regions)
    assert "WITHOUT closure uncertainty" in an.plot.counts(counts).get_suptitle()
