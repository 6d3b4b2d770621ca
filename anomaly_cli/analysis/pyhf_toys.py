"""A repair for whoever runs pyhf's own toys on our workspaces; nothing of the package uses it."""

from __future__ import annotations

from typing import Any

import numpy as np


def repair_pyhf_toys() -> None:
    """Make `calctype="toybased"` of pyhf 0.7 work with numpy 2.4, which dropped an old keyword of `percentile`."""
    from pyhf.tensor.numpy_backend import numpy_backend

    def percentile(_: Any, tensor: Any, q: Any, axis: Any = None, interpolation: str = "linear") -> Any:
        return np.percentile(tensor, q, axis=axis, method=interpolation)  # type: ignore[call-overload]

    numpy_backend.percentile = percentile
