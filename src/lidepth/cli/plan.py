"""``lidepth plan``: what a question needs before beam time is spent on it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import json_text, say_json
from lidepth.cli._options import AsJson, Force, SomeOut

if TYPE_CHECKING:
    from lidepth.analysis.planning import Answer, Description, Geometry, Protocol, Question
    from lidepth.files.experiment import Description as Described
    from lidepth.physics.stopping import StoppingSource

HELP = """
Say what a question needs: counting time, cycles, detector distance, resolution.

\b
Goes in:
  FILE    experiment.yaml, with or without data, or a run file (*.lidepth)
  a count rate: that of the run's own pristine spectra; without spectra,
  or in place of theirs: --rate, or --flux with --aperture, --distance and
  --detector-area
\b
Questions (-q, may be repeated; without any, the usual three of a cell):
  '5 % loss in the electrolyte'    seen at 3 sigma; % of the first charge
  '1 uAh loss in the anode at 5 sigma'
  'interlayer of 20 nm'            seen at 3 sigma
  'interlayer of 200 nm to 20 nm'  its thickness known to 20 nm
  'edge of interlayer of 200 nm to 10 nm'
  'growth only on charge'          told from growth on both, ln B > 5
  '2 % in LAYER'                   its content known to 2 %; any isotope
  'layer of 20 nm at 300 nm'       so much more of the isotope there
  'resolution of 60 nm at 300 nm'  bins of 60 nm, each known to 10 %
\b
Comes out:
  a table: the error that the plan reaches, the one that is needed, and how
  much of each thing would do, all others held; what limits the error; with
  --out a folder:
  plan.json             the answers
  figures/planning.*    error against counting time, as SVG, PNG and CSV
\b
Examples:
  lidepth plan experiment.yaml
  lidepth plan cell.yaml --rate '10 1/s' -q '5 % loss in the electrolyte'
  lidepth plan boron.yaml --flux '1e8 1/cm^2/s' --aperture '0.5 cm^2'
    --distance '10 cm' --detector-area '3 cm^2' -q '2 % in BPSG'

Exit codes: 0 answered, whether or not the plan suffices; 1 the description
or the data cannot be used; 2 wrong call; 4 cannot write.
"""

_QUESTION = "Such as '5 % loss in the electrolyte'; may be repeated."
_RATE = "Counts of one kind of particle (alphas, say) from the whole uncharged sample: '10 1/s'."
USUAL = ("5 % loss in the electrolyte", "interlayer of 20 nm", "growth only on charge")


def plan_verb(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="experiment.yaml, its folder, or a run file.")
    ],
    question: Annotated[
        list[str] | None, typer.Option("--question", "-q", metavar="TEXT", help=_QUESTION)
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="RATE", help=_RATE)] = None,
    flux: Annotated[
        str | None, typer.Option(metavar="FLUX", help="Thermal neutrons, such as '1e7 1/cm^2/s'.")
    ] = None,
    aperture: Annotated[
        str | None, typer.Option(metavar="AREA", help="Sample in the beam, such as '0.5 cm^2'.")
    ] = None,
    distance: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="Sample to detector, such as '5 cm'.")
    ] = None,
    detector_area: Annotated[
        str | None, typer.Option(metavar="AREA", help="Of the detector, such as '3 cm^2'.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="At 300 keV, such as '0.05 1/s/keV'; otherwise 0.5 % "
                     "of the rate per keV, or as measured."),
    ] = None,
    count: Annotated[
        str | None, typer.Option(metavar="TIME", help="Counting time of one state; '1 h'.")
    ] = None,
    pristine: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of the uncharged cell; '12 h'.")
    ] = None,
    rest: Annotated[
        str | None, typer.Option(metavar="TIME", help="After every half cycle; '1 h'.")
    ] = None,
    cycles: Annotated[int | None, typer.Option(min=1, max=1000, help="Of the run; 30.")] = None,
    charge: Annotated[
        str | None, typer.Option(metavar="CHARGE", help="First charge, such as '60 uAh'; otherwise "
                                 "as logged, or three lithium per atom of the anode."),
    ] = None,
    current: Annotated[
        str | None, typer.Option(metavar="CURRENT", help="Such as '10 uA'.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="In the electrolyte after all cycles, of the first "
                     "charge; '22 %'."),
    ] = None,
    coulometry: Annotated[
        bool, typer.Option(help="Tie the cathode to the charge and conserve lithium.")
    ] = True,
    out: SomeOut = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Plan one measurement."""
    from lidepth.analysis.planning import parse_question, plan
    from lidepth.cli._errors import as_usage
    from lidepth.cli._progress import Bars

    with as_usage("--question"):
        asked = [parse_question(text) for text in question or ()]
    given = _quantities(
        {"--rate": (rate, "1/s"), "--flux": (flux, "1/cm^2/s"), "--aperture": (aperture, "cm^2"),
         "--distance": (distance, "cm"), "--detector-area": (detector_area, "cm^2"),
         "--background": (background, "1/s/keV"), "--count": (count, "s"),
         "--pristine": (pristine, "s"), "--rest": (rest, "s"), "--charge": (charge, "uA*h"),
         "--current": (current, "uA"), "--loss": (loss, "%")}
    )  # fmt: skip
    with Bars() as bars:
        described, habits, source = _described(file, given, bars)
        changes = {
            "count_s": "--count", "pristine_s": "--pristine", "rest_s": "--rest",
            "first_charge_uah": "--charge", "current_ua": "--current", "loss": "--loss",
        }  # fmt: skip
        stated = {name: given[option] for name, option in changes.items() if option in given}
        protocol = _protocol(habits | stated, cycles, tied=coulometry)
        asked = asked or _usual(described, protocol, source)
        answers = plan(described, protocol, source, asked, progress=bars.staged())
    files = _write(out, answers, force=force) if out is not None else []
    _answer(answers, described, protocol, files, as_json=as_json)


def _quantities(texts: dict[str, tuple[str | None, str]]) -> dict[str, float]:
    from lidepth.cli._errors import as_usage
    from lidepth.errors import UsageError
    from lidepth.units import quantity

    found = {}
    for option, (text, unit) in texts.items():
        if text is None:
            continue
        with as_usage(option):
            found[option] = quantity(text.replace("Ah", "A*h"), unit)
        if not found[option] > 0:
            raise UsageError(f"{text!r} is not above zero", where=option)
    return found


def _described(
    file: Path, given: dict[str, float], bars: Any
) -> tuple[Description, dict[str, float], StoppingSource]:
    """Description with its rate, habits of the run where there is one, stopping source."""
    from lidepth.analysis.planning import Description
    from lidepth.analysis.planning.measured import describe_run, habits
    from lidepth.cli._run import run_path, source_named
    from lidepth.files.run_file import is_run_file
    from lidepth.files.run_folder import read_described, read_run

    path = run_path(file)
    geometry = _geometry(given)
    text = read_described(path)
    source = source_named(text.instrument.stopping)
    stated = "--rate" in given or "--flux" in given
    found: dict[str, float] = {}
    if not stated and (is_run_file(path) or _has_spectra(text)):
        run = read_run(path, progress=bars.counted("reading spectra"))
        described, found = describe_run(run, source), habits(run)
    else:
        described = Description(
            stack=text.stack, instrument=text.instrument, area_cm2=text.area_cm2,
            area_rel_std=text.area_rel_std, rate=_rate(text, given, geometry),
        )  # fmt: skip
    if "--background" in given:
        left = {k: v for k, v in described.fitted.items() if k not in ("background", "flat")}
        described = replace(described, background=given["--background"], fitted=left)
    return replace(described, geometry=geometry), found, source


def _has_spectra(described: Described) -> bool:
    data = described.data
    if data is None:
        return False
    return any(True for _ in data.folder.glob(data.spectra.glob))


def _geometry(given: dict[str, float]) -> Geometry | None:
    from lidepth.analysis.planning import Geometry

    if "--distance" not in given or "--detector-area" not in given:
        return None
    return Geometry(
        distance_cm=given["--distance"], detector_cm2=given["--detector-area"],
        spot_cm2=given.get("--aperture", 0.5),
    )  # fmt: skip


def _rate(text: Described, given: dict[str, float], geometry: Geometry | None) -> float:
    from lidepth.analysis.planning import rate_per_1e15
    from lidepth.analysis.planning.layers import within_reach_1e15
    from lidepth.errors import BadData, UsageError

    isotope = text.instrument.isotope
    atoms = within_reach_1e15(text.stack, isotope)
    if not atoms > 0:
        raise BadData(f"no layer holds {isotope}", where=f"{text.source}, cell.stack",
                      expected="a layer with the element in its formula")  # fmt: skip
    if "--rate" in given:
        return given["--rate"] / atoms
    missing = [
        name for name in ("--flux", "--aperture", "--distance", "--detector-area")
        if name not in given
    ]  # fmt: skip
    if missing or geometry is None:
        raise UsageError(
            "there are no spectra to take a count rate from" if "--flux" not in given
            else "a flux alone makes no count rate", where=text.source,
            expected="--rate '10 1/s', or all of --flux, --aperture, --distance, --detector-area",
            remedy="add " + ", ".join(missing) if "--flux" in given else "add --rate",
        )  # fmt: skip
    return rate_per_1e15(isotope, flux_cm2_s=given["--flux"], geometry=geometry)


def _protocol(changes: dict[str, float], cycles: int | None, *, tied: bool) -> Protocol:
    from lidepth.analysis.planning import Protocol
    from lidepth.cli._errors import as_usage

    with as_usage("the protocol"):
        return Protocol(**changes, **({"cycles": cycles} if cycles else {}), tied=tied)  # type: ignore[arg-type]


def _usual(described: Description, protocol: Protocol, source: StoppingSource) -> list[Question]:
    from lidepth.analysis.planning import parse_question
    from lidepth.analysis.planning.layers import layer_model

    if described.has_roles:
        return [parse_question(text) for text in USUAL]
    model = layer_model(described, protocol, source)
    return [parse_question(f"2 % in {model.stack.layers[n].name}") for n in model.holders]


def _write(out: Path, answers: tuple[Answer, ...], *, force: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.show.figures.planning import planning
    from lidepth.show.save import save_drawing, write_whole

    drawing = planning(answers)
    with result_folder(out, verb="plan", force=force) as folder:
        text = json_text([answer_tree(one) for one in answers])
        write_whole(folder / "plan.json", text.encode("utf-8"))
        save_drawing(drawing, folder / "figures")
    return [str(out / "plan.json"), str(out / "figures")]


def _answer(
    answers: tuple[Answer, ...], described: Description, protocol: Protocol, files: list[str], *,
    as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        whole = {
            "rate_per_s_per_1e15": described.rate, "protocol": asdict(protocol),
            "answers": [answer_tree(one) for one in answers], "files": files,
        }  # fmt: skip
        say_json(whole)
        return
    from rich.console import Console

    from lidepth.show.planning import plan_lines, plan_table

    console = Console(highlight=False)
    console.print(plan_table(answers))
    for line in plan_lines(answers):
        console.print(line, markup=False)
    for name in files:
        console.print(f"written  {name}", soft_wrap=True, markup=False)


def answer_tree(answer: Answer) -> dict[str, Any]:
    """One answer for machines; what nothing suffices for, or is not known, is not finite."""
    names = ("question", "quantity", "unit", "target", "error", "alone", "floor", "planned_s")
    return {name: getattr(answer, name) for name in names} | {
        "enough": answer.enough, "reachable": answer.reachable,
        "needs": [asdict(need) for need in answer.needs],
        "limits": dict(answer.limits), "floor_limits": dict(answer.floor_limits),
        "time_s": answer.time_s.tolist(), "curve": answer.curve.tolist(),
        "remarks": list(answer.remarks),
    }  # fmt: skip
