"""Comments, units and ranges of settings come from docstrings, and every setting has one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.config import Config
from anomaly_cli.core.described import Described, describe_settings, schema_of
from anomaly_cli.methods.base import METHODS
from anomaly_cli.morphing.settings import MorphConfig
from anomaly_cli.scores.base import SCORES


@dataclass(frozen=True)
class Base:
    """A base.

    Attributes:
        mass: of the thing [GeV]. Sensible: 1e-3 to 20.
        other: words in [0, 1],
            on two lines: and a colon.

    Raises:
        ValueError: never.
    """

    mass: float = 1.0
    other: int | str = "x"


@dataclass(frozen=True)
class Derived(Base):
    """Derived.

    Attributes:
        parts: how many. Sensible: 1 to 3.
    """

    parts: tuple[int, ...] = (1, 2)
    inner: Base = field(default_factory=Base)


def test_entries_are_read_with_unit_and_range_from_all_classes_of_a_record():
    assert describe_settings(Derived) == {
        "mass": Described("of the thing", "GeV", (0.001, 20.0)),
        "other": Described("words in [0, 1], on two lines: and a colon"),
        "parts": Described("how many", "", (1.0, 3.0)),
        "inner": Described(""),
    }


def test_a_schema_says_type_default_and_meaning():
    schema = schema_of(Derived)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["mass"] == {
        "type": "number",
        "default": 1.0,
        "description": "of the thing",
        "x-unit": "GeV",
        "x-sensible": [0.001, 20.0],
    }
    assert schema["properties"]["other"]["type"] == ["integer", "string"]
    assert schema["properties"]["parts"] == {
        "type": "array",
        "items": {"type": "integer"},
        "default": [1, 2],
        "description": "how many",
        "x-sensible": [1.0, 3.0],
    }
    assert schema["properties"]["inner"]["properties"]["other"]["default"] == "x"


def records(value):
    yield value
    for one in vars(value).values():
        if dataclasses.is_dataclass(one):
            yield from records(one)


EVERY = [*records(Config()), *records(MorphConfig())]
EVERY += [cls() for family in (METHODS, CLASSIFIERS, SCORES) for cls in family.find().values()]


@pytest.mark.parametrize("record", EVERY, ids=lambda record: type(record).__name__)
def test_every_setting_is_described_and_its_default_is_sensible(record):
    for name, told in describe_settings(type(record)).items():
        assert told.text, name
        assert "Sensible" not in told.text, name
        value = getattr(record, name)
        values = value if isinstance(value, tuple) else (value,)
        for one in values if told.sensible and not isinstance(value, str) else ():
            assert told.sensible[0] <= one <= told.sensible[1], name
