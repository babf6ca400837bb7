"""``lidepth mechanism identify``: law, phase, kappa and losses from results and cycler log."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson, Force, SomeOut
from lidepth.cli._tables import add_row, plain_table

if TYPE_CHECKING:
    from lidepth.files.ledger_nc import LedgerFile
    from lidepth.mechanism.identify.found import Identification
    from lidepth.mechanism.identify.observed import Observed, SiliconSeen
    from lidepth.mechanism.identify.priors import Prior
    from lidepth.mechanism.parameters import CellParameters
    from lidepth.model.cycling import CyclerLog
    from lidepth.model.ledger import Ledger
    from lidepth.model.result import Run

IDENTIFY = """
Fit growth law, phase, kappa and losses to a ledger and the voltage curves together.

\b
Every law of growth (diffusion, square root, linear-parabolic, exponential,
logarithmic, power) in every phase that may drive it (charge, discharge, both,
rest, time since the first current, time since the making), and no growth at
all, is fitted, weighed by its evidence and sampled. Odds count all of them
as equally likely before the data.
\b
Goes in:
  RESULTS          the folder that lidepth analyze wrote (its ledger.nc)
  --run            the run it was made from, for its cycler log; otherwise the
                   file that the results name
  --kappa          lithium per silicon, if known from elsewhere: '4 +- 0.5'
  --silicon        silicon seen in the electrolyte by XPS or EDX: the integral
                   of silicon per phosphorus over depth, '24 +- 3 nm', or a
                   share of the film, '12 +- 2 %'; 'at cycle 30' may follow,
                   otherwise at the end. May be repeated.
  --growth         mechanism.json of lidepth mechanism growth: odds of phases
                   from the spectra, in place of the ledger's charged states
\b
Comes out:
  odds of phases and laws; kappa and other numbers beside their priors; where
  the capacity went and which data tell; whether growth goes with charge
  passed or with the number of the cycle; what to measure next. With --out:
  identify.json    all of it, and equally likely cells for
                   lidepth mechanism predict --from
  figures/         growth, odds, numbers, pairs, losses, next
\b
Examples:
  lidepth mechanism identify results --out identified
  lidepth mechanism identify results --silicon '24 +- 3 nm' --json
  lidepth mechanism identify results --no-curves
  lidepth mechanism predict --from identified/identify.json --cycles 500

Some seconds.

Exit codes: 0 done, whatever the odds; 1 data problem (named), 2 wrong call,
4 cannot write.
"""

_NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_WITH_ERROR = re.compile(
    rf"^\s*(?P<value>{_NUMBER})\s*(?:\+-|\+/-|±)\s*(?P<std>{_NUMBER})\s*(?P<unit>nm|%)?"
    r"(?:\s+at\s+cycle\s+(?P<cycle>\d+))?\s*$"
)


def identify_verb(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="Folder that lidepth analyze wrote.")
    ],
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="experiment.yaml, its folder, or a run file (*.lidepth)."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method", metavar="METHOD",
            help="Which ledger: default, untied or smooth (whose own prior of growth ties its "
            "rows: odds come out too sure).",
        ),
    ] = "default",
    kappa: Annotated[
        str | None,
        typer.Option("--kappa", metavar="'A +- B'", help="Lithium per silicon, from elsewhere."),
    ] = None,
    silicon: Annotated[
        list[str] | None,
        typer.Option(
            "--silicon", metavar="'A +- B nm'",
            help="Silicon per phosphorus over depth, or '%' of the film; 'at cycle N'.",
        ),
    ] = None,
    growth: Annotated[
        Path | None,
        typer.Option("--growth", metavar="JSON", help="Odds of phases by mechanism growth."),
    ] = None,
    stored: Annotated[
        str | None,
        typer.Option(
            "--stored", metavar="TIME", help="From making to the log's first row, such as '504 h'."
        ),
    ] = None,
    no_curves: Annotated[
        bool,
        typer.Option(
            "--no-curves", help="Leave the voltage curves out: what does the ledger say alone?"
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampling.")] = 1,
    out: SomeOut = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Identify a cell."""
    from lidepth.cli._errors import as_usage
    from lidepth.cli._progress import Bars
    from lidepth.files.identify_json import identify_tree
    from lidepth.files.ledger_nc import read_ledger_nc
    from lidepth.files.mechanism import read_phase_odds
    from lidepth.mechanism.identify.identify import identify
    from lidepth.mechanism.identify.observed import without_curves
    from lidepth.units import quantity

    with as_usage("--kappa"):
        prior = _prior(kappa)
    with as_usage("--stored"):
        stored_s = 0.0 if stored is None else quantity(stored, "s")
    with as_usage("--silicon"):
        given = [_with_error(one, units=("nm", "%")) for one in silicon or ()]
    file = read_ledger_nc(results / "ledger.nc")
    odds = {} if growth is None else read_phase_odds(growth)
    with Bars() as bars:
        origin, log = _run(file, run)
        seen = _observed(file, origin, log, method, given, stored_s, bool(odds))
        seen = without_curves(seen) if no_curves else seen
        found = identify(
            seen, prior, seed=seed, phase_log_odds=odds, progress=bars.counted("fitting")
        )
    files = _write(out, found, force) if out is not None else []
    if as_json:
        say_json(identify_tree(found, with_cells=False) | {"files": files})
        return
    _show(found)
    if out is not None:
        typer.echo(f"numbers  {out / 'identify.json'}, figures/")


def _with_error(text: str, units: tuple[str, ...]) -> dict[str, Any]:
    from lidepth.errors import BadInput

    told = _WITH_ERROR.match(text)
    if told is None or (units and told["unit"] not in units):
        raise BadInput(
            f"{text!r} is no number with an error", expected="such as '24 +- 3 nm'" if units else
            "such as '4 +- 0.5'",
        )  # fmt: skip
    value, std = float(told["value"]), float(told["std"])
    if not (std > 0 and math.isfinite(value) and value >= 0):
        raise BadInput(f"{text!r}", expected="a value of nought or more, an error above nought")
    cycle = None if told["cycle"] is None else int(told["cycle"])
    return {"value": value, "std": std, "unit": told["unit"], "cycle": cycle}


def _prior(kappa: str | None) -> Prior:
    from lidepth.errors import BadInput
    from lidepth.mechanism.identify.priors import Prior

    if kappa is None:
        return Prior()
    given = _with_error(kappa, units=())
    if given["value"] <= 0 or given["unit"]:
        raise BadInput(f"{kappa!r}", expected="lithium per silicon above nought, without a unit")
    return Prior().with_kappa(given["value"], given["std"])


def _run(file: LedgerFile, given: Path | None) -> tuple[Run, CyclerLog]:
    from lidepth.cli._run import run_path
    from lidepth.errors import BadData
    from lidepth.files.run_folder import read_run

    path = Path(file.source) if given is None else given
    run = read_run(run_path(path), detector=file.detector or None)
    if run.log is None:
        raise BadData(
            "the run has no cycler log", where=str(path),
            expected="currents and voltages: growth is held against the charge passed",
        )  # fmt: skip
    return run, run.log


def _observed(
    file: LedgerFile, run: Run, log: CyclerLog, method: str, given: list[dict[str, Any]],
    stored_s: float, discharged_only: bool,
) -> Observed:  # fmt: skip
    from lidepth.errors import UsageError
    from lidepth.mechanism.identify.observed import observe
    from lidepth.mechanism.parameters import CellParameters

    if method not in file.ledgers:
        raise UsageError(
            f"there is no ledger {method!r}", where="--method", expected=", ".join(file.ledgers)
        )
    films = CellParameters.from_stack(file.stack, file.area_cm2)
    ledger, origin = file.ledgers[method], run.series.origin
    return observe(
        films, ledger, log, origin, silicon=_silicon(file, ledger, films, given), title=file.title,
        made_s=float(log.seconds(origin)[0]) - stored_s, discharged_only=discharged_only,
    )  # fmt: skip


def _silicon(
    file: LedgerFile, ledger: Ledger, films: CellParameters, given: list[dict[str, Any]]
) -> SiliconSeen:
    """Silicon by the spectra, and what was given."""
    from lidepth.analysis.account import silicon_of_spectra
    from lidepth.errors import UsageError
    from lidepth.mechanism.identify.observed import SiliconSeen
    from lidepth.mechanism.parameters import UAH_PER_1E15

    last = {int(c): float(t) for c, t in zip(ledger.cycle, ledger.time_s, strict=True)}
    rows: list[tuple[float, float, float]] = []
    spectra = silicon_of_spectra(file.silicon)
    if spectra is not None:
        cycle = int(file.silicon.cycle[-1])
        uah = UAH_PER_1E15 * films.area_cm2
        rows.append((last.get(cycle, max(last.values())), spectra[0] * uah, spectra[1] * uah))
    per_cent = films.silicon_uah_cm2 * films.area_cm2 / 100.0
    per_nm = films.site_uah_cm2_nm * films.area_cm2
    for one in given:
        cycle = max(last) if one["cycle"] is None else one["cycle"]
        if cycle not in last:
            raise UsageError(
                f"the ledger has no cycle {cycle}", where="--silicon",
                expected=f"one of {min(last)} to {max(last)}",
            )  # fmt: skip
        unit = per_cent if one["unit"] == "%" else per_nm
        rows.append((last[cycle], one["value"] * unit, one["std"] * unit))
    return SiliconSeen.of(rows)


def _write(out: Path, found: Identification, force: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.files.identify_json import write_identify
    from lidepth.show.save import save_identification

    with result_folder(out, verb="mechanism-identify", force=force) as folder:
        write_identify(folder / "identify.json", found)
        save_identification(found, folder / "figures")
    return [str(out / name) for name in ("identify.json", "figures")]


def _show(found: Identification) -> None:
    from rich.console import Console

    from lidepth.show.words import chance

    console = Console(highlight=False)
    for what in ("phase", "law"):
        chances = ", ".join(
            f"{name} {chance(p)}" for name, p in found.odds(what).items() if p > 5e-4
        )
        console.print(f"{what:6s} {chances}", soft_wrap=True)
    console.print(
        f"charge passed over cycle number: ln B {found.throughput_log_odds:+.1f}", soft_wrap=True
    )
    table = plain_table("number", "after, 68 %", "before, 68 %", "unit")
    for one in found.estimates:
        low, middle, high = one.bands[1:4]
        first = one.prior_bands
        add_row(
            table, one.name, f"{middle:.3g} ({low:.3g} to {high:.3g})",
            f"{first[2]:.3g} ({first[1]:.3g} to {first[3]:.3g})", one.unit,
        )  # fmt: skip
    console.print(table)
    if found.losses:
        console.print(_losses(found))
    if found.next_steps:
        console.print(_next(found))
    for remark in found.remarks:
        console.print(f"note: {remark}", soft_wrap=True, markup=False)


def _losses(found: Identification) -> Any:
    table = plain_table("loss", "capacity taken\nµAh", "took most\n%", "told by")
    for one in found.losses:
        add_row(
            table, one.loss, f"{one.mean_uah:.2f} ± {one.std_uah:.2f}", f"{100 * one.dominant:.0f}",
            one.told_by,
        )  # fmt: skip
    return table


def _next(found: Identification) -> Any:
    table = plain_table("next", "ln B\nphase", "ln B\nlaw", "κ\n± %", "what")
    for one in found.next_steps:
        add_row(
            table, one.name, f"{one.phase_ln_b:.1f}", f"{one.law_ln_b:.1f}",
            f"{100 * one.kappa_rel_std:.0f}", one.what,
        )  # fmt: skip
    return table
