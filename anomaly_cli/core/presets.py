"""Presets: settings of a plug-in under one name, as a paper or a field has them.

A plug-in declares them as a class variable; `preset` in its table of settings names one, and whatever else stands there
is set on top. They are resolved before the plug-in is made: provenance holds the settings and not the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest

KEY = "preset"
"""Names a preset among the settings of a plug-in."""


@dataclass(frozen=True)
class Preset:
    """Settings under one name.

    Attributes:
        settings: values by name of the setting; the others keep their defaults.
        summary: what they are, in half a sentence.
        reference: where they were published.
        unpublished: names of settings whose published values are not known, so that ours stand for them.
    """

    settings: Mapping[str, Any]
    summary: str
    reference: str = ""
    unpublished: tuple[str, ...] = field(default=())


def resolve_preset(cls: type[Any], settings: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return the settings of a plug-in without `preset`, those of the preset filled in below them.

    Args:
        cls: class of the plug-in.
        settings: what was asked for; an empty name asks for no preset.
        where: what the settings belong to, for messages.

    Raises:
        ConfigError: for a preset that the plug-in does not have.
    """
    if KEY not in settings or KEY in getattr(cls, "__dataclass_fields__", {}):
        return settings
    name, rest = settings[KEY], {key: value for key, value in settings.items() if key != KEY}
    if name == "":
        return rest
    presets: Mapping[str, Preset] = getattr(cls, "presets", {})
    if not presets:
        raise ConfigError(f"{where}: has no presets; leave out {KEY}={name}")
    if name not in presets:
        raise ConfigError(f"{where}: unknown preset '{name}'; {nearest(str(name), presets)}")
    return {**presets[name].settings, **rest}
