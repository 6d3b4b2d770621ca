"""Pictures of reproductions show every value, and say what they are of."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from anomaly_cli.artifacts.reproduction import Compared, Reproduction
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.report.reproduction_picture import draw_lines, draw_reproduction, draw_rows

LINES = [
    Compared("CATHODE", "SIC", "300", ours=(1.0, 2.0, 6.0), published=9.0, published_error=3.0),
    Compared("CATHODE", "SIC", "1000", ours=(5.0, 5.0, 5.0), published=8.0),
    Compared("TRANSIT", "SIC", "1000", published=-2.0, published_error=1.0),
]
ROWS = [
    Compared("CATHODE", "SIC", "300", ours=(1.0, 2.0), published=1.5),
    Compared("TRANSIT", "SIC", "300", published=1.8),
]


def axes_of(draw, values):
    axes = Figure().subplots()
    draw(axes, values)
    return axes


def whole(values) -> Reproduction:
    told = {"data": "", "classifier": "", "settings": {}, "release": "", "n_jobs": 1, "cpu_seconds": 1.0}
    return Reproduction("toy", "Toy", "quick", "injected", tuple(values), **told)


def test_no_value_and_no_error_is_cut_off():
    low, high = axes_of(draw_lines, LINES).get_ylim()
    assert low <= -3.0
    assert high >= 12.0


@pytest.mark.parametrize("draw", [draw_lines, draw_rows])
def test_a_published_standard_deviation_is_drawn_as_the_error_of_the_mean(draw):
    """Beside ours, which is one."""
    value = Compared("CATHODE", "SIC", "300", ours=(1.0, 2.0), published=9.0, published_error=3.0, published_over=9)
    drawn = [
        bars.get_segments()[0]
        for container in axes_of(draw, [value]).containers
        for bars in container.lines[2]
        if 9.0 in np.mean(bars.get_segments()[0], axis=0)
    ]
    assert [np.ptp(segment, axis=0).max() for segment in drawn] == [pytest.approx(2.0)]


def test_lines_are_medians_and_the_band_is_68_per_cent():
    axes = axes_of(draw_lines, LINES)
    line = next(line for line in axes.lines if list(line.get_xdata()) == [300.0, 1000.0] and line.get_marker() == "o")
    assert list(line.get_ydata()) == [2.0, 5.0]
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(1.32)  # 16 % of 1, 2, 6
    assert band[:, 1].max() == pytest.approx(5.0)


def test_a_method_stands_in_the_legend_once_and_one_that_was_not_run_without_a_line():
    legend = axes_of(draw_lines, LINES).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["CATHODE", "TRANSIT"]
    assert [handle.get_linestyle() for handle in legend.get_lines()] == ["-", "None"]


def test_what_all_rows_have_in_common_is_on_the_axis(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("anomaly_cli.report.reproduction_picture.save", lambda figure, path, size: drawn.append(figure))
    draw_reproduction(whole(ROWS), tmp_path / "toy.svg")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "SIC, injected 300"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["CATHODE", "TRANSIT"]


@pytest.mark.parametrize(
    ("ours", "error", "scale"), [(0.1, None, "log"), (0.1, 50.0, "linear"), (10.0, None, "linear")]
)
def test_rows_of_very_different_size_stand_on_a_logarithmic_axis(ours, error, scale):
    values = [Compared("a", "minutes", ours=(ours,), published=20.0, published_error=error), Compared("b", "minutes")]
    assert axes_of(draw_rows, values).get_xscale() == scale


def test_a_picture_without_published_values_speaks_of_none():
    values = [Compared("a", "AUC", ours=(0.5,)), Compared("b", "AUC", ours=(0.6,))]
    assert axes_of(draw_rows, values).get_legend() is None


def test_a_picture_is_the_same_each_time(tmp_path):
    first, again = (draw_reproduction(whole(LINES), tmp_path / f"{name}.svg") for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
    with pytest.raises(ConfigError, match="in this format"):
        draw_reproduction(whole(LINES), tmp_path / "a.bmp")
    with pytest.raises(ArtifactError, match="cannot be written"):
        draw_reproduction(whole(LINES), tmp_path / "a.svg" / "b.svg")
