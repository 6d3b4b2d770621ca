"""Exported tables, from rows that are written down here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.disagreement import compare_searches
from anomaly_cli.report.exchange import _Export
from anomaly_cli.report.hepdata import submission_files
from anomaly_cli.report.notation import ROUNDED
from anomaly_cli.report.render import csv, latex

WITH = "with closure uncertainty and k-fold over-dispersion"
ROWS = [
    {"background_efficiency": 0.2, "n_observed": 123456, "z": 0.1 + 0.2, "p0": 2.7e-11, "calculation": "toys"},
    {"background_efficiency": 0.05, "n_observed": 7, "z": float("nan"), "p0": float("inf"), "calculation": "toys"},
]
MEASURED = [
    {"background_efficiency": 0.2, "n_expected": 120.5, "uncertainty": 3.25, "p0": 0.01, "p0_error": 0.001, "z": 2.0},
    {
        "background_efficiency": 0.05,
        "n_expected": 7.0,
        "uncertainty": float("nan"),
        "p0": 0.5,
        "p0_error": 0.1,
        "z": 0.0,
    },
]
NUMBERS = {"n_windows": 6, "n_permutations": 0, "n_toys": 1000}


def test_numbers_are_exact_in_csv_and_counts_in_latex_as_well():
    table = _Export(ROWS, WITH).table("counts")
    assert csv.render_table(table) == (
        "background_efficiency,n_observed,z,p0,calculation,contents\n"
        "0.2,123456,0.30000000000000004,2.7e-11,toys,with closure uncertainty and k-fold over-dispersion\n"
        "0.05,7,-,-,toys,with closure uncertainty and k-fold over-dispersion\n"
    )
    assert r"$0.2$ & $123456$ & $0.30$ & $2.7 \times 10^{-11}$ & toys \\" in latex.render_table(table)
    assert r"$0.05$ & $7$ & - & - & toys \\" in latex.render_table(table)
    assert WITH in latex.render_table(table)


def test_uncertainties_stand_beside_their_values_and_the_numbers_behind_them_in_every_row():
    export = _Export(MEASURED, "WITHOUT closure uncertainty", NUMBERS)
    rows = csv.render_table(export.table("counts")).splitlines()
    assert rows[0] == (
        "background_efficiency,n_expected,n_expected_uncertainty,p0,p0_uncertainty,z,contents,"
        "n_windows,n_permutations,n_toys"
    )
    assert rows[1] == "0.2,120.5,3.25,0.01,0.001,2.0,WITHOUT closure uncertainty,6,0,1000"
    assert rows[2].startswith("0.05,7.0,,0.5,0.1,0.0")
    text = latex.render_table(export.table("counts"))
    assert r"$0.2$ & $120.5$ $\pm$ $3.2$ & $0.0100$ $\pm$ $0.0010$ & $2.00$ \\" in text
    assert "validation windows: 6, label permutations: none, pseudo-experiments per p-value: 1000" in text


@pytest.mark.parametrize(
    ("windows", "experiments", "closure", "factor", "said"),
    [
        ([6, 6], [20, 20], 0.1, 1.1, f"{WITH} (6 windows, 20 pseudo-experiments)"),
        ([6, 3], [20, 20], 0.1, 1.1, f"{WITH} (3 to 6 windows, 20 pseudo-experiments)"),
        ([6, 6], [5, 5], 0.1, 1.1, "k-fold over-dispersion from TOO FEW pseudo-experiments (6 windows, 5 pseudo-"),
        ([0, 0], [20, 20], float("nan"), 1.1, "WITHOUT closure uncertainty (20 pseudo-experiments)"),
        ([0, 0], [0, 0], float("nan"), float("nan"), "WITHOUT closure uncertainty and k-fold over-dispersion"),
    ],
)
def test_all_is_included_only_where_it_is(windows, experiments, closure, factor, said):
    tests = {"n_windows": windows, "n_experiments": experiments}
    tests |= {"closure_uncertainty": np.full(2, closure), "overdispersion": np.full(2, factor)}
    assert describe_tests(tests).startswith(said)


def test_a_submission_has_units_energy_keywords_and_its_likelihoods():
    pytest.importorskip("hepdata_lib")
    table = _Export(MEASURED, "WITHOUT closure uncertainty", NUMBERS).data("counts", "3.3-3.7", ["SR.json"])
    files = submission_files(
        [table], "A search.", "Signal region", 13_000.0, {"SR.json": ("mu = 1 is 5 events", b"{}")}
    )
    assert sorted(files) == ["SR.json", "counts.yaml", "submission.yaml"]
    head, counts = yaml.safe_load_all(files["submission.yaml"])
    assert head["comment"] == "A search."
    assert counts["additional_resources"] == [
        {"description": "mu = 1 is 5 events", "location": "SR.json", "type": "HistFactory"}
    ]
    assert {"name": "cmenergies", "values": [13_000.0]} in counts["keywords"]
    data = yaml.safe_load(files["counts.yaml"])
    expected = data["dependent_variables"][0]
    assert expected["values"][0] == {"value": 120.5, "errors": [{"symerror": 3.25, "label": "total"}]}
    assert "errors" not in expected["values"][1]
    assert {"name": "validation windows", "value": 6} in expected["qualifiers"]
    assert {"name": "SQRT(S)", "units": "GeV", "value": 13_000.0} in expected["qualifiers"]
    again = submission_files(
        [table], "A search.", "Signal region", 13_000.0, {"SR.json": ("mu = 1 is 5 events", b"{}")}
    )
    assert again == files


def count_and_hunt(**hunted):
    counted = {"background_efficiency": [0.2], "n_observed": [1160], "n_expected": [1000.0], "uncertainty": [90.0]}
    counted |= {"z": [1.5], "no_claim": [""]}
    found = {"background_efficiency": [0.2], "signal_yield": [180.0], "signal_error": [50.0], "z": [1.6]}
    found |= {"overdispersion": [np.nan], "spurious_signal": [10.0], **hunted}
    made = (SimpleNamespace(groups={"tests": {n: np.array(v) for n, v in one.items()}}) for one in (counted, found))
    return [message.text for message in compare_searches(*made)]


def test_count_and_bump_hunt_are_compared():
    assert count_and_hunt() == []
    (alike,) = count_and_hunt(z=[3.6])
    assert "like signals with unlike certainty: 180 +- 50 and 160 +- 95 events (Z = 3.6 and 1.5)." in alike
    (apart,) = count_and_hunt(signal_yield=[480.0], z=[9.0], spurious_signal=[200.0])
    assert "bump hunt and count disagree" in apart
    assert "of which the template alone fakes 200" in apart


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (4432.206, 62.95, "4432 +- 63"),
        (22.16, 4.079, "22.2 +- 4.1"),
        (4473.5, 136.1, "4474 +- 136"),
        (7.979e-7, 8.347e-9, "7.979e-07 +- 8.3e-09"),
        (1.299, 0.4594, "1.30 +- 0.46"),
        (0.0, 0.5, "0.00 +- 0.50"),
        (0.999, 0.0996, "1.00 +- 0.10"),
        (3.0e7, 2.0e8, "3e+07 +- 2.0e+08"),
    ],
)
def test_a_number_ends_where_its_uncertainty_does(value, error, text):
    assert ROUNDED.with_error(value, error) == text
