from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_analysis import HOSTILE, WARNINGS
from rich.console import Console

from lidepth.errors import StoreError
from lidepth.show import terminal, words
from lidepth.show.report import render_report, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(analysis, drawings, truth):
    return render_report(analysis, drawings, truth)


class Tags(HTMLParser):
    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.images = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_report_is_well_formed_and_needs_nothing_else(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags.seen}
    for _, attributes in tags.seen:
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("data:", "#"))
    assert not re.search(r"https?://|url\(|@import", page)
    assert len(page) < 6_000_000


def test_every_figure_has_words_for_those_who_cannot_see_it(page, drawings):
    tags = Tags()
    tags.feed(page)
    images = [attributes for tag, attributes in tags.seen if tag == "img"]
    assert len(images) == len(drawings)
    assert all(len(image["alt"]) > 80 for image in images)


def test_every_warning_is_told_before_the_first_number(page):
    for warning in WARNINGS:
        assert html.escape(warning) in page
        assert page.index(html.escape(warning)) < page.index("The first charge moved")


def test_hostile_titles_are_shown_not_run(analysis, drawings):
    run = replace(analysis.run, title=HOSTILE, source=HOSTILE)
    hostile = replace(analysis, run=run, warnings=(HOSTILE,), provenance={HOSTILE: HOSTILE})
    text = render_report(hostile, [drawings["silicon"]])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 5


def test_one_of_several_detectors_is_named(analysis, drawings):
    series = replace(analysis.run.series, detector="PIPS-2")
    one = replace(analysis, run=replace(analysis.run, series=series))
    assert "detector PIPS-2</h1>" in render_report(one, [drawings["silicon"]])
    assert "detector" not in re.findall("<h1>.*</h1>", render_report(analysis, {}))[0]


def test_report_says_what_the_ledger_says(page, analysis):
    table = analysis.ledgers["default"]
    row = words.last_row(table)
    text = words.with_error(table.values[row, 1], table.std[row, 1])
    assert page.count(text) >= 2
    assert "The balance is spent" in page
    assert "−33.0 µAh for the anode" in page
    assert "Against the truth" in page


def test_without_warnings_states_or_figures_the_report_still_stands(analysis):
    bare = replace(
        analysis, warnings=(), states=(), fits=(), profiles=(), ledgers={}, state_parameters=(),
        first_charge_uah=np.nan, modes=np.nan, common=(),
    )  # fmt: skip
    text = render_report(bare, {})
    assert "raised no warning" in text
    assert "No discharged state was found" in text


def test_write_report_replaces_whole_files_and_names_the_disk(tmp_path, analysis, drawings):
    path = write_report(tmp_path / "report.html", analysis, {"silicon": drawings["silicon"]})
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(StoreError, match="cannot write"):
        write_report(path / "inside.html", analysis, [])


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_report_opens_in_a_browser(tmp_path, analysis, drawings, truth):
    path = write_report(tmp_path / "report.html", analysis, drawings, truth)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
               f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("<figure") == len(drawings)
    assert "Refused to" not in done.stderr


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (12.3456, 0.234, "12.35 ± 0.23"),
        (-3.2, 14.2, "−3 ± 14"),
        (1234.0, 210.0, "1234 ± 210"),
        (5.0, 0.0, "5"),
        (3.07e-6, 1.9e-7, "(3.07 ± 0.19) × 10⁻⁶"),
        (np.nan, 1.0, "not known"),
        (5.0, np.nan, "5 (error unknown)"),
    ],
)
def test_numbers_carry_two_digits_of_their_error(value, std, text):
    assert words.with_error(value, std) == text


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(60.0, "Silicon has moved"), (40.0, "indication, not a proof"), (10.0, "not established")],
)
def test_silicon_verdict_follows_the_significance(analysis, mean, verdict):
    moved = replace(analysis.silicon, mean_1e15=mean, mean_std_1e15=16.0)
    assert verdict in words.silicon_verdict(moved)


def test_the_mean_over_cycles_keeps_what_is_common_to_all(analysis):
    table = analysis.ledgers["untied"]
    rows = table.rows_of("discharged")
    values, std, balance, balance_std = words.mean_row(table, "discharged")
    assert np.allclose(values, table.values[rows].mean(axis=0))
    assert balance == pytest.approx(table.balance[rows].mean())
    common = np.array([1.2, 1.5, 0.3])
    single = np.array([0.8, 1.1, 0.7])
    assert np.allclose(std, np.hypot(common, single / np.sqrt(rows.sum())))
    assert balance_std < std.sum()


def test_methods_stand_side_by_side_and_only_the_untied_balance_is_a_number(page):
    table = page[page.index("by every method") : page.index("Discharged state of every cycle")]
    names = ("default", "untied", "slab", "windows")
    assert [table.count(f">{name}</th>") for name in names] == 4 * [1]
    assert table.count("<td>spent</td>") == 6
    assert "the cathode that neutrons see differs from the charge by" in table


def test_the_information_bound_is_printed_as_such(page, analysis):
    assert "times this bound" in page
    exact = replace(analysis, information_uah=analysis.ledgers["default"].stat)
    assert "are this bound" in words.information_words(exact)


@pytest.mark.parametrize("known", [known for known, _ in words.ADVICE])
def test_every_known_warning_says_what_to_do(known):
    assert words.advice(f"cycle 3: {known} of something").endswith(".")


def test_warnings_are_typeset_with_their_advice(analysis):
    text = render_report(
        replace(analysis, warnings=("silicon has moved: -43 +- 8 x 1e15/cm2, 3.0 uAh",)), {}
    )
    assert "−43 ± 8 × 10¹⁵/cm², 3.0 µAh" in text
    assert "What to do: Use the default rows" in text


def test_formulas_and_isotopes_are_set_as_in_print():
    assert words.subscripts("Li3PO4") == "Li₃PO₄"
    assert words.isotope_printed("6Li") == "⁶Li"
    assert words.unit_printed("1/s per 1e15/cm2") == "1/s per 10¹⁵/cm²"


def test_terminal_tables_print(analysis):
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(terminal.ledger_table(analysis.ledgers["default"]))
    console.print(terminal.warnings_panel(("careful [bold]here[/bold]",)))
    console.print(terminal.warnings_panel(()))
    console.print(terminal.summary_panel(analysis))
    rows = [{"energy_keV": 2000.0, "source": "[red]", "note": None}, {"energy_keV": 1.0}]
    console.print(terminal.stopping_table(rows, "alpha in Si"))
    text = console.export_text()
    assert "careful [bold]here[/bold]" in text
    assert "[red]" in text
    assert "no warnings" in text
    assert "electrolyte" in text
