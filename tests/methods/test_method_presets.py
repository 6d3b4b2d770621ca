"""Presets of the template methods: settings as published."""

from __future__ import annotations

import dataclasses

import pytest

from anomaly_cli.methods.base import METHODS

PUBLISHED = [name for name, method in METHODS.find().items() if "published" in method.presets]


def test_the_methods_of_the_papers_have_a_published_preset():
    wanted = {"curtains_f4f", "curtains_f4f_efficient", "cathode", "flows_for_flows", "rad_ot"}
    assert wanted | {name for name in METHODS.find() if name.startswith("drapes")} <= set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_says_where_it_is_from_and_what_of_it_nobody_knows(name):
    preset = METHODS.find()[name].presets["published"]
    made = METHODS.make(name, {"preset": "published"})
    for setting, value in preset.settings.items():
        assert getattr(made, setting) == value
    assert preset.reference.startswith("arXiv:")
    fields = {field.name for field in dataclasses.fields(made)}
    assert set(preset.unpublished) <= fields


def test_as_published_no_method_scales_by_mass():
    for name in PUBLISHED:
        made = METHODS.make(name, {"preset": "published"})
        assert getattr(made, "scaling", "") != "mass"
