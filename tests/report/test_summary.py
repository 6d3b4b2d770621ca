"""How values are written in tables."""

from __future__ import annotations

import pytest

from anomaly_cli.report.notation import COMPACT


@pytest.mark.parametrize(
    ("value", "error", "written"),
    [
        (-0.0098, 0.0165, "-0.010(16)"),
        (0.01234, 0.00056, "0.01234(56)"),
        (0.27, 0.5, "0.27(50)"),
        (3.5, 0.21, "3.50(21)"),
        (12.3, 1.5, "12.3(15)"),
        (120.0, 15.0, "120(15)"),
        (0.5, 0.0996, "0.50(10)"),
        (0.00001, 3e-18, "0.000010(0)"),
        (0.5, 0.0, "0.5"),
        (0.5, float("inf"), "0.5"),
        (float("nan"), float("nan"), "NaN"),
    ],
)
def test_errors_have_two_digits_in_units_of_the_last(value, error, written):
    assert COMPACT.with_error(value, error) == written
