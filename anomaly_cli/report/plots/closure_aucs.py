"""How well a classifier can tell the template from background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anomaly_cli.artifacts import schema
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import BLUE, GREY, RED, legend_above, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: Axes, sources: Sources, _: str) -> None:
    """Draw the AUC of every check, beside that of untouched side-band events."""
    checks = sources.group(schema.CLOSURE, "checks")
    places = range(len(checks["check"]))[::-1]
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    errors: dict[str, Any] = {"fmt": "o", "color": BLUE, "capsize": 2.0, "label": "template"}
    axes.errorbar(checks["auc"], places, xerr=checks["auc_error"], **errors)
    axes.plot(checks["baseline_auc"], places, "s", color=RED, fillstyle="none", label="untouched side-bands")
    names = zip(checks["check"], checks["uses_truth"], strict=True)
    axes.set_yticks(places, [_wrapped(safe(str(name)), bool(is_true)) for name, is_true in names])
    axes.tick_params(axis="y", which="minor", left=False, right=False)
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_xlabel("AUC (0.5: cannot be told apart)")
    axes.margins(x=0.08)
    legend_above(axes, order=("template",))


def _wrapped(name: str, uses_truth: bool) -> str:
    text = f"{name} (truth)" if uses_truth else name
    return text.replace(", ", ",\n")


def _lack(sources: Sources) -> str:
    return "" if len(sources.group(schema.CLOSURE, "checks")["check"]) else "closure could not be measured"


PLOT = Plot(
    "closure",
    "AUC of boosted trees that try to tell the template from background.",
    {"closure": ("checks",)},
    draw,
    lack=_lack,
    shape=(1.0, 0.75),
)
