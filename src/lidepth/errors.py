"""Every error lidepth raises on purpose, as one tree.

    LidepthError                 catch this to catch everything of ours        exit code 1
    +-- UsageError               the command was called wrongly                exit code 2
    +-- BadInput                 a file or a value cannot be used
    |   +-- UnknownKey           a key that no part of lidepth knows
    |   +-- WrongUnit            a unit is missing or of the wrong kind
    |   +-- OutOfRange           a number that cannot be physical
    |   +-- WrongFormat          the file is not what its name says
    |   +-- Truncated            the file ends too early
    +-- BadData                  the data contradict each other or cannot decide
    +-- NotConverged             a fit did not settle
    +-- WorkerLost               a process or a computer that worked for us is gone
    +-- StoreError               a result could not be written                 exit code 4

Each message says what was wrong, where, what was expected, and what to do.
"""

from __future__ import annotations


class LidepthError(Exception):
    """Base of all deliberate errors; ``exit_code`` is what the command line returns."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.remedy = remedy
        super().__init__(self._message())

    def _message(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        expected = f"\n  expected: {self.expected}" if self.expected else ""
        remedy = f"\n  to do: {self.remedy}" if self.remedy else ""
        return head + expected + remedy

    def at(self, where: str) -> LidepthError:
        """Return the same error with a place, or with a wider place put in front."""
        place = f"{where}, {self.where}" if self.where else where
        return type(self)(self.what, where=place, expected=self.expected, remedy=self.remedy)


class UsageError(LidepthError):
    """The command was called wrongly."""

    exit_code = 2


class BadInput(LidepthError):
    """A file or a value cannot be used."""


class UnknownKey(BadInput):
    """A key that no part of lidepth knows."""


class WrongUnit(BadInput):
    """A unit is missing, unknown or of the wrong kind."""


class OutOfRange(BadInput):
    """A number that cannot be physical."""


class WrongFormat(BadInput):
    """The file is not what its name says."""


class Truncated(BadInput):
    """The file ends too early."""


class BadData(LidepthError):
    """The data contradict each other, or cannot decide what was asked."""


class NotConverged(LidepthError):
    """A fit did not settle."""


class WorkerLost(LidepthError):
    """A process or a computer that worked for us is gone."""


class StoreError(LidepthError):
    """A result could not be written (disk full, no permission)."""

    exit_code = 4
