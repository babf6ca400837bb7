"""Answers for machines: strict JSON, in which what is not known is null."""

from __future__ import annotations

import json
from typing import Any

import typer


def json_text(answer: Any) -> str:
    """Return an answer as JSON; NaN and infinity are null."""
    from lidepth.files._provenance import known

    return json.dumps(known(answer), indent=2, ensure_ascii=False, allow_nan=False)


def say_json(answer: Any) -> None:
    """Print an answer as JSON on stdout."""
    typer.echo(json_text(answer))
