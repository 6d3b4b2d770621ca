"""Where networks are trained and sampled."""

from __future__ import annotations

from anomaly_cli.core.compute import CPU, DEVICES
from anomaly_cli.core.errors import ConfigError


def resolve_device(name: str) -> str:
    """Return the device that a setting stands for: `cpu` or `cuda`.

    Raises:
        ConfigError: for an unknown device, or `cuda` where torch finds none.
    """
    if name not in DEVICES:
        raise ConfigError(f"device '{name}' is not known; write one of {', '.join(DEVICES)}")
    if name == CPU:
        return CPU
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ConfigError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return CPU
