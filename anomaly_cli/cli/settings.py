"""Command-line options become a configuration; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomaly_cli.config import RUN_CONFIG_NAME, Config, load_config, load_settings
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import parse_window
from anomaly_cli.morphing.settings import MORPH_CONFIG_NAME, MorphConfig


def resolve_config(
    run: Path | None, file: Path | None, overrides: Sequence[str] | None, options: dict[str, Any]
) -> Config:
    """Return the configuration of a command.

    Args:
        run: run directory; its own configuration is the base.
        file: configuration file.
        overrides: `key=value` texts.
        options: command-line options by dotted key; those that are None were not given.
    """
    files = _config_files(run and run / RUN_CONFIG_NAME, file)
    given = {key: value for key, value in options.items() if value is not None}
    if "data.inject" in given and given["data.inject"].isdecimal():
        given["data.inject"] = int(given["data.inject"])
    if "data.features" in given:
        given["data.features"] = [name.strip() for name in given["data.features"].split(",")]
    if "significance.background_efficiencies" in given:
        given["significance.background_efficiencies"] = _numbers(given["significance.background_efficiencies"])
    if "data.inject_from" in given:
        given["data.inject_from"] = [str(Path(text).expanduser().absolute()) for text in given["data.inject_from"]]
    for key in ("data.file", "data.reference", "data.labels", "template.simulation", "template.base"):
        if given.get(key) not in (None, "", "shipped"):
            given[key] = str(Path(given[key]).expanduser().absolute())
    if given.get("significance.measurements"):
        given["significance.measurements"] = str(Path(given["significance.measurements"]).expanduser().absolute())
    return load_config(files, overrides or (), given)


def resolve_morph_config(
    directory: Path, file: Path | None, overrides: Sequence[str] | None, options: dict[str, Any]
) -> MorphConfig:
    """Return the configuration of a morph, as `resolve_config` does that of an analysis."""
    given = {key: value for key, value in options.items() if value is not None}
    for key in ("data.columns", "data.conditions"):
        if key in given:
            given[key] = [name.strip() for name in given[key].split(",") if name.strip()]
    for key in ("data.source", "data.target"):
        if given.get(key) and not given[key].startswith("toy:"):
            given[key] = str(Path(given[key]).expanduser().absolute())
    return load_settings(MorphConfig, _config_files(directory / MORPH_CONFIG_NAME, file), overrides or (), given)


def _config_files(own: Path | None, file: Path | None) -> list[Path]:
    return [path for path in (own,) if path is not None and path.is_file()] + [path for path in (file,) if path]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"'{text}' is not a list of numbers; write it as 0.2,0.05,0.01") from None


def default_run_directory(config: Config) -> Path:
    """Return the run directory that is used where none is named."""
    window = parse_window(config.regions.signal_region) if config.regions.signal_region else None
    if window is None:
        raise ConfigError("no signal region given; pass one, for instance --signal-region 3.3-3.7")
    return Path(f"anomaly-{window.text}")
