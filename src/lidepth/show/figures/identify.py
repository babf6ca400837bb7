"""Figures of an identification: growth, odds, numbers, losses, what to measure next."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.found import BANDS, Identification
from lidepth.mechanism.identify.laws import LAW_NAMES
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    CYCLE_COLOURS,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    bare,
    new_figure,
    plain_logarithms,
    styled,
    whole_numbers,
)

Floats = NDArray[np.float64]
_LEAST = -12.0
_LOSS_COLOURS = dict(
    zip(("inventory", "silicon", "resistance", "cathode"), (VERMILLION, BLACK, ORANGE, BLUE),
        strict=True)
)  # fmt: skip
_SHOWN = ("kappa", "bound at the end", "silicon moved", "resistance", "resistance gain",
          "cathode loss", "silicon film", "cathode film", "leak")  # fmt: skip
_DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))


@styled
def identified_growth(found: Identification) -> Drawing:
    """Draw the electrolyte's lithium against charge throughput and against cycle number."""
    figure = new_figure(7.1, 2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    cycle, passed, value, own, total = found.rows.T
    band = found.curves[0]
    for axes, at, label in (
        (left, passed, "charge passed on charging (µAh)"), (right, cycle, "cycle"),
    ):  # fmt: skip
        order = np.argsort(at, kind="stable")
        for low, high, alpha in ((0, 4, 0.15), (1, 3, 0.3)):
            axes.fill_between(
                at[order], band.bands[low][order], band.bands[high][order], color=GREY,
                alpha=alpha, lw=0,
            )  # fmt: skip
        for one, colour, dash in zip(found.curves[1:], CYCLE_COLOURS, _DASHES, strict=False):
            axes.plot(
                at[order], one.bands[2][order], color=colour, ls=dash,
                label=_named(one.law, one.phase, one.probability),
            )  # fmt: skip
        for state, face in ((True, BLACK), (False, "white")):
            ours = found.charged == state
            axes.errorbar(
                at[ours], value[ours], own[ours], fmt="o", ms=2.5, mfc=face, mec=BLACK,
                ecolor=GREY, elinewidth=0.6, label="charged" if state else "discharged", zorder=3,
            )  # fmt: skip
        axes.set_xlabel(label)
        bare(axes)
    whole_numbers(right.xaxis)
    left.set_ylabel("added to the electrolyte (µAh)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    data = {
        "cycle": cycle,
        "throughput_uAh": passed,
        "electrolyte_uAh": value,
        "own_std_uAh": own,
        "std_uAh": total,
        "charged": found.charged.astype(int),
    } | {f"q{100 * level:g}_uAh": row for level, row in zip(BANDS, band.bands, strict=True)}
    return Drawing(
        name="identified_growth", title="Growth of the interlayer", figure=figure, data=data,
        caption="Lithium added to the electrolyte against charge passed and against the cycle "
        "number. Error bars: own errors of the rows; bands: 68 and 95 % over all hypotheses by "
        "their odds; lines: the most likely ones at their best. Charge passed is preferred over "
        f"cycle number as the abscissa by ln B = {found.throughput_log_odds:+.1f} (same laws, "
        "growth on charge).",
    )  # fmt: skip


def _named(law: str, phase: str, probability: float) -> str:
    words = "no growth" if law == "none" else f"{law}, {phase}"
    return f"{words} ({100 * probability:.0f} %)"


@styled
def identified_odds(found: Identification) -> Drawing:
    """Draw the odds of every law in every phase as a map with both sums beside it."""
    phases = [name for name in found.odds("phase") if name != "none"]
    table = np.full((len(phases), len(LAW_NAMES)), np.nan)
    for one in found.hypotheses:
        if one.law != "none":
            table[phases.index(one.phase), LAW_NAMES.index(one.law)] = one.log_evidence
    figure = new_figure(7.1, 2.7)
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    mesh = left.imshow(np.maximum(table, _LEAST), cmap="viridis", vmin=_LEAST, vmax=0.0)
    for row, column in np.ndindex(*table.shape):
        dark = table[row, column] < 0.5 * _LEAST
        left.text(
            column, row, f"{table[row, column]:.1f}", ha="center", va="center", fontsize=6.5,
            color="white" if dark else "black",
        )  # fmt: skip
    left.set_xticks(range(len(LAW_NAMES)), LAW_NAMES, rotation=25, ha="right")
    left.set_yticks(range(len(phases)), phases)
    left.set_title("ln evidence, best = 0")
    figure.colorbar(mesh, ax=left, extend="min", shrink=0.85)
    odds = {f"phase: {k}": p for k, p in found.odds("phase").items()}
    odds |= {f"law: {k}": p for k, p in found.odds("law").items() if k != "none"}
    colours = [VERMILLION if name.startswith("phase") else BLUE for name in odds]
    right.barh(range(len(odds)), [100 * p for p in odds.values()], color=colours, height=0.7)
    right.set_yticks(range(len(odds)), odds, fontsize=6.5)
    right.invert_yaxis()
    right.set(xlabel="probability (%)", xlim=(0, 100))
    bare(right)
    names = [_named(one.law, one.phase, one.probability) for one in found.hypotheses]
    return Drawing(
        name="identified_odds", title="Law and phase: odds", figure=figure,
        data={
            "hypothesis": np.array(names),
            "ln_evidence": np.array([one.log_evidence for one in found.hypotheses]),
            "probability": np.array([one.probability for one in found.hypotheses]),
        },
        caption="Log evidence of every law of growth in every phase that may drive it, against the "
        f"best; values below {_LEAST:g} are drawn there. Right: probabilities of phases (no growth "
        "among them) and laws, all being equally likely beforehand.",
    )  # fmt: skip


@styled
def identified_numbers(found: Identification) -> Drawing:
    """Draw the posterior of every number beside its prior."""
    shown = [found.estimate(name) for name in _SHOWN]
    shown = [one for one in shown if np.all(np.isfinite(one.bands))]
    if not shown:
        raise NothingToDraw("no number was identified")
    columns = 5
    rows = -(-len(shown) // columns)
    figure = new_figure(7.1, 1.5 * rows)
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, one in zip(grid, shown, strict=False):
        for place, bands, colour in ((0.0, one.prior_bands, GREY), (1.0, one.bands, VERMILLION)):
            axes.plot([place, place], [bands[0], bands[4]], color=colour, lw=1.0)
            axes.plot([place, place], [bands[1], bands[3]], color=colour, lw=3.5)
            axes.plot(place, bands[2], "o", color=colour, mfc="white", ms=3.0)
        if min(one.bands[0], one.prior_bands[0]) > 0:
            axes.set_yscale("log")
            plain_logarithms(axes)
        axes.set_xlim(-0.6, 1.6)
        axes.set_xticks([0, 1], ["prior", "data"])
        axes.set_title(f"{one.name}\n({one.unit})" if one.unit != "1" else f"{one.name}\n",
                       fontsize=7)  # fmt: skip
        bare(axes)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    return Drawing(
        name="identified_numbers", title="Numbers before and after", figure=figure,
        data={
            "number": np.array([one.name for one in shown]),
            "unit": np.array([one.unit for one in shown]),
            "posterior": np.array([one.bands for one in shown]),
            "prior": np.array([one.prior_bands for one in shown]),
        },
        caption="Median, 68 % (thick) and 95 % (thin) of each number before the data (grey; of the "
        "best hypothesis) and after (red; over all hypotheses by their odds). Where the two are "
        "alike the data said nothing.",
    )  # fmt: skip


@styled
def identified_pairs(found: Identification) -> Drawing:
    """Draw what kappa goes with: samples of pairs of numbers."""
    names = ("kappa", "bound at the end", "silicon moved", "silicon film", "cathode film")
    places = [found.names.index(name) for name in names]
    table = found.samples[:, places]
    table = table[np.all(np.isfinite(table), axis=1)]
    if table.shape[0] < 10:
        raise NothingToDraw("nothing grows: there is no kappa")
    size = len(names)
    figure = new_figure(5.4, 5.0)
    axes = figure.subplots(size, size)
    for row, column in np.ndindex(size, size):
        one = axes[row, column]
        if column > row:
            one.set_visible(False)
            continue
        if row == column:
            one.hist(table[:, row], bins=25, color=VERMILLION, histtype="stepfilled", alpha=0.6)
            one.set_yticks([])
        else:
            one.plot(table[:, column], table[:, row], ".", ms=1.2, color=BLACK, alpha=0.5)
        one.tick_params(labelsize=6)
        one.set_xlabel(names[column], fontsize=7) if row == size - 1 else one.set_xticklabels([])
        if column == 0 and row > 0:
            one.set_ylabel(names[row], fontsize=7)
        elif column > 0:
            one.set_yticklabels([])
    return Drawing(
        name="identified_pairs", title="What kappa goes with", figure=figure,
        data={name: table[:, k] for k, name in enumerate(names)},
        caption="Equally likely draws over all hypotheses by their odds: lithium per silicon, "
        "lithium bound at the end (µAh), share of the film's silicon that moved, and thickness of "
        "the films (nm).",
    )  # fmt: skip


@styled
def identified_losses(found: Identification) -> Drawing:
    """Draw where the capacity went, and which data tell."""
    if not found.losses:
        raise NothingToDraw("without a voltage curve of a charge losses are not told apart")
    figure = new_figure(7.1, 2.5)
    left, right = figure.subplots(1, 2)
    names = [one.loss for one in found.losses]
    place = np.arange(len(names))
    left.barh(
        place, [one.mean_uah for one in found.losses], xerr=[one.std_uah for one in found.losses],
        color=[_LOSS_COLOURS[name] for name in names], height=0.6, error_kw={"elinewidth": 0.8},
    )  # fmt: skip
    left.set_yticks(place, [f"{n.loss} ({100 * n.dominant:.0f} %)" for n in found.losses])
    left.set_xlabel("capacity taken (µAh)")
    left.axvline(0.0, color=GREY, lw=0.6)
    groups = list(found.losses[0].without)
    height = 0.8 / (len(groups) + 1)
    for k, (group, colour) in enumerate(
        zip(groups, (BLACK, VERMILLION, BLUE, GREEN), strict=False)
    ):
        right.barh(
            place + (k - (len(groups) - 1) / 2) * height,
            [one.without[group] for one in found.losses], height=height, color=colour,
            label="with all data" if group == "nothing" else f"without {group}",
        )  # fmt: skip
    right.set_yticks(place, names)
    right.set_xlabel("standard uncertainty of the share (µAh)")
    right.legend()
    data: dict[str, Any] = {
        "loss": np.array(names), "mean_uAh": np.array([one.mean_uah for one in found.losses]),
        "std_uAh": np.array([one.std_uah for one in found.losses]),
        "dominant": np.array([one.dominant for one in found.losses]),
    }  # fmt: skip
    data |= {
        f"std_without_{group}_uAh": np.array([one.without[group] for one in found.losses])
        for group in groups
    }
    for axes in (left, right):
        axes.invert_yaxis()
        bare(axes)
    mean, std = found.capacity_lost_uah
    return Drawing(
        name="identified_losses", title="Where the capacity went", figure=figure, data=data,
        caption=f"Of {mean:.1f} ± {std:.1f} µAh of capacity lost since the cell was made, what "
        "lithium bound in the electrolyte, silicon gone from the film, resistance and cathode "
        "material took (in brackets: probability that it took most); and how well each share "
        "would be known without a group of data.",
    )  # fmt: skip


@styled
def identified_next(found: Identification) -> Drawing:
    """Draw what further measurements are expected to say."""
    if not found.next_steps:
        raise NothingToDraw("nothing grows: there is nothing to tell apart")
    figure = new_figure(7.1, 2.4)
    left, right = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(found.next_steps))
    phase = np.array([one.phase_ln_b for one in found.next_steps])
    law = np.array([one.law_ln_b for one in found.next_steps])
    kappa = np.array([one.kappa_rel_std for one in found.next_steps])
    left.barh(place - 0.18, phase, height=0.34, color=VERMILLION, label="phase")
    left.barh(place + 0.18, law, height=0.34, color=BLUE, label="law")
    left.axvline(5.0, color=GREY, lw=0.6, ls=(0, (4, 3)))
    left.set_yticks(place, [one.name for one in found.next_steps])
    left.set_xlabel("expected ln B, best against next")
    left.legend()
    right.barh(place, 100 * kappa, height=0.5, color=GREEN)
    right.set_xlabel("expected uncertainty of κ (%)")
    left.invert_yaxis()
    for axes in (left, right):
        bare(axes)
    return Drawing(
        name="identified_next", title="What to measure next", figure=figure,
        data={
            "step": np.array([one.name for one in found.next_steps]),
            "what": np.array([one.what for one in found.next_steps]),
            "phase_ln_b": phase, "law_ln_b": law, "kappa_rel_std": kappa,
        },
        caption="What further cycles are expected to add: ln B of the best hypothesis against the "
        "best one with another phase or another law, were the best one true (dashed: 150 to 1), "
        "and the uncertainty of κ. Errors of new rows as so far; their voltage curves are not "
        "counted.",
    )  # fmt: skip


IDENTIFIED = (
    identified_growth, identified_odds, identified_numbers, identified_pairs, identified_losses,
    identified_next,
)  # fmt: skip
"""Every figure of an identification."""
