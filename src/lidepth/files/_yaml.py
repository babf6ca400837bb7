"""YAML from strangers: bounded, without aliases, tags or repeated keys, with line numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lidepth.errors import BadInput, WrongFormat

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16


@dataclass
class _Open:
    """A mapping or a list that has not ended yet."""

    place: str
    is_mapping: bool
    key: str | None = None
    items: int = 0
    seen: set[str] = field(default_factory=set)

    def next_place(self) -> str:
        if not self.is_mapping:
            self.items += 1
            return f"{self.place}[{self.items - 1}]"
        key, self.key = self.key, None
        return f"{self.place}.{key}" if self.place else str(key)


def load_yaml(text: str, path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the mapping in a YAML text, and the line of every dotted place in it.

    Raises WrongFormat or another BadInput, naming file and line, for anything but one plain
    mapping.  Read at most MAX_BYTES of it: ``path`` is for messages only.
    """
    try:
        lines = dict(_places(text, path))
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise WrongFormat(
            f"this is not YAML ({error.problem})",
            where=f"{path}, line {mark.line + 1}" if mark else str(path),
            expected="keys and values, such as title: my cell",
            remedy="check indentation, brackets and quotes there",
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise WrongFormat(
            f"this is not YAML ({error})", where=str(path), expected="plain YAML text",
            remedy="look for control characters, impossible dates and giant numbers",
        ) from error  # fmt: skip
    if not isinstance(tree, dict):
        raise WrongFormat(
            "this is not a description of an experiment", where=f"{path}, line 1",
            expected="the keys title, cell, instrument and data",
        )  # fmt: skip
    return tree, lines


def _places(text: str, path: Path) -> Iterator[tuple[str, int]]:
    """Yield (dotted place, line) for every value; refuses what a description never needs."""
    unfinished: list[_Open] = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if not isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            continue
        line = event.start_mark.line + 1 if event.start_mark else 0
        where = f"{path}, line {line}"
        if isinstance(event, yaml.CollectionEndEvent):
            unfinished.pop()
            continue
        _refuse_tricks(event, where)
        top = unfinished[-1] if unfinished else None
        if top is not None and top.is_mapping and top.key is None:
            top.key = _key(event, top, where)
            continue
        place = top.next_place() if top is not None else ""
        yield place, line
        if isinstance(event, yaml.CollectionStartEvent):
            unfinished.append(_Open(place, isinstance(event, yaml.MappingStartEvent)))
            if len(unfinished) > MAX_DEPTH:
                raise BadInput(
                    "too many levels", where=where, expected=f"at most {MAX_DEPTH} levels"
                )


def _refuse_tricks(event: yaml.NodeEvent, where: str) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise BadInput(
            f"the tag {str(tag)[:60]!r} is not allowed", where=where, expected="plain values",
            remedy="remove the tag",
        )  # fmt: skip
    if event.anchor is not None:
        raise BadInput(
            f"the anchor or alias {event.anchor!r} is not allowed", where=where,
            expected="plain values", remedy="write the value out",
        )  # fmt: skip


def _key(event: yaml.NodeEvent, mapping: _Open, where: str) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise BadInput("a key must be a plain word", where=where, expected="key: value")
    key = str(event.value)
    if key in mapping.seen:
        place = f"{mapping.place}.{key}" if mapping.place else key
        raise BadInput(
            f"the key {key!r} appears twice", where=f"{where}, {place}", expected="each key once",
            remedy="remove one of them",
        )  # fmt: skip
    mapping.seen.add(key)
    return key
