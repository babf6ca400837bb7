"""What a person at the terminal sees when something goes wrong, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from lidepth.errors import BadInput, LidepthError, StoreError, UsageError

INTERRUPTED = 130


class Verbs(TyperGroup):
    """The verbs; an expected error becomes a message and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run one verb."""
        try:
            return super().invoke(ctx)
        except LidepthError as error:
            code = say(error)
        except KeyboardInterrupt:
            Console(stderr=True).print("interrupted; nothing was left half written", style="red")
            code = INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has left, as head does
            raise
        except OSError as error:
            place = error.filename if isinstance(error.filename, str) else ""
            remedy = "free some space, or choose a place that can be read and written"
            code = say(StoreError(error.strerror or str(error), where=place, remedy=remedy))
        raise typer.Exit(code)


def say(error: LidepthError) -> int:
    """Print an error, unwrapped, so that paths in it can be copied; return its exit code."""
    head, *rest = str(error).splitlines()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), (head, "red")))
    for line in rest:
        console.print(Text(line))
    return error.exit_code


@contextmanager
def as_usage(option: str) -> Iterator[None]:
    """Within, a value that cannot be used is a mistake in calling the command: exit code 2."""
    try:
        yield
    except BadInput as error:
        raise UsageError(
            error.what, where=option, expected=error.expected, remedy=error.remedy
        ) from error
