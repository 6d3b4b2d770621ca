"""The picture of `anomaly morph`, made from its artifact alone."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anomaly_cli.artifacts.morph_schema import MORPH
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report.plots.style import BLUE

MOST_POINTS = 20_000
"""Points of a panel, at most."""
MOST_ARROWS = 400
LIGHTEST = 0.88
"""Where the colours of points end, in the map that they are from."""
FORMATS = (".png", ".pdf", ".svg")


def draw_morph(artifact: Path, figure: Path, columns: str) -> Path:
    """Draw source, moved events, target and movement into a file.

    Args:
        artifact: a morph artifact.
        figure: the picture: png, pdf or svg.
        columns: two feature names, as `x,y`; the first two where empty.

    Raises:
        AnomalyError: where the artifact cannot be used, or the picture not be written.
    """
    if figure.suffix.lower() not in FORMATS:
        raise ConfigError(f"{figure}: cannot be drawn in this format; let --figure end in {', '.join(FORMATS)}")
    if not artifact.exists():
        raise ArtifactError(
            f"{artifact}: no such file; make it with 'anomaly morph --output {shlex.quote(str(artifact.parent))}'"
        )
    morph = read_artifact(artifact, MORPH)
    x, y = _choose(morph, columns)
    picture = Figure(figsize=(14.0, 3.6), layout="constrained")
    FigureCanvasAgg(picture)
    draw_panels(list(picture.subplots(1, 4, sharex=True, sharey=True)), morph, (x, y))
    try:
        picture.savefig(figure, dpi=150, metadata=_timeless(figure.suffix.lower()))
    except OSError as error:
        raise ArtifactError(f"{figure}: cannot be written ({error.strerror}); choose another with --figure") from error
    return figure


def draw_panels(axes: list[Axes], morph: Artifact, features: tuple[int, int]) -> None:
    """Draw the four panels of a morph.

    Args:
        axes: four panels: source, moved, target, movement.
        morph: a morph artifact.
        features: indices of the two features.
    """
    moved, pair = morph.groups["moved"], list(features)
    before, after, aim = (
        values[:, pair] for values in (moved["before"], moved["after"], morph.groups["target"]["values"])
    )
    origin = start_of(before)
    for panel, points, colour, title in (
        (axes[0], before, origin, f"source, coloured by {morph.features[pair[0]]}"),
        (axes[1], after, origin, "moved, in the same colours"),
        (axes[2], aim, None, "target"),
    ):
        step = -(-len(points) // MOST_POINTS)  # from everywhere in the file, which may be in some order
        draw_points(panel, points[::step], None if colour is None else colour[::step])
        panel.set_title(title)
    step = -(-len(before) // MOST_ARROWS)
    draw_movement(axes[3], before[::step], after[::step])
    axes[3].set_title("movement")
    for panel in axes:
        panel.set_xlabel(morph.features[pair[0]])
    axes[0].set_ylabel(morph.features[pair[1]])


def start_of(before: FloatArray) -> FloatArray:
    """Return where events `(n, 2)` began in the first feature, as the fraction of them that lies below `(n,)`."""
    return np.argsort(np.argsort(before[:, 0], kind="stable"), kind="stable") / max(1, len(before) - 1)


def draw_points(axes: Axes, points: FloatArray, origin: FloatArray | None) -> None:
    """Draw points `(n, 2)`, from dark to light by where they started `(n,)`, or grey.

    The colours differ in lightness, so that grey print and colour blindness keep them apart, and end before the
    lightest, which white paper would swallow.
    """
    (x, y), size = points.T, min(max(1e4 / max(1, len(points)), 1.0), 4.0)
    style: dict[str, Any] = {"s": size, "linewidths": 0.0, "rasterized": True}
    if origin is None:
        axes.scatter(x, y, color="0.35", **style)
    else:
        axes.scatter(x, y, c=LIGHTEST * origin, cmap="plasma", vmin=0.0, vmax=1.0, **style)


def draw_movement(axes: Axes, before: FloatArray, after: FloatArray) -> None:
    """Draw an arrow from where each event was to where it is, `(n, 2)` each."""
    (x, y), (u, v) = before.T, (after - before).T
    axes.quiver(x, y, u, v, angles="xy", scale_units="xy", scale=1.0, width=0.003, color=BLUE, alpha=0.6)


def _choose(morph: Artifact, columns: str) -> tuple[int, int]:
    names = [name.strip() for name in columns.split(",")] if columns else list(morph.features[:2])
    for name in names:
        if name not in morph.features:
            raise ConfigError(f"{morph.path}: has no feature '{name}'; {nearest(name, morph.features)}")
    if len(names) != 2:
        raise ConfigError(f"{morph.path}: a picture takes two features, not {len(names)}; name them as --columns x,y")
    return morph.features.index(names[0]), morph.features.index(names[1])


def _timeless(suffix: str) -> dict[str, None]:
    """Return metadata that leave out the date, so that the same artifact gives the same file."""
    return {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(suffix, {})
