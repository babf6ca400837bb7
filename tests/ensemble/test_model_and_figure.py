"""What is made of members: means, bands, ratios, the table, the picture."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from toys import SEED, Tiny

from lidepth.errors import BadData
from lidepth.files.ensemble_table import ensemble_json, ensemble_rows, write_ensemble
from lidepth.model.ensemble import Ensemble, Member
from lidepth.model.ledger import Ledger
from lidepth.show.ensembles import ensemble_table, ensemble_words
from lidepth.show.figures.ensembles import ensemble


def ledger(rows: int = 4, std: float = 0.5) -> Ledger:
    covariance = std**2 * np.eye(3 * rows)
    return Ledger(
        method="default", cycle=np.arange(rows) // 2 + 1,
        state=tuple(("charged", "discharged")[i % 2] for i in range(rows)),
        time_s=np.arange(rows) * 3600.0, values=np.arange(3.0 * rows).reshape(rows, 3),
        covariance=covariance, independent=covariance, flags=("",) * rows, balance_spent=True,
    )  # fmt: skip


def made(members: int = 400, *, scatter: float = 0.5, seed: int = 0) -> Ensemble:
    stated, rng = ledger(), np.random.default_rng(seed)
    shape = (members, len(stated), 3)
    return Ensemble(
        kind="posterior", method="default", seed=seed, stated=stated,
        predicted=stated.covariance, numbers=np.arange(members),
        values=stated.values + scatter * rng.standard_normal(shape),
        weights=np.full(members, 1.0 / members),
        starts=stated.values + scatter * rng.standard_normal(shape),
        log_weights=np.zeros(members), seconds=np.full(members, 0.1),
        failed=((members + 1, "it did not settle"),),
    )  # fmt: skip


def test_a_ratio_says_by_how_much_the_stated_error_is_off() -> None:
    found = made(scatter=0.75)
    # 400 members know a standard deviation to 1 / sqrt(2 * 399) = 3.5 %: four of these.
    np.testing.assert_allclose(found.ratio, 1.5, rtol=4 * found.ratio_error)
    np.testing.assert_allclose(found.stated_ratio, found.ratio)
    assert found.ratio_error == pytest.approx(1 / np.sqrt(2 * 399))
    assert np.abs(found.shift).max() < 4 * 0.75 / np.sqrt(400)


def test_covariance_and_quantiles_are_those_of_numpy_for_equal_weights() -> None:
    found = made(50)
    flat = found.values.reshape(50, -1)
    np.testing.assert_allclose(found.covariance, np.cov(flat.T), rtol=1e-12)
    expected = np.quantile(found.values, (0.1, 0.9), axis=0)
    np.testing.assert_allclose(found.quantiles((0.1, 0.9)), expected)


def test_a_member_of_weight_two_counts_like_two_members() -> None:
    base = made(6)
    twice = [0, 0, 1, 2, 3, 4, 5]
    doubled = replace(base, weights=np.array([2.0, 1, 1, 1, 1, 1]) / 7.0)
    np.testing.assert_allclose(doubled.mean, base.values[twice].mean(axis=0))
    assert doubled.effective_size == pytest.approx(49.0 / 9.0)
    middle = doubled.quantiles((0.5,))[0]
    assert np.all((middle >= base.values.min(axis=0)) & (middle <= base.values.max(axis=0)))


def test_memory_and_weights_show_whether_the_sampler_has_left_its_start() -> None:
    found = made(400)
    assert np.abs(found.memory).max() < 4.0 / np.sqrt(400)
    stuck = replace(found, starts=found.values)
    np.testing.assert_allclose(stuck.memory, 1.0)
    assert found.laplace_size == pytest.approx(400)
    uneven = replace(found, log_weights=np.where(np.arange(400) == 0, 50.0, 0.0))
    assert uneven.laplace_size == pytest.approx(1.0, rel=1e-6)


def test_what_is_not_drawn_again_has_no_ratio() -> None:
    found = made(20)
    predicted = found.predicted.copy()
    predicted[2, 2] = (0.004 * 0.5) ** 2
    assert np.isnan(replace(found, predicted=predicted).ratio[0, 2])
    nothing = replace(found, predicted=np.full(predicted.shape, np.nan))
    assert np.isnan(nothing.ratio).all()
    assert np.isfinite(nothing.stated_ratio).all()


def test_members_without_sense_are_refused() -> None:
    with pytest.raises(BadData, match="values are finite"):
        Member(number=0, values=np.full((1, 3), np.nan), start=np.full((1, 3), np.nan))
    with pytest.raises(BadData, match="weights sum to one"):
        replace(made(5), weights=np.full(5, 0.3))


def test_one_settled_member_is_no_ensemble(tiny: Tiny) -> None:
    with pytest.raises(BadData, match="no scatter"):
        tiny.prepared.gather(tiny.members[:1], SEED)


def test_the_table_holds_every_row_and_unknown_numbers_are_null(tmp_path: Path) -> None:
    found = replace(made(), predicted=np.full((12, 12), np.nan))
    rows = ensemble_rows(found)
    assert [row["region"] for row in rows[:3]] == ["anode", "electrolyte", "cathode"]
    assert [row["stated_uAh"] for row in rows] == list(map(float, range(12)))
    told = json.loads(ensemble_json(found))
    assert told["rows"][0]["predicted_std_uAh"] is None
    assert told["failed"] == [{"member": 401, "reason": "it did not settle"}]
    write_ensemble(tmp_path, found)
    assert len((tmp_path / "ensemble.csv").read_text().splitlines()) == 13
    assert json.loads((tmp_path / "ensemble.json").read_text())["members"] == 400


def test_the_terminal_shows_errors_ratios_and_failures() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    console.print(ensemble_table(made()))
    console.print(ensemble_words(made()))
    text = " ".join(stream.getvalue().split())
    assert "2 discharged anode" in text
    assert "electrolyte" in text
    assert "1 members failed" not in text
    assert "1 member failed: member 401: it did not settle" in text


def test_the_figure_draws_what_its_table_says() -> None:
    found = made()
    drawing = ensemble(found)
    assert drawing.svg.startswith(b"<?xml")
    np.testing.assert_array_equal(drawing.data["discharged_cycle"], [1, 2])
    rows = found.stated.rows_of("charged")
    np.testing.assert_allclose(
        drawing.data["charged_anode_members_median_uAh"],
        np.median(found.values[:, rows, 0], axis=0),
    )
    assert "400 ledgers" in drawing.caption
