"""Trained weights as arrays under names of our own, whatever a library calls its parameters.

What follows from the constructor (masks, the parameters of a standard normal) is not stored: libraries rename it from
version to version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from anomaly_cli.core.errors import ArtifactError


def to_tensor(array: npt.NDArray[Any], device: str = "cpu") -> Tensor:
    """Return a float32 tensor on a device."""
    tensor = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    return tensor if device == "cpu" else tensor.to(device)


def to_array(tensor: Tensor) -> npt.NDArray[np.float64]:
    """Return a float64 array."""
    return tensor.double().cpu().numpy()


def module_arrays(prefix: str, module: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Return the trained weights of a network under prefixed numbers, in the order of its layers."""
    weights = [parameter.detach().cpu().numpy() for parameter in module.parameters()]
    return {f"{prefix}.{index:03d}": weight for index, weight in enumerate(weights)}


def load_module(module: nn.Module, arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> None:
    """Load what `module_arrays` returned into an untrained network.

    Raises:
        ArtifactError: where the stored weights are those of another network, as other settings or another version of a
            library make it.
    """
    stored = [arrays[name] for name in sorted(arrays) if name.startswith(f"{prefix}.")]
    parameters = list(module.parameters())
    if [weight.shape for weight in stored] != [tuple(parameter.shape) for parameter in parameters]:
        raise ArtifactError(
            f"the stored weights of '{prefix}' do not fit the network that the installed libraries make of its"
            " settings; train it anew with 'anomaly template --overwrite', or install the versions that it was made"
            " with, which 'anomaly inspect' shows"
        )
    with torch.no_grad():
        for parameter, weight in zip(parameters, stored, strict=True):
            parameter.copy_(torch.from_numpy(np.array(weight)))
