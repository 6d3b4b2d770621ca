"""Expected failures: one sentence that says what, where, and what to do next."""

from __future__ import annotations


class AnomalyError(Exception):
    """Base of every failure that a user can cause or mend; the message is a whole sentence.

    Attributes:
        exit_code: the status the command line ends with.
    """

    exit_code = 1


class ConfigError(AnomalyError):
    """A setting, option or window that cannot be used."""

    exit_code = 2


class LackingFeatureError(ConfigError):
    """A feature that is asked for and that the events of a file do not have."""


class DataError(AnomalyError):
    """An input file that is missing, damaged or not in a known layout, or events that cannot be used."""

    exit_code = 3


class ArtifactError(AnomalyError):
    """An artifact that is missing, damaged, of another kind or version, or in the way."""

    exit_code = 4


class PhysicsError(AnomalyError):
    """Readable events on which the analysis cannot be done: an empty region, too few events."""

    exit_code = 5


class TrainingError(AnomalyError):
    """A training that diverged, after it was retried."""

    exit_code = 6


class AnomalyWarning(UserWarning):
    """Something that does not stop the work but that a user should know; the message is a whole sentence."""


def first_line(error: BaseException) -> str:
    """Return what another library's error says in its first line, to be quoted in a sentence of ours."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
