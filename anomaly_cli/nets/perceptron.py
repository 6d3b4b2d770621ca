"""Multilayer perceptrons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn


def make_perceptron(n_inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Return a network from `(n, n_inputs)` to one number per event `(n, 1)`."""
    widths = [n_inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))
