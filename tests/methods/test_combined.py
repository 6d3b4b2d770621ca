"""The settings of combined methods: those of `methods.NAME` reach them, and every one is in the digest."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from anomaly_cli.config import load_config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.methods.combined import Combined
from anomaly_cli.methods.curtains_f4f import CurtainsF4F
from anomaly_cli.search.settings import describe_method
from anomaly_cli.stages.resolve import resolve_settings
from anomaly_cli.stages.template import method_of


def configured(*overrides: str) -> Combined:
    method = resolve_settings(load_config([], overrides, {"template.method": "combined"})).method
    assert isinstance(method, Combined)
    return method


def test_settings_of_a_method_are_those_of_its_part() -> None:
    method = configured("methods.drapes.epochs=3", "methods.combined.settings.curtains_f4f.base_epochs=2")
    assert method.settings["drapes"]["epochs"] == 3
    assert method.settings["curtains_f4f"]["base_epochs"] == 2
    assert method.settings["curtains_f4f"]["transport_epochs"] == CurtainsF4F().transport_epochs


@pytest.mark.parametrize(("parts", "expected"), [(["rad_ot", "cathode"], True), (["curtains_f4f", "cathode"], False)])
def test_a_stored_combination_mixes_sources_where_a_part_does(parts: list[str], expected: bool) -> None:
    stored = json.loads(json.dumps({"method": describe_method(configured(f"methods.combined.methods={parts}"))}))
    assert method_of(stored).mixes_sources == expected


def test_a_default_written_out_changes_nothing() -> None:
    assert configured(f"methods.curtains_f4f.base_epochs={CurtainsF4F().base_epochs}") == configured()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cathode": {}}, "settings of 'cathode', which is not among its methods"),
        ({"drapes": {"epoch": 3}}, "method drapes: unknown setting 'epoch'; did you mean 'epochs'"),
    ],
)
def test_settings_that_belong_nowhere_are_refused(settings: dict[str, dict[str, int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(Combined(), settings=settings)
