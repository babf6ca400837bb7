"""A kept start of a fit comes back exactly, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lidepth.files.settled import fingerprint, read_settled, write_settled
from lidepth.model.result import Settled

SETTLED = Settled(
    shared={"offset": 0.1 + 0.2, "flux": -1e-300},
    tied={"cycle 1 charged": np.array([1.0, np.pi])},
    untied={"cycle 1 charged": np.array([2.0, np.e])},
)
OURS = fingerprint("title: x", "icru49")


def test_a_start_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    write_settled(tmp_path / "s.json", SETTLED, belongs_to=OURS)
    found = read_settled(tmp_path / "s.json", belongs_to=OURS)
    assert found is not None
    assert found.shared == SETTLED.shared
    np.testing.assert_array_equal(found.tied["cycle 1 charged"], [1.0, np.pi])
    np.testing.assert_array_equal(found.untied["cycle 1 charged"], [2.0, np.e])


def test_a_start_of_another_cell_or_source_is_not_used(tmp_path: Path) -> None:
    write_settled(tmp_path / "s.json", SETTLED, belongs_to=OURS)
    assert read_settled(tmp_path / "s.json", belongs_to=fingerprint("title: y", "icru49")) is None
    assert read_settled(tmp_path / "s.json", belongs_to=fingerprint("title: x", "csv:t")) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"for": 1}', '{"shared": NaN}', "[" * 100_000,
     '{"for": "OURS", "shared": {"a": NaN}, "tied": {}, "untied": {}}',
     '{"for": "OURS", "shared": {"a": "b"}, "tied": {}, "untied": {}}',
     '{"for": "OURS", "shared": {}, "tied": {"a": 3}, "untied": {}}',
     '{"for": "OURS", "shared": [], "tied": {}, "untied": {}}'],
)  # fmt: skip
def test_a_damaged_start_is_no_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.json").write_text(content.replace("OURS", OURS))
    assert read_settled(tmp_path / "s.json", belongs_to=OURS) is None


def test_no_start_is_no_error(tmp_path: Path) -> None:
    assert read_settled(tmp_path / "none.json", belongs_to=OURS) is None
