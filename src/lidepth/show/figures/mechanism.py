"""Figures of the statements about ageing: odds, shares, phases, long rest, cathode, residue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.model.mechanism import DECIDED, HYPOTHESES, PHASES, Mechanism, Shares, Trend
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    NO_DATA,
    ORANGE,
    PURPLE,
    ROLE_COLOURS,
    SKY,
    VERMILLION,
    bare,
    colour_bar,
    new_figure,
    styled,
    whole_numbers,
)

Floats = NDArray[np.float64]

_COLOURS = dict(zip(HYPOTHESES, (VERMILLION, BLUE, PURPLE, GREEN, ORANGE, GREY), strict=True))
_LEAST = -30.0  # ln B below which a bar is cut off


@styled
def growth_odds(found: Mechanism) -> Drawing:
    """Draw the log evidence of every hypothesis, at the end and cycle by cycle."""
    odds = found.growth
    figure = new_figure(7.1, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.5])
    place = np.arange(len(HYPOTHESES))
    left.barh(
        place, np.maximum(odds.log_evidence, _LEAST) - 0.05,
        color=[_COLOURS[name] for name in HYPOTHESES], height=0.65,
    )  # fmt: skip
    for row, value in enumerate(odds.log_evidence):
        left.text(0.4, row, f"{value:.1f}", va="center", fontsize=7)
    left.axvline(-DECIDED, color=GREY, lw=0.6, ls=(0, (4, 3)))
    low = max(float(odds.log_evidence.min()), _LEAST)
    left.set(xlabel="ln evidence, best = 0", xlim=(1.1 * low - 1.0, 0.25 * abs(low) + 3.0))
    left.set_yticks(place, HYPOTHESES)
    left.invert_yaxis()
    for column, name in enumerate(HYPOTHESES):
        right.plot(
            odds.cycles, np.maximum(odds.by_cycle[:, column], _LEAST), color=_COLOURS[name],
            label=name,
        )  # fmt: skip
    right.axhline(-DECIDED, color=GREY, lw=0.6, ls=(0, (4, 3)))
    right.set(xlabel="spectra up to the end of cycle", ylabel="ln evidence, best = 0")
    right.legend(ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=0.9,
                 handlelength=1.2)  # fmt: skip
    whole_numbers(right.xaxis)
    for axes in (left, right):
        bare(axes)
    return Drawing(
        name="growth_odds", title="When does the interlayer grow: odds", figure=figure,
        data={
            "cycle": odds.cycles,
            **{f"ln_evidence_{n}": odds.by_cycle[:, k] for k, n in enumerate(HYPOTHESES)},
        },
        caption=(
            "Log evidence of each answer to 'when does the interlayer grow?' from every spectrum "
            "of the run, all else integrated out, against the best: at the end of the run, and "
            "with the spectra up to the end of each cycle. Dashed: ln B = 5 (odds 150 to 1). "
            f"Values below {_LEAST:g} are drawn there."
        ),
    )  # fmt: skip


@styled
def growth_shares(found: Mechanism) -> Drawing:
    """Draw the shares of growth on charge and discharge, with the leak free and without one."""
    figure = new_figure(3.5, 3.2)
    axes = figure.subplots()
    axes.fill([0, 1, 0], [0, 0, 1], color="#efefef", lw=0, label="possible")
    for shares, colour, label in (
        (found.growth.shares_without_leak, SKY, "no leak"),
        (found.growth.shares, BLACK, "leak free"),
    ):
        axes.plot(*_ellipse(shares), color=colour, lw=1.0, label=label)
        axes.plot(shares.best[0], shares.best[1], "o", color=colour)
    for (x, y), text in (((1, 0), "charge"), ((0, 1), "discharge"), ((0, 0), "rest")):
        axes.annotate(text, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=7)
    axes.set(xlabel="share on charge", ylabel="share on discharge")
    axes.set_xlim(-1.0, 2.0)
    axes.set_ylim(-1.0, 2.0)
    axes.legend(loc="upper right")
    bare(axes)
    both = (found.growth.shares, found.growth.shares_without_leak)
    return Drawing(
        name="growth_shares", title="Shares of growth", figure=figure,
        data={
            "phase": np.array(PHASES), "best": both[0].best,
            "best_std": np.sqrt(np.diag(both[0].covariance)), "mean": both[0].mean,
            "mean_std": both[0].std, "best_without_leak": both[1].best,
            "best_without_leak_std": np.sqrt(np.diag(both[1].covariance)),
        },
        caption=(
            "Most likely shares of growth on charge and on discharge (the rest is at rest), not "
            "held to what is possible (grey triangle), with their 68 % ellipses: with a leak of "
            "the anode's signal into the electrolyte free within its prior, and with none."
        ),
    )  # fmt: skip


def _ellipse(shares: Shares) -> Floats:
    """Outline (2, points) that holds 68 % of two shares."""
    size, axes = np.linalg.eigh(shares.covariance[:2, :2])
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    ring = np.sqrt(2.28 * np.maximum(size, 0.0))[:, None] * np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(shares.best[:2, None] + axes @ ring)


@styled
def growth_maps(found: Mechanism) -> Drawing:
    """Draw B - A and D - C, as measured and as lithium against depth after the forward model."""
    raw, phases = found.differences, found.phases
    if raw.cycles.size < 2:
        raise NothingToDraw("only one cycle", expected="two cycles or more")
    figure = new_figure(7.1, 5.0)
    panels = figure.subplots(2, 2, sharey=True)
    top = _limit(np.concatenate([raw.charging, raw.discharging]), 90.0)
    for axes, values, title in (
        (panels[0, 0], raw.charging, "B − A, as measured"),
        (panels[0, 1], raw.discharging, "D − C, as measured"),
    ):
        _map(figure, axes, raw.edges_kev, raw.cycles, values, top, "counts/s/keV")
        axes.set(title=title, xlabel="energy (keV)")
    width = np.diff(phases.edges_nm)
    columns, errors = (
        [_by_cycle(found, values, kind) / width for kind in ("charge", "discharge")]
        for values in (phases.profile_1e15, phases.profile_std_1e15)
    )
    top = _limit(np.concatenate(columns), 99.0)
    for axes, values, error, title in (
        (panels[1, 0], columns[0], errors[0], "charge, corrected"),
        (panels[1, 1], columns[1], errors[1], "discharge, corrected"),
    ):
        sure = np.abs(values) >= 2.0 * error
        _map(figure, axes, phases.edges_nm, raw.cycles, values, top, "$10^{15}$ Li/cm²/nm", sure)
        axes.set(title=title, xlabel="depth below the anode (nm)", xlim=(0, 800))
    for axes in panels[:, 0]:
        axes.set_ylabel("cycle")
        whole_numbers(axes.yaxis)
    return Drawing(
        name="growth_maps", title="Growth in charge and discharge", figure=figure,
        data={
            "cycle": raw.cycles, "energy_kev": 0.5 * (raw.edges_kev[1:] + raw.edges_kev[:-1]),
            "b_minus_a": raw.charging, "d_minus_c": raw.discharging,
            "depth_nm": 0.5 * (phases.edges_nm[1:] + phases.edges_nm[:-1]),
            "charge_1e15_nm": columns[0], "charge_std_1e15_nm": errors[0],
            "discharge_1e15_nm": columns[1], "discharge_std_1e15_nm": errors[1],
        },
        caption=(
            "Above: difference spectra of each charge (B − A) and discharge (D − C), as in Fig. 5b "
            "and d of Chen et al. (2018); the anode runs out of the colours, and lithium in it "
            "shifts all that is below, so that these maps do not show where lithium is. Below: "
            "lithium that the electrolyte gained in each charge and discharge after the forward "
            "model, every phase by itself with a wide prior; pale: less than two standard errors."
        ),
    )  # fmt: skip


def _by_cycle(found: Mechanism, values: Floats, kind: str) -> Floats:
    """Rows of ``values`` (phases, cells) of the phases of one kind, one per cycle of the maps."""
    phases = found.phases
    table = np.full((found.differences.cycles.size, phases.edges_nm.size - 1), np.nan)
    for row in phases.rows(kind):
        place = np.flatnonzero(found.differences.cycles == phases.cycle[row])
        table[place] = values[row]
    return table


def _limit(values: Floats, percent: float) -> float:
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.percentile(sizes, percent)) if sizes.size and sizes.any() else 1.0


def _map(
    figure: Any, axes: Any, x: Floats, cycles: NDArray[np.int64], values: Floats, top: float,
    label: str, sure: NDArray[np.bool_] | None = None,
) -> None:  # fmt: skip
    """Draw a map; where it is not ``sure`` it is pale."""
    edges = np.append(cycles - 0.5, cycles[-1] + 0.5)
    mesh = axes.pcolormesh(
        x, edges, np.ma.masked_invalid(values), cmap=DIVERGING, vmin=-top, vmax=top,
        rasterized=True,
    )  # fmt: skip
    if sure is not None:
        veil = np.ma.masked_where(sure | np.isnan(values), np.ones_like(values))
        axes.pcolormesh(x, edges, veil, cmap="Greys_r", vmin=0.0, vmax=1.0, alpha=0.6,
                        rasterized=True)  # fmt: skip
    colour_bar(figure, mesh, axes, label, shrink=0.9, pad=0.02)
    axes.set_facecolor(NO_DATA)


@styled
def growth_per_phase(found: Mechanism) -> Drawing:
    """Draw the lithium gained near the anode in every charge, discharge and rest, with errors."""
    phases = found.phases
    figure = new_figure(7.1, 2.6)
    axes = figure.subplots()
    data: dict[str, NDArray[Any]] = {}
    for shift, kind, colour in ((-0.25, "charge", VERMILLION), (0.0, "discharge", BLUE),
                                (0.25, "rest", ORANGE)):  # fmt: skip
        rows = phases.rows(kind)
        mean, std = phases.mean(kind)
        axes.errorbar(
            phases.cycle[rows] + shift, phases.top_uah[rows], phases.top_std[rows], fmt="o",
            ms=2.5, lw=0.7, color=colour, label=f"{kind}: mean {mean:+.2f} ± {std:.2f}",
        )  # fmt: skip
        data |= {
            f"{kind}_cycle": phases.cycle[rows], f"{kind}_uah": phases.top_uah[rows],
            f"{kind}_std_uah": phases.top_std[rows],
        }  # fmt: skip
    axes.axhline(0.0, color=GREY, lw=0.6)
    axes.set(xlabel="cycle", ylabel=f"gain, first {phases.top_nm:.0f} nm (µAh)")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    whole_numbers(axes.xaxis)
    bare(axes)
    return Drawing(
        name="growth_per_phase", title="Growth in every phase", figure=figure, data=data,
        caption=(
            f"Lithium gained by the electrolyte's first {phases.top_nm:.0f} nm in every charge, "
            "discharge and rest with a spectrum, each by itself, with 68 % errors. Neighbouring "
            "values lean on each other: what one phase gets, the next one lacks. The means carry "
            "the whole covariance."
        ),
    )  # fmt: skip


@styled
def long_rest(found: Mechanism) -> Drawing:
    """Draw the longest rest after a charge against its first hours."""
    rest = found.long_rest
    if rest is None or not rest.middle_h.size:
        raise NothingToDraw("no long rest after a charge", expected="a rest of 4 h or more")
    figure = new_figure(7.1, 2.7)
    left, right = figure.subplots(1, 2)
    pull = rest.change / rest.change_std
    steps = np.concatenate([[rest.middle_h[0] - 1.0], rest.middle_h + 1.0])
    mesh = left.pcolormesh(
        rest.edges_kev, steps, pull, cmap=DIVERGING, vmin=-4, vmax=4, rasterized=True
    )
    figure.colorbar(mesh, ax=left, pad=0.02).set_label("change in standard errors")
    left.set(xlabel="energy (keV)", ylabel="hours at rest")
    middle = 0.5 * (rest.edges_kev[1:] + rest.edges_kev[:-1])
    mean, error = rest.mean_change
    right.errorbar(middle, mean, error, fmt=".", ms=2, lw=0.5, color=BLACK)
    right.axhline(0.0, color=GREY, lw=0.6)
    right.set(xlabel="energy (keV)", ylabel="mean change (counts/s/keV)")
    for axes in (left, right):
        bare(axes)
    return Drawing(
        name="long_rest", title="The long rest", figure=figure,
        data={
            "hours": rest.middle_h, "energy_kev": middle, "change": rest.change,
            "change_std": rest.change_std, "mean_change": mean, "mean_std": error,
        },
        caption=(
            f"Spectra of the {rest.hours:.1f}-h rest after charge {rest.cycle} against its first "
            "two hours (Fig. 5c of Chen et al., 2018): in standard errors of counting, and the "
            "mean of all later hours (its errors share those of the first hours). After the "
            f"forward model the first {rest.top_nm:.0f} nm gain {1e3 * rest.rate_uah_h:+.0f} ± "
            f"{1e3 * rest.rate_std:.0f} nAh per hour."
        ),
    )  # fmt: skip


@styled
def cathode_and_residue(found: Mechanism) -> Drawing:
    """Draw the charged cathode and the anode's residue against the cycle number."""
    trends = [one for one in found.cathode if one.method != "default"]
    if not trends and found.residue_trend is None:
        raise NothingToDraw("fewer than three cycles", expected="three cycles or more")
    figure = new_figure(7.1, 2.6)
    left, right = figure.subplots(1, 2)
    data: dict[str, NDArray[Any]] = {}
    for one, colour in zip(trends, (ROLE_COLOURS["cathode"], SKY), strict=False):
        label = "spectra alone" if one.method == "untied" else "smoother, with the charge"
        data |= _trend(left, one, colour, label, f"cathode_{one.method}")
    left.set(xlabel="cycle", ylabel="missing, charged (µAh)", title="cathode")
    if found.residue_trend is not None:
        data |= _trend(right, found.residue_trend, ROLE_COLOURS["anode"], "default fit", "anode")
    right.set(xlabel="cycle", ylabel="left, discharged (µAh)", title="anode")
    for axes in (left, right):
        if axes.has_data():
            axes.legend()
        whole_numbers(axes.xaxis)
        bare(axes)
    return Drawing(
        name="cathode_and_residue", title="Cathode and residue", figure=figure, data=data,
        caption=(
            "Left: lithium missing from the cathode in the charged state; a cathode that loses "
            "capacity gives less from cycle to cycle. 'Spectra alone' uses neither the charge nor "
            "conservation. Right: lithium left in the anode after discharge. Total 68 % errors, "
            "which have a common part; lines: straight lines through all of them."
        ),
    )  # fmt: skip


def _trend(axes: Any, one: Trend, colour: str, label: str, name: str) -> dict[str, NDArray[Any]]:
    axes.errorbar(
        one.cycles, one.values, one.std, fmt="o", ms=2.5, lw=0.7, color=colour,
        label=f"{label}: {one.slope:+.3f} ± {one.slope_std:.3f} per cycle",
    )  # fmt: skip
    axes.plot(one.cycles, one.line, color=colour, lw=0.8)
    return {
        f"{name}_cycle": one.cycles, f"{name}_uah": one.values, f"{name}_std_uah": one.std,
        f"{name}_line_uah": one.line,
    }  # fmt: skip


MECHANISM = (
    growth_odds, growth_shares, growth_maps, growth_per_phase, long_rest, cathode_and_residue,
)  # fmt: skip
