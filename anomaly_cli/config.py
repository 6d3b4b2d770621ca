"""Configuration: TOML and command line become one frozen record.

Precedence: command line, the file given to `--config`, the run's own `config.toml`, the defaults here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from anomaly_cli.core.compute import CPU, DEVICES, available_cores
from anomaly_cli.core.crossfit import check_scheme
from anomaly_cli.core.cuts import CORRECTIONS, OVERSAMPLING, Cuts, check_oversampling
from anomaly_cli.core.documents import parse_toml, read_text
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import KFold
from anomaly_cli.core.records import Record, build_record
from anomaly_cli.core.systematics import read_systematics

RUN_CONFIG_NAME = "config.toml"
"""The resolved configuration in a run directory."""
DEFAULT = "default"
"""Stands for whatever suits the other settings."""
FEWEST_TOYS = 1000
"""Pseudo-experiments of which a p-value can be made."""
RENAMED = {
    f"classifier.{name}": f"classifiers.trees.{name}"
    for name in ("ensemble", "iterations", "leaves", "learning_rate", "patience")
}
"""Settings of earlier releases that are found elsewhere now."""
MEMBERS = {"template": "methods", "method": "methods", "classifier": "classifiers", "score": "scores"}
"""Where settings of the members of a family are, by the table that one may look for them in."""


@dataclass(frozen=True)
class DataSettings:
    """Which events are analysed.

    Attributes:
        file: path of an event file or of a manifest that describes one, or `shipped` for the data set of
            the package.
        key: which table of the file, where it is HDF5 with several; empty where it has one.
        labels: master key with the truth of a file without labels, or empty.
        inject: signal events put into pseudo-data over the whole spectrum: a number, `all`, or
            `default` (the data set's own default, else the square root of the background events).
        reserve: fraction of the background held back as reference, or `default` (the data set's own
            default, else 0). Sensible: 0 to 0.5.
        reference: a second labelled file used as reference, or empty.
        score_file: scores of the events of `file` by another model, a table of row (or event_id) and score, which
            become a feature of the name of the score; empty for none.
        inject_from: further signals, as `FILE` or `FILE=N` with the number of events to inject.
        features: features to use, `standard` (five), `extended` (56), `noise` (ten that say nothing, a stress
            test), or `default` (the standard five, or all of an own file).
        drop_nan: whether events with NaN or unphysical values are left out and counted instead of refused.
        strict: whether duplicate events are refused.
    """

    file: str = "shipped"
    key: str = ""
    labels: str = ""
    inject: int | str = "default"
    reserve: float | str = "default"
    reference: str = ""
    score_file: str = ""
    inject_from: tuple[str, ...] = ()
    features: tuple[str, ...] = ("default",)
    drop_nan: bool = False
    strict: bool = False


@dataclass(frozen=True)
class RegionSettings:
    """The mass windows, in TeV unless a unit is written.

    Attributes:
        signal_region: as `3.3-3.7`; has no default [TeV].
        side_bands: as `3.0-3.3,3.7-4.6`, or `default` (300 GeV below and 900 GeV above, cut where the
            data end) [TeV].
    """

    signal_region: str = ""
    side_bands: str = "default"


@dataclass(frozen=True)
class TemplateSettings:
    """The template stage.

    Attributes:
        method: name of the template method.
        oversampling: template events per observed signal-region event. Sensible: 1 to 10.
        crossfit: how side-band events are divided, so that none is used both to train a classifier and to estimate
            how much background passes it: `thirds`, `parts`, `halves`, `complements`, `none`, or `default` for what
            suits method and events.
        simulation: file of simulated background, for methods that need one, or empty.
        base: shared base flow (`anomaly base`), for methods that need one, or empty for the run's own.
        base_without: mass windows whose events a shared base flow must not see, as `3.3-3.7`.
    """

    method: str = "curtains_f4f"
    oversampling: float = OVERSAMPLING
    crossfit: str = DEFAULT
    simulation: str = ""
    base: str = ""
    base_without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_oversampling(self.oversampling)
        check_scheme(self.crossfit, DEFAULT)


@dataclass(frozen=True)
class ClassifierSettings:
    """The classifier.

    Attributes:
        name: family of classifiers; its own settings are those of `classifiers.NAME`.
        folds: number of folds; an event is scored by models trained on the other folds. Sensible: 5 to 10.
        validation_fraction: part of the training events, by source, that decides when a training stops.
            Sensible: 0.05 to 0.3.
    """

    name: str = "trees"
    folds: int = KFold.folds
    validation_fraction: float = KFold.validation_fraction

    def __post_init__(self) -> None:
        _ = self.kfold  # which checks them

    @property
    def kfold(self) -> KFold:
        """How events are divided."""
        return KFold(self.folds, self.validation_fraction)


@dataclass(frozen=True)
class ScoreSettings:
    """What ranks events.

    Attributes:
        name: the score, or `default` for that of the template method; its own settings are those of `scores.NAME`.
        decorrelate: whether it is made free of the mass: `none`, `template` for the signal region, or `side_bands` for
            all masses.
    """

    name: str = DEFAULT
    decorrelate: str = "none"


@dataclass(frozen=True)
class ClosureSettings:
    """The closure stage.

    Attributes:
        windows: whether to measure closure also in the signal-free validation windows of the significance
            settings, which trains the template method anew in each.
    """

    windows: bool = False


@dataclass(frozen=True)
class SignificanceSettings:
    """The significance suite.

    Attributes:
        background_efficiencies: fractions of the template that the cuts keep. Sensible: 0.0005 to 0.5.
        pass_fail_from: from this background efficiency on, the data that fail the cut normalise the
            background; below it, the side-band fit. Sensible: 0.02 to 0.5.
        least_fit_p: cuts that the side-band fit normalises are refused where its goodness of fit has a smaller
            p-value; 0 accepts it, with its uncertainty scaled up. Sensible: 0 to 0.05.
        toys: pseudo-experiments per p-value. Sensible: 10000 to 1000000.
        measurements: another run directory of the same settings, whose validation windows and pseudo-experiments
            are used; empty for the run's own.
        correct: `mean` corrects expectations by the mean excess of the validation windows, and counts with what that
            leaves uncertain; `none` takes the excess itself as the uncertainty; `default` is what the method was found
            to need.
        windows: signal-free windows in which closure is validated, at least 3. Sensible: 5 to 12.
        window_width: their width in units of the signal region's. Sensible: 0.5 to 1.
        experiments: pseudo-experiments that measure the k-fold over-dispersion, at least 5; fewer than 10 are marked.
            Sensible: 10 to 100.
        permutations: permutations of the labels, at least 5; fewer than 10 are marked as too few. Sensible: 10 to 100.
        resonance_width: relative width of the resonance of the bump hunt. Sensible: 0.01 to 0.1.
        scan_widths: relative widths that the bump hunt's scan tries at every mass in the signal region.
        systematics: the user's own by name, each a table of `up` and `down` (relative shifts at plus and minus one
            standard deviation, a number or one for each cut; without `down` the factor is log-normal), `on`
            (`background` or `signal`) and `correlated` (`all`, `cuts`, `regions`, `none`).
    """

    background_efficiencies: tuple[float, ...] = Cuts.background_efficiencies
    pass_fail_from: float = Cuts.pass_fail_from
    least_fit_p: float = Cuts.least_fit_p
    toys: int = 100_000
    measurements: str = ""
    correct: str = DEFAULT
    windows: int = 8
    window_width: float = 1.0
    experiments: int = 20
    permutations: int = 20
    resonance_width: float = 0.03
    scan_widths: tuple[float, ...] = (0.02, 0.03, 0.05)
    systematics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.cuts  # which checks them
        if self.correct not in (DEFAULT, *CORRECTIONS):
            known = ", ".join((DEFAULT, *CORRECTIONS))
            raise ConfigError(f"significance: correct = '{self.correct}' must be one of {known}")
        if self.toys < FEWEST_TOYS or self.windows < 3 or min(self.experiments, self.permutations) < 5:
            raise ConfigError(
                f"significance: needs toys >= {FEWEST_TOYS}, windows >= 3, experiments >= 5 and permutations >= 5"
            )
        if not (0.0 < self.window_width <= 1.0 and 0.0 < self.resonance_width < 0.5):
            raise ConfigError("significance: needs window_width in (0, 1] and resonance_width in (0, 0.5)")
        if not self.scan_widths or not all(0.005 <= width < 0.5 for width in self.scan_widths):
            raise ConfigError("significance: needs one scan width or more, each in [0.005, 0.5), as in [0.02, 0.03]")

    @property
    def cuts(self) -> Cuts:
        """The cuts on the score."""
        found = read_systematics(self.systematics, len(self.background_efficiencies))
        return Cuts(self.background_efficiencies, self.pass_fail_from, self.least_fit_p, found)


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on.

    Attributes:
        seed: seed of every random stream.
        threads: threads per process; part of the provenance, since it can change rounding. Sensible: 1 to 4.
        processes: processes for work that splits; never changes a result; 0 uses every core.
        device: where networks are trained and sampled: `cpu`, `cuda`, or `auto` for the second where there is one;
            part of the provenance, since it can change rounding.
        data: which events.
        regions: which windows.
        template: the template stage.
        methods: settings of template methods by name.
        classifier: the classifier.
        classifiers: settings of families of classifiers by name.
        score: what ranks events.
        scores: settings of scores by name.
        closure: the closure stage.
        significance: the significance stage.
    """

    seed: int = 1
    threads: int = 1
    processes: int = 0
    device: str = CPU
    data: DataSettings = field(default_factory=DataSettings)
    regions: RegionSettings = field(default_factory=RegionSettings)
    template: TemplateSettings = field(default_factory=TemplateSettings)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    classifiers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    closure: ClosureSettings = field(default_factory=ClosureSettings)
    significance: SignificanceSettings = field(default_factory=SignificanceSettings)

    def __post_init__(self) -> None:
        if self.seed < 0 or self.threads < 1 or self.processes < 0:
            raise ConfigError("configuration: needs seed >= 0, threads >= 1 and processes >= 0")
        if self.device not in DEVICES:
            raise ConfigError(f"configuration: device '{self.device}' is not known; write one of {', '.join(DEVICES)}")
        for family in ("methods", "classifiers", "scores"):
            for name, settings in getattr(self, family).items():
                if not isinstance(settings, Mapping):
                    raise ConfigError(f"{family}.{name} = {settings!r}: must be a table of its settings")

    @property
    def n_processes(self) -> int:
        """Number of processes to use on this machine."""
        return self.processes or available_cores()

    @property
    def score_feature(self) -> str:
        """The feature that the scores of `data.score_file` become, called as their column; empty without a file."""
        return self.scores.get("external", {}).get("column") or "score" if self.data.score_file else ""

    def to_toml(self) -> str:
        """Return the whole configuration, defaults included, as TOML that `--config` reads."""
        return tomli_w.dumps(dataclasses.asdict(self))


def load_config(files: Sequence[Path], overrides: Sequence[str], options: Mapping[str, Any]) -> Config:
    """Return the configuration of an analysis; see `load_settings`."""
    return load_settings(Config, files, overrides, options)


def load_settings(
    record: type[Record], files: Sequence[Path], overrides: Sequence[str], options: Mapping[str, Any]
) -> Record:
    """Return a configuration record from files, `key=value` overrides and command-line options.

    Args:
        record: the record to build.
        files: TOML files; later ones win.
        overrides: as `template.oversampling=8`.
        options: values by dotted key, which win over everything.

    Raises:
        ConfigError: where the file cannot be read, or a name or value is wrong.
    """
    tree: dict[str, Any] = {}
    for file in files:
        merge(tree, read_toml(file))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: write it as key=value, for instance template.oversampling=8")
        _assign(tree, key.strip(), _parse_value(value.strip()))
    for key, value in options.items():
        _assign(tree, key, value)
    _refuse_renamed(tree)
    return build_record(record, tree, "configuration")


def _refuse_renamed(tree: Mapping[str, Any]) -> None:
    """Refuse settings that are found elsewhere.

    Raises:
        ConfigError: saying where.
    """
    for old, new in RENAMED.items():
        table, name = old.split(".")
        if isinstance(tree.get(table), Mapping) and name in tree[table]:
            raise ConfigError(f"configuration: the setting '{old}' is called '{new}' now; rename it")
    for chosen, members in MEMBERS.items():
        for name, value in tree[chosen].items() if isinstance(tree.get(chosen), Mapping) else ():
            if isinstance(value, Mapping):
                raise ConfigError(
                    f"configuration: '{chosen}.{name}' is no table; settings of {name} are in '{members}.{name}'"
                )


def merge(tree: dict[str, Any], newer: Mapping[str, Any]) -> None:
    """Put newer settings into a tree of settings, table by table."""
    for key, value in newer.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            merge(tree[key], value)
        else:
            tree[key] = value


def read_toml(file: Path) -> dict[str, Any]:
    """Return the settings in a TOML file.

    Raises:
        ConfigError: where it cannot be read.
    """
    try:
        return parse_toml(read_text(file, "utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check its path") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is not valid TOML ({error}); 'anomaly config' prints a complete example") from error


def _parse_value(text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"configuration: '{parent}' is a single setting; '{dotted}' cannot lie below it")
        node = child
    node[last] = value
