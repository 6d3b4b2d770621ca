"""Networks, in torch: whoever needs one writes `nets.flows`, and only then is torch loaded, which takes a second.

So a run that is up to date, and every command that trains nothing, never waits for it (PEP 562). Modules without torch,
as `nets.scaling` and `nets.atoms`, are imported as any other.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch as torch

    from anomaly_cli.nets import (
        autoencoder,
        committee,
        conditional_cdf,
        diffusion,
        flows,
        flows_for_flows,
        perceptron,
        robust,
        sharpness,
        together,
        training,
        weights,
    )

__all__ = [
    "autoencoder",
    "committee",
    "conditional_cdf",
    "diffusion",
    "flows",
    "flows_for_flows",
    "perceptron",
    "robust",
    "sharpness",
    "together",
    "torch",
    "training",
    "weights",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(name if name == "torch" else f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
