"""Two-dimensional toy data sets with sharp or branching shapes, plain or with a condition.

The shapes are those of the flows-for-flows papers (arXiv:2211.02487, 2309.06472); all lie in about
[-4, 4]^2. A condition is drawn evenly: an angle in [0, pi/4] that the shape is rotated by, or a factor in
[0.5, 1] that its radius is multiplied by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.core.tables import Table

Generator = np.random.Generator
NAMES = ("x", "y")


def _checkerboard(n: int, generator: Generator) -> FloatArray:
    """Even density in the eight black fields of a 4 x 4 board."""
    x = generator.uniform(-4.0, 4.0, n)
    lower = np.floor(x / 2.0) % 2 * 2.0 - 4.0 * generator.integers(0, 2, n)
    return np.stack([x, lower + generator.uniform(0.0, 2.0, n)], axis=1)


def _circle(n: int, generator: Generator, radius: FloatArray | float) -> FloatArray:
    angle = generator.uniform(0.0, 2.0 * np.pi, n)
    around: FloatArray = (radius * np.stack([np.cos(angle), np.sin(angle)])).T
    return around


def _ring(n: int, generator: Generator) -> FloatArray:
    """One broad ring, radii 1.5 to 3, with edges 10 % wide."""
    radius = generator.uniform(1.5, 3.0, n)
    return _circle(n, generator, radius) + 0.1 * radius[:, None] * generator.standard_normal((n, 2))


def _concentric_rings(n: int, generator: Generator) -> FloatArray:
    """Four concentric rings, radii 0.8 to 3.2, 5 % wide."""
    radius = 0.8 * generator.integers(1, 5, n).astype(np.float64)
    return _circle(n, generator, radius) + 0.04 * radius[:, None] * generator.standard_normal((n, 2))


def _star(n: int, generator: Generator) -> FloatArray:
    """Eight rays from the centre."""
    along = generator.uniform(0.4, 3.6, n)
    angle = generator.integers(0, 8, n) * np.pi / 4.0
    across = 0.15 * generator.standard_normal((n, 2))
    return np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1) + across


def _four_circles(n: int, generator: Generator) -> FloatArray:
    """Four overlapping circles of radius 2 around the corners of a square."""
    centres = generator.choice([-1.0, 1.0], (n, 2))
    return centres + _circle(n, generator, 2.0) + 0.1 * generator.standard_normal((n, 2))


def _moons(n: int, generator: Generator) -> FloatArray:
    """Two interleaved half circles."""
    angle, is_lower = generator.uniform(0.0, np.pi, n), generator.integers(0, 2, n)
    sign = 1.0 - 2.0 * is_lower
    x, y = sign * np.cos(angle) + is_lower - 0.5, sign * np.sin(angle) + 0.5 * is_lower - 0.25
    return 2.0 * np.stack([x, y], axis=1) + 0.2 * generator.standard_normal((n, 2))


def _spirals(n: int, generator: Generator) -> FloatArray:
    """Two arms of one and a half turns."""
    turn = 3.0 * np.pi * np.sqrt(generator.uniform(0.0, 1.0, n))
    arm = generator.choice([-1.0, 1.0], n)
    x: FloatArray = (arm * turn / 2.7 * np.stack([np.cos(turn), np.sin(turn)])).T
    return x + 0.15 * generator.standard_normal((n, 2))


SHAPES: Mapping[str, Callable[[int, Generator], FloatArray]] = {
    "checkerboard": _checkerboard,
    "ring": _ring,
    "concentric_rings": _concentric_rings,
    "star": _star,
    "four_circles": _four_circles,
    "moons": _moons,
    "spirals": _spirals,
}
CONDITIONS = ("rotation", "radius")


def make_toy(name: str, n: int, generator: Generator) -> Table:
    """Return `n` points of a toy.

    Args:
        name: a shape, as `ring`, or a shape and its condition, as `ring:rotation`.
        n: number of points.
        generator: randomness.

    Raises:
        ConfigError: where there is no such shape or condition.
    """
    shape, _, condition = name.partition(":")
    if shape not in SHAPES:
        raise ConfigError(f"toy '{shape}' is not known; {nearest(shape, SHAPES)}")
    if condition not in ("", *CONDITIONS):
        raise ConfigError(
            f"toy '{name}': condition '{condition}' is not known; {nearest(condition, CONDITIONS)}"
            f" (write toy:{shape}:rotation)"
        )
    points = SHAPES[shape](n, generator)
    if not condition:
        return Table(points, np.zeros((n, 0)), NAMES, ())
    if condition == "rotation":
        angle = generator.uniform(0.0, np.pi / 4.0, n)
        x, y, cos, sin = *points.T, np.cos(angle), np.sin(angle)
        return Table(np.stack([cos * x - sin * y, sin * x + cos * y], axis=1), angle[:, None], NAMES, (condition,))
    factor = generator.uniform(0.5, 1.0, n)
    return Table(points * factor[:, None], factor[:, None], NAMES, (condition,))
