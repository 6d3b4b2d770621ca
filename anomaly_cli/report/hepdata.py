"""A submission to HEPData, written by hepdata_lib: tables, and the likelihoods that belong to them.

References:
    E. Maguire, L. Heinrich, G. Watt, "HEPData: a repository for high energy physics data", 2017, arXiv:1704.05473.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INSTALLED = importlib.util.find_spec("hepdata_lib") is not None
"""Whether the library is there."""
ADVICE = "HEPData is not written, since hepdata_lib is not installed: pip install 'anomaly-cli[exchange]'"
DIGITS = 12
"""Digits that are kept; counts are exact."""
OBSERVABLE = "N"
"""What all tables are about, in the words of HEPData: numbers of events."""
KEYWORDS = {"reactions": ["P P --> JET JET X"], "phrases": ["Anomaly Detection", "Dijet Production", "Resonance"]}
"""Keywords of every table."""


@dataclass(frozen=True)
class Quantity:
    """One column of a table.

    Attributes:
        name: of the column.
        values: numbers, or texts where there is none.
        unit: physical unit, empty where there is none.
        errors: symmetric uncertainties by label, None where there is none.
    """

    name: str
    values: Sequence[Any]
    unit: str = ""
    errors: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class DataTable:
    """One table.

    Attributes:
        name: of the table, and of its file.
        description: for people.
        independent: what each row is for.
        dependent: what was found.
        qualifiers: texts and numbers that hold for all of it, by name; a number with its unit is a pair.
        likelihoods: names of the attached files that belong to it.
    """

    name: str
    description: str
    independent: Sequence[Quantity]
    dependent: Sequence[Quantity]
    qualifiers: Mapping[str, Any]
    likelihoods: Sequence[str] = ()


def submission_files(
    tables: Sequence[DataTable],
    comment: str,
    location: str,
    energy: float,
    likelihoods: Mapping[str, tuple[str, bytes]],
) -> dict[str, bytes]:
    """Return the files of a submission by name.

    Args:
        tables: the tables.
        comment: about all of it.
        location: where the tables are found.
        energy: centre-of-mass energy [GeV].
        likelihoods: HistFactory files by name: what they are, and their content.
    """
    import hepdata_lib

    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch), contextlib.redirect_stdout(io.StringIO()):
        submission = hepdata_lib.Submission()
        submission.comment = comment
        for name, (_, content) in likelihoods.items():
            Path(name).write_bytes(content)
        for table in tables:
            submission.add_table(_table(table, location, energy, likelihoods))
        submission.create_files("made", validate=False)  # beside an archive with times of day, which is left here
        return {path.name: path.read_bytes() for path in sorted(Path("made").iterdir())}


def _table(table: DataTable, location: str, energy: float, likelihoods: Mapping[str, tuple[str, bytes]]) -> Any:
    import hepdata_lib

    made = hepdata_lib.Table(table.name)
    made.description, made.location = table.description, location
    made.keywords = {**KEYWORDS, "observables": [OBSERVABLE], "cmenergies": [energy]}
    for quantity in table.independent:
        made.add_variable(_variable(quantity, is_independent=True))
    for quantity in table.dependent:
        variable = _variable(quantity, is_independent=False)
        for name, value in table.qualifiers.items():
            number, unit = value if isinstance(value, tuple) else (value, "")
            variable.add_qualifier(name, number, unit)
        variable.add_qualifier("SQRT(S)", energy, "GeV")
        made.add_variable(variable)
    for name in table.likelihoods:
        made.add_additional_resource(likelihoods[name][0], name, copy_file=True, file_type="HistFactory")
    return made


def _variable(quantity: Quantity, is_independent: bool) -> Any:
    import hepdata_lib

    variable = hepdata_lib.Variable(
        quantity.name, is_independent=is_independent, is_binned=False, units=quantity.unit, values=quantity.values
    )
    variable.digits = DIGITS
    for label, values in quantity.errors.items():
        error = hepdata_lib.Uncertainty(label)
        error.values = values
        variable.add_uncertainty(error)
    return variable
