"""Pictures against those that are kept: tolerant of another release's antialiasing, not of another number.

UPDATE_GOLDEN=1 in the environment keeps those of now: look at them before they are committed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import drawn_samples
import numpy as np
import pytest
from matplotlib.testing.compare import compare_images

from anomaly_cli.report.plots.picture import save
from anomaly_cli.report.plots.registry import find_plots
from anomaly_cli.report.plots.style import SIZES

KEPT = Path(__file__).parent / "golden" / "pictures"
TOLERANCE = 4.0
"""Root mean square of pixel values; a marker moved by its own size gives more."""
SMALL = replace(SIZES["paper"], width=2.6, height=2.1, font=6.0)


def drawn(name, sources, path):
    plot = replace(
        find_plots()[name], stamp=lambda _: "a stamp"
    )  # whose words are those of tables, with tests of their own
    figure = plot.figure(sources, SMALL)
    save(figure, path, SMALL)
    return path


@pytest.mark.parametrize("name", ["counts", "limits", "closure"])
def test_a_picture_is_the_one_that_was_looked_at(name, tmp_path):
    path, kept = drawn(name, drawn_samples.sources(), tmp_path / f"{name}.png"), KEPT / f"{name}.png"
    if os.environ.get("UPDATE_GOLDEN"):
        KEPT.mkdir(exist_ok=True)
        kept.write_bytes(path.read_bytes())
    assert compare_images(str(kept), str(path), TOLERANCE) is None


def test_another_number_is_another_picture(tmp_path, monkeypatch):
    moved = drawn_samples.TESTS | {"n_observed": np.array([1040, 290, 60])}
    monkeypatch.setattr(drawn_samples, "TESTS", moved)
    path = drawn("counts", drawn_samples.sources(), tmp_path / "counts.png")
    assert compare_images(str(KEPT / "counts.png"), str(path), TOLERANCE) is not None


def test_a_picture_that_draws_what_may_not_be_claimed_is_another_one(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_samples, "TESTS", drawn_samples.TESTS | {"no_claim": np.array(["", "", ""])})
    path = drawn("counts", drawn_samples.sources(), tmp_path / "counts.png")
    assert compare_images(str(KEPT / "counts.png"), str(path), TOLERANCE) is not None
