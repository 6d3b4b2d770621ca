"""What was asked for becomes a configuration; imported only when a command runs."""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.cli.asked import Asked
from anomaly_cli.config import RUN_CONFIG_NAME, Config, load_config, load_settings
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.presets import KEY
from anomaly_cli.core.windows import parse_window
from anomaly_cli.morphing.settings import MORPH_CONFIG_NAME, MorphConfig


def resolve_config(asked: Asked) -> Config:
    """Return the configuration of an analysis; that of the run directory, where one is named, is its base."""
    files = _config_files(asked, RUN_CONFIG_NAME)
    config = load_config(files, asked.overrides, asked.settings)
    if not asked.preset:
        return config
    settings = {**asked.settings, f"methods.{config.template.method}.{KEY}": asked.preset}
    return load_config(files, asked.overrides, settings)


def resolve_morph_config(asked: Asked) -> MorphConfig:
    """Return the configuration of a morph, as `resolve_config` does that of an analysis."""
    return load_settings(MorphConfig, _config_files(asked, MORPH_CONFIG_NAME), asked.overrides, asked.settings)


def _config_files(asked: Asked, name: str) -> list[Path]:
    own = asked.named and asked.named / name
    return [path for path in (own,) if path is not None and path.is_file()] + [path for path in (asked.file,) if path]


def default_run_directory(config: Config) -> Path:
    """Return the run directory that is used where none is named."""
    window = parse_window(config.regions.signal_region) if config.regions.signal_region else None
    if window is None:
        raise ConfigError("no signal region given; pass one, for instance --signal-region 3.3-3.7")
    return Path(f"anomaly-{window.text}")
