"""``lidepth schema``: the keys of experiment.yaml."""

from __future__ import annotations

import json

import typer

HELP = """
Print the JSON Schema of experiment.yaml: every key, what it means, its default.

\b
Example, for editors that complete and check keys:
  lidepth schema > experiment.schema.json
  # first line of experiment.yaml:
  # yaml-language-server: $schema=experiment.schema.json

Exit codes: 0 done, 2 wrong call.
"""


def schema_verb() -> None:
    """Print the schema."""
    from lidepth.files.experiment import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
