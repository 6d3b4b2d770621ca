"""Prints all settings, those of every plug-in included; imported only when a command runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.cli.asked import Asked
from anomaly_cli.config import RUN_CONFIG_NAME, Config
from anomaly_cli.core.described import schema_of
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.plugins import Family
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report.settings_text import commented_toml
from anomaly_cli.scores.base import SCORES

FAMILIES: Mapping[str, Family[Any]] = {"methods": METHODS, "classifiers": CLASSIFIERS, "scores": SCORES}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def print_configuration(asked: Asked) -> None:
    """Print the defaults, or the configuration of a run, with comments.

    Raises:
        ConfigError: where a run is named that has none.
    """
    if asked.named is not None and not (asked.named / RUN_CONFIG_NAME).is_file():
        raise ConfigError(f"{asked.named}: has no {RUN_CONFIG_NAME}; leave out --run to print the defaults")
    given = asked.config
    members = {
        field: {name: family.make(name, getattr(given, field).get(name, {})) for name in family.find()}
        for field, family in FAMILIES.items()
    }
    typer.echo(commented_toml(given, members), nl=False)


def print_schema() -> None:
    """Print a JSON schema of a configuration file."""
    schema = {"$schema": DIALECT, "title": "configuration of anomaly", **schema_of(Config)}
    for field, family in FAMILIES.items():
        members = {name: schema_of(cls) for name, cls in family.find().items()}
        schema["properties"][field] |= {"properties": members, "additionalProperties": False}
    typer.echo(json.dumps(schema, indent=1))
