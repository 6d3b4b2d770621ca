"""Whether expectations are corrected by the windows' mean is a setting whose default the method knows."""

from __future__ import annotations

import pytest

from anomaly_cli.config import load_config
from anomaly_cli.core.cuts import CORRECTIONS
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.methods.base import METHODS
from anomaly_cli.stages.resolve import resolve_correction


def correction(*settings):
    return resolve_correction(load_config([], list(settings), {}))


@pytest.mark.parametrize(("method", "expected"), [("curtains_f4f", "mean"), ("cathode", "none"), ("drapes", "none")])
def test_the_default_is_what_the_method_was_found_to_need(method, expected):
    assert correction(f'template.method="{method}"') == expected


def test_what_is_asked_for_wins():
    for asked in CORRECTIONS:
        assert correction(f'significance.correct="{asked}"', 'template.method="cathode"') == asked
    with pytest.raises(ConfigError, match="must be one of default, none, mean"):
        correction('significance.correct="median"')


def test_every_method_has_a_known_correction():
    assert {method.correction for method in METHODS.find().values()} <= set(CORRECTIONS)
