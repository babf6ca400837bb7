"""Diagnostics and the campaign on the page: numbers drawn, verdicts, sections."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from lidepth.model.diagnosis import Diagnosis
from lidepth.show import trust
from lidepth.show.arrange import with_time_gaps
from lidepth.show.figures import CAMPAIGN, DIAGNOSTICS, FIGURES
from lidepth.show.report import render_report


def told(analysis, **changes):
    return replace(analysis, diagnosis=replace(analysis.diagnosis, **changes))


def line(analysis, figure):
    return next(one for one in trust.checks(analysis) if one["figure"] == figure)


def test_gaps_in_time_are_empty_rows():
    start, stop = np.array([0.0, 1.0, 5.0]), np.array([0.9, 2.0, 6.0])
    edges, rows = with_time_gaps(start, stop, np.array([[1.0], [2.0], [3.0]]))
    assert edges.tolist() == [0.0, 0.9, 2.0, 5.0, 6.0]
    assert np.isnan(rows[2, 0])
    assert rows[[0, 1, 3], 0].tolist() == [1.0, 2.0, 3.0]


def test_the_strip_draws_what_the_analysis_compared(analysis, drawings):
    strip, data = analysis.diagnosis.strip, drawings["residual_strip"].data
    assert np.array_equal(data["residual_sigma"], strip.residual)
    assert np.array_equal(data["scan_z"], strip.scan_z)
    top, image, side, *_ = drawings["residual_strip"].figure.axes
    assert top.get_ylim()[1] > strip.limit
    # the flagged hour is a grey row
    assert np.ma.getmaskarray(image.images[0].get_array()).all(axis=1).any()
    assert side.collections[0].get_offsets().shape[0] == len(strip)


def test_states_without_a_track_have_a_strip_of_their_own(analysis):
    strip = analysis.diagnosis.strip
    few = replace(
        strip, labels=("a charged", "a discharged"),
        **{name: getattr(strip, name)[:2] for name in
           ("start_s", "stop_s", "spectra", "residual", "row_z", "row_kev")},
    )  # fmt: skip
    drawing = FIGURES["residual_strip"](told(analysis, strip=few))
    assert "one row per state" in drawing.caption
    assert drawing.png


def test_a_misfit_is_pointed_out_and_noise_is_not(analysis):
    assert line(analysis, "residual_strip")["good"]
    strip = analysis.diagnosis.strip
    z = strip.scan_z.copy()
    z[70] = -9.3
    worse = line(told(analysis, strip=replace(strip, scan_z=z)), "residual_strip")
    assert worse["good"] is False
    assert "−9.3 σ" in worse["found"]
    assert f"{strip.scan_kev[70]:.0f} keV" in worse["found"]
    rows = np.where(np.arange(len(strip)) == 3, 8.0, strip.row_z)
    bad_row = line(told(analysis, strip=replace(strip, row_z=rows)), "residual_strip")
    assert bad_row["good"] is False
    assert f"1 of {len(strip)} rows in time" in bad_row["found"]


def test_the_worst_pull_nuisance_and_lever_are_named(analysis):
    assert "anode collector, +6.8 σ" in line(analysis, "stack")["found"]
    assert line(analysis, "stack")["good"] is False
    assert "beam against the monitor" in line(analysis, "nuisances")["found"]
    leaning = line(analysis, "sensitivity")
    assert "layer 0 areal density" in leaning["found"]
    assert "+0.50 µAh (+0.8 % of the first charge)" in leaning["found"]
    assert leaning["good"]


def test_sources_are_judged_against_the_stated_error(analysis):
    fine = line(analysis, "ensemble")
    assert fine["good"]
    assert "lunasrim moves the ledger most: the anode, charged, by −1.10 µAh" in fine["found"]
    ensemble = analysis.diagnosis.ensemble
    small = replace(ensemble, common=0.5 * ensemble.common)
    assert line(told(analysis, ensemble=small), "ensemble")["good"] is False
    none = line(told(analysis, ensemble=None), "ensemble")
    assert none["good"] is None
    assert "--ensemble stopping" in none["found"]


def test_a_source_that_leaves_the_band_is_drawn_beyond_it(analysis, drawings):
    data = drawings["ensemble"].data
    assert np.allclose(data["highest_move_uAh"][:, 1], 1.1)
    assert np.allclose(data["lowest_move_uAh"][:, 0], -1.1)
    assert list(data["source"]) == list(analysis.diagnosis.ensemble.names)


def test_the_map_of_sensitivities_is_in_per_cent_of_the_first_charge(analysis, drawings):
    figure = drawings["sensitivity"].figure
    block = figure.axes[2].images[0].get_array()
    table = analysis.diagnosis.sensitivity
    assert block[0, 0] == pytest.approx(100 * table.rows[0].share[0, 0] / 60.0)
    assert block[-1, 0] == pytest.approx(100 * table.common[0, 0] / 60.0)
    assert len(block) == 12 + 1
    written = [text.get_text() for text in figure.axes[2].texts]
    assert "+1.67" in written
    uah = FIGURES["sensitivity"](replace(analysis, first_charge_uah=np.nan))
    assert "in µAh" in uah.caption
    assert uah.figure.axes[2].images[0].get_array()[0, 0] == pytest.approx(1.0)


def test_known_shapes_are_drawn_and_two_more(drawings, analysis):
    axes = drawings["modes"].figure.axes[1]
    assert len(axes.get_yticks()) == 6 + 2
    assert np.all(drawings["modes"].data["modes_known"] == 6)
    assert np.array_equal(
        drawings["modes"].data["information_last"], analysis.diagnosis.modes.information[-1]
    )


def test_a_long_campaign_is_thinned_not_cut(analysis):
    track = analysis.track
    many = 7000 // len(track) + 1
    long = replace(track, **{
        name: np.repeat(getattr(track, name), many, axis=0)
        for name in ("rows", "time_s", "cycle", "charge_uah", "contents_uah", "std_uah",
                     "stat_uah", "change_1e15", "change_std_1e15", "nuisances", "nuisances_std",
                     "deviance")
    })  # fmt: skip
    data = FIGURES["campaign"](replace(analysis, track=long)).data
    assert 1500 < data["time_h"].size <= 3000
    assert data["time_h"][-1] == pytest.approx(track.time_s[-1] / 3600, abs=0.2)
    columns = FIGURES["campaign_map"](replace(analysis, track=long)).data["change_1e22_per_cm3"]
    assert len(columns) <= 520


def test_losses_are_charge_less_lithium(drawings):
    data = drawings["campaign_losses"].data
    assert np.allclose(data["lost_charge_uAh"], 0.2)
    assert data["silicon_1e15"].max() == pytest.approx(40.0, abs=1.0)


def test_nuisances_come_from_states_smoother_and_edges(drawings):
    data = drawings["nuisances"].data
    assert np.allclose(data["flux_state"], 1.0)
    assert np.allclose(data["offset_state"], 0.2)
    assert np.allclose(data["gain_permille"], 0.5)
    assert data["background_smooth"].max() == pytest.approx(3.0, abs=0.1)


def test_a_run_whose_edges_were_not_seen_still_has_nuisances(analysis):
    bare = replace(analysis, scale=None, track=None)
    data = FIGURES["nuisances"](bare).data
    assert "gain_permille" not in data
    assert "flux_smooth" not in data


@pytest.fixture(scope="module")
def page(analysis, drawings):
    return render_report(analysis, drawings)


def section(page, name, end):
    return html.unescape(page[page.index(f'<h2 id="{name}"') : page.index(f'<h2 id="{end}"')])


def test_every_diagnostic_is_in_its_section_with_its_figure(page):
    text = section(page, "diagnostics", "method")
    for name in DIAGNOSTICS:
        assert f'id="figure-{name}"' in text
    assert text.count("<tr") > 20
    assert "What is good" not in text
    for word in (">good<", ">look<"):
        assert word in text
    assert "one prior standard deviation more" in text


def test_the_campaign_has_a_section_only_where_it_was_smoothed(analysis, drawings, page):
    text = section(page, "campaign", "diagnostics")
    assert all(f'id="figure-{name}"' in text for name in CAMPAIGN)
    assert "0.100 ± 0.040 %" in text
    assert "its balance is spent" in text
    without = {name: one for name, one in drawings.items() if name not in CAMPAIGN}
    bare = render_report(replace(analysis, track=None), without)
    assert 'id="campaign"' not in bare
    assert "campaign_map" not in bare


def test_figures_are_numbered_in_the_order_of_the_page(page, drawings):
    numbers = [int(n) for n in re.findall(r"<strong>Figure (\d+)\.", page)]
    assert numbers == list(range(1, len(drawings) + 1))


def test_links_of_the_page_lead_somewhere(page):
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page, target


def test_without_any_diagnosis_the_section_still_stands(analysis):
    text = render_report(replace(analysis, diagnosis=Diagnosis(), track=None), {})
    assert "Diagnostics: can it be trusted?" in text
    assert "Sensitivity of the ledger" not in text
