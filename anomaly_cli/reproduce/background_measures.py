"""What a trained search does to reference background: how much of it passes, and what mass spectrum is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from anomaly_cli.analysis.conformal import conformal_p_values
from anomaly_cli.analysis.counting import CountingModel, experiments
from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.sculpting import BoolArray, Sculpting, measure_sculpting, rejection
from anomaly_cli.analysis.selection import ScoredEvents, select
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.search.count import build_cuts
from anomaly_cli.search.rank import Ranked, scored
from anomaly_cli.search.split import Split

CUT = 0.1
"""Part of the background of the signal region that the cut of arXiv:2210.14924 keeps."""
TAGGED = 0.5
"""Part of the signal that the cut of arXiv:2211.02486 keeps."""
Found = dict[str, float]


def measure_bias(ranked: Ranked, background: ScoredEvents, fit: MassFit, cuts: Cuts) -> Found:
    """Return by how much more true background passes each cut than the template says, and Z that allows for it.

    Args:
        ranked: observed and template events.
        background: reference background of the signal region.
        fit: of the side-bands.
        cuts: the cuts; those that the events are too few for are left out.

    References:
        M. Hein et al., 2024, arXiv:2411.00085 (delta_sys: relative excess of background after the cut).
    """
    found: Found = {}
    for efficiency in cuts.background_efficiencies:
        one = dataclasses.replace(cuts, background_efficiencies=(efficiency,))
        try:
            kept = select(background, ranked.template, efficiency)
            bias = kept.n_passing / (kept.n_all * kept.efficiency) - 1.0
            measured = {efficiency: Measured(closure=abs(bias))}
            built = build_cuts(ranked.observed, ranked.template, ranked.replicas, fit, one, measured)
        except PhysicsError:
            continue
        statistical = np.sqrt(max(kept.n_passing, 1)) / (kept.n_all * kept.efficiency)
        found[f"bias@{efficiency:g}"] = float(bias)
        found[f"bias@{efficiency:g}.error"] = float(np.hypot(statistical, (1.0 + bias) * kept.efficiency_uncertainty))
        found |= significance_found(f"z_bias@{efficiency:g}", built[0].model)
    return found


def significance_found(name: str, model: CountingModel) -> Found:
    """Return the signed significance of a count, and how much Poisson fluctuations of what was counted move it."""
    variance = 0.0
    for counted in ("n_observed", "n_control"):
        count = getattr(model, counted)
        step = max(1, round(np.sqrt(count)))
        low, high = max(0, count - step), count + step
        ends = [dataclasses.replace(model, **{counted: end}) for end in (low, high)]
        below, above = signed_root(experiments(ends))
        variance += count * ((above - below) / (high - low)) ** 2
    return {name: float(signed_root(model.experiment())), f"{name}.error": float(np.sqrt(variance))}


def count_by_side_bands(ranked: Ranked, split: Split, efficiencies: Sequence[float]) -> Found:
    """Return the Z of unweighted conformal p-values, side-band events being taken for background of the region.

    Each is scored by models that have not seen it.

    References:
        J. Araz, M. Spannowsky, 2026, arXiv:2606.13780.
    """
    bands = split.side_bands
    known = scored(ranked.score, bands, ranked.crossfit.side_band_fold(bands.source_id))
    values = conformal_p_values(ranked.observed, known)
    found = {f"z@{efficiency:g}": values.significance(efficiency) for efficiency in efficiencies}
    return found | {f"z@{efficiency:g}.error": values.scatter(efficiency) for efficiency in efficiencies}


def measure_shape(mjj: FloatArray, background: ScoredEvents, in_region: BoolArray) -> Found:
    """Return what a cut that keeps a tenth of the signal region does to the mass spectrum of background.

    Args:
        mjj: masses of reference background, side-bands included `(n,)` [GeV].
        background: the same events, scored.
        in_region: which of them lie in the signal region `(n,)`.
    """
    is_passing = np.zeros(len(mjj), dtype=np.bool_)
    for fold in np.unique(background.fold):
        inside = background.fold == fold
        cut = np.quantile(background.score[inside & in_region], 1.0 - CUT)
        is_passing |= inside & (background.score > cut)
    shape = measure_sculpting(mjj, is_passing)
    return _found(shape) | {"passing": float(is_passing.sum())}


def measure_tagging(mjj: FloatArray, background: ScoredEvents, signal: ScoredEvents) -> Found:
    """Return rejection of background at half of the signal, and how unlike the masses are that pass and fail.

    Args:
        mjj: masses of reference background, side-bands included `(n,)` [GeV].
        background: the same events, scored.
        signal: scored signal.
    """
    found, is_passing = rejection(background.score, signal.score, TAGGED)
    shape = measure_sculpting(mjj, is_passing)
    return {"rejection": found, "inverse_divergence": 1.0 / max(shape.divergence, 1e-12), **_found(shape)}


def _found(shape: Sculpting) -> Found:
    return {"chi2_per_ndf": shape.chi2_per_ndf, "chi2_per_ndf.error": shape.error, "ndf": float(shape.ndf)}
