"""One whole search on values: template, scores, side-band fit; no files.

The chain, validation windows, pseudo-experiments and injections all do this, so they test what the analysis does.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.analysis.selection import ScoredEvents, ScoredReplicas
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import make_template


@dataclass(frozen=True)
class Searched:
    """What a search gives: scored events and the side-band fit."""

    observed: ScoredEvents
    template: ScoredEvents
    replicas: ScoredReplicas | None
    mass_fit: MassFit


def run_search(split: Split, settings: SearchSettings, provisions: Provisions, compute: Compute) -> Searched:
    """Make a search's template, train its score in folds, and return the scored events.

    Raises:
        PhysicsError: where there are too few events.
        TrainingError: where a training diverges.
    """
    made = make_template(split, settings, provisions, compute)
    ranked = rank(split, made.template, settings, provisions, compute)
    return Searched(ranked.observed, ranked.template, ranked.replicas, made.mass_fit)


def is_searchable(settings: SearchSettings, also: Set[Need] = frozenset()) -> bool:
    """Return whether nothing is needed but side-bands, and what is allowed besides, wherever a search is done."""
    return settings.needs <= also


def require_side_bands_only(settings: SearchSettings, what: str, also: Set[Need] = frozenset()) -> None:
    """Refuse a search that needs more than side-bands, and what is allowed besides.

    Raises:
        ConfigError: where its method or its score does.
    """
    if is_searchable(settings, also):
        return
    name = f"method {settings.method.name}"
    if settings.score.name != settings.method.score:
        name = f"{name} with score {settings.score.name}"
    raise ConfigError(
        f"{what}: {name} needs more than side-bands and observed events, which signal-free windows and pseudo-data do"
        " not have; use another"
    )
