"""Exported tables, from rows that are written down here."""

from __future__ import annotations

from anomaly_cli.report.exchange import _Export
from anomaly_cli.report.render import csv, latex

ROWS = [
    {"background_efficiency": 0.2, "n_observed": 123456, "z": 0.1 + 0.2, "p0": 2.7e-11, "by_toys": "toys"},
    {"background_efficiency": 0.05, "n_observed": 7, "z": float("nan"), "p0": float("inf"), "by_toys": "toys"},
]


def test_numbers_are_exact_in_csv_and_counts_in_latex_as_well():
    table = _Export(ROWS, "all uncertainties included").table("counts")
    assert csv.render_table(table) == (
        "background_efficiency,n_observed,z,p0,by_toys,contents\n"
        "0.2,123456,0.30000000000000004,2.7e-11,toys,all uncertainties included\n"
        "0.05,7,-,-,toys,all uncertainties included\n"
    )
    assert r"$0.2$ & $123456$ & $0.3$ & $2.7 \times 10^{-11}$ & toys \\" in latex.render_table(table)
    assert r"$0.05$ & $7$ & - & - & toys \\" in latex.render_table(table)
    assert "all uncertainties included" in latex.render_table(table)
