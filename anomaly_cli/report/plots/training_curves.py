"""Loss against epoch of everything that was trained for a template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import legend_above, look, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PART = re.compile(r", part (\d+)$")
"""End of the name of a model that is trained once for each part of the template."""


def draw(axes: Axes, sources: Sources, model: str) -> None:
    """Draw training and validation loss of one model, once for each part of the template.

    Args:
        axes: where to draw.
        sources: a template model or a morph model.
        model: name of what was trained, without its part.
    """
    rows = _rows(sources)
    named = np.array([str(name) for name in rows["part"]])
    own = [name for name in dict.fromkeys(named) if PART.sub("", name) == model]
    for number, name in enumerate(own):
        here, how = named == name, look(number)
        found = PART.search(name)
        label = f"part {found[1]}" if found else None
        epoch = rows["epoch"][here]
        axes.plot(epoch, rows["training_loss"][here], linestyle=":", color=how.colour, alpha=0.8)
        axes.plot(epoch, rows["validation_loss"][here], marker=how.marker, color=how.colour, label=label)
    for label, line in (("validation", "-"), ("training", ":")):
        axes.plot([], [], linestyle=line, color="0.4", label=label)
    axes.set_xlabel(f"epoch of the {safe(model)}")
    axes.set_ylabel("mean loss per event")
    if rows["epoch"].max() < 30:
        axes.locator_params(axis="x", integer=True)
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    legend_above(axes, 3, order=("validation", "training"))


def _rows(sources: Sources) -> Arrays:
    return sources.group(schema.TEMPLATE_MODEL, "training") or sources.group(schema.MORPH_MODEL, "training")


def _panels(sources: Sources) -> Sequence[str]:
    return list(dict.fromkeys(PART.sub("", str(name)) for name in _rows(sources)["part"]))


def _lack(sources: Sources) -> str:
    rows = _rows(sources)
    if not rows:
        return "there is no template_model artifact; 'anomaly template' makes it"
    return "" if len(rows["part"]) else "nothing was trained for this template"


PLOT = Plot(
    "training",
    "Training and validation loss of the networks of the template.",
    {},
    draw,
    _panels,
    lack=_lack,
)
