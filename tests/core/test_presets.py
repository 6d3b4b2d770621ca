from __future__ import annotations

import pytest

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.config import load_config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.methods.base import METHODS
from anomaly_cli.scores.base import SCORES
from anomaly_cli.stages.resolve import resolve_settings


def test_a_preset_fills_in_what_is_not_set_and_is_recorded_resolved():
    made = CLASSIFIERS.make("trees", {"preset": "standard", "iterations": 30})
    assert made == CLASSIFIERS.make("trees", {"ensemble": 50, "iterations": 30})
    config = load_config([], ["classifiers.trees.preset=standard"], {"regions.signal_region": "3.3-3.7"})
    settings = resolve_settings(config).describe_ranking()["classifier"]["settings"]
    assert settings["ensemble"] == 50
    assert "preset" not in settings


def test_no_name_is_no_preset():
    assert CLASSIFIERS.make("trees", {"preset": ""}) == CLASSIFIERS.make("trees", {})


def test_unknown_presets_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="classifier trees: unknown preset 'standrad'; did you mean 'standard'"):
        CLASSIFIERS.make("trees", {"preset": "standrad"})
    with pytest.raises(ConfigError, match="score cwola: has no presets; leave out preset=published"):
        SCORES.make("cwola", {"preset": "published"})


@pytest.mark.parametrize("family", [METHODS, CLASSIFIERS, SCORES])
def test_every_preset_can_be_made_and_names_settings_that_exist(family):
    for name, cls in family.find().items():
        for preset, declared in cls.presets.items():
            made = family.make(name, {"preset": preset})
            assert all(getattr(made, key) == value for key, value in declared.settings.items())
            assert all(hasattr(made, key) for key in declared.unpublished)
