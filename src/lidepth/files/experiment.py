"""experiment.yaml: what the cell is, how it was measured, and where the data lie."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import BaseModel, ValidationError

from lidepth.errors import BadInput, LidepthError, OutOfRange, UnknownKey
from lidepth.files._text import nearest, parse_time, read_text
from lidepth.files._yaml import MAX_BYTES, load_yaml
from lidepth.files.cyclers.format import ColumnMap
from lidepth.files.experiment_text import (
    MODELS,
    CellText,
    CyclerText,
    DataText,
    DescriptionText,
    ExperimentText,
    InstrumentText,
    LayerText,
    SpectraText,
)
from lidepth.files.readers.raw_spectrum import Dialect
from lidepth.model.calibration import Calibration
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Stack
from lidepth.units import quantity

Place = Callable[[str], str]
TimeRange = tuple[np.datetime64, np.datetime64]

_RANGE = re.compile(r"^\s*(\d{4}-.*?|\S.*?(?=\s))\s*\.\.\s+(\S.*?)\s*$")


@dataclass(frozen=True, kw_only=True)
class SpectrumFiles:
    """The files of spectra: a glob, the format (empty: guessed), and how to read it.

    ``detector`` is the one to analyse, None for the only one; ``time_zone`` of the times in the
    files, None where they share the clock of the cycler.
    """

    glob: str
    format: str = ""
    dialect: Dialect = field(default_factory=Dialect)
    detector: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class CyclerFiles:
    """The files of the cycler log: a path or glob, the format (empty: guessed), how to read it."""

    glob: str
    format: str = ""
    columns: ColumnMap = field(default_factory=ColumnMap)


@dataclass(frozen=True, kw_only=True)
class DataPaths:
    """Where the data lie.

    ``background`` is a glob, ``pristine`` a time range, a glob or None (before the first current);
    relative paths start at ``folder``.  ``clock_offset_s`` is added to the times of the cycler,
    None to find it from the data.
    """

    folder: Path
    spectra: SpectrumFiles
    monitor: Path | None = None
    cycler: CyclerFiles | None = None
    pristine: TimeRange | str | None = None
    background: str | None = None
    clock_offset_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Description:
    """Sample and instrument of an experiment.yaml; ``data`` is None where it names no files.

    ``area_cm2`` with relative standard uncertainty.
    """

    title: str
    stack: Stack
    instrument: Instrument
    area_cm2: float
    area_rel_std: float
    data: DataPaths | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Experiment(Description):
    """A checked experiment.yaml with data.

    ``text`` is the file as written, which a run file keeps.
    """

    data: DataPaths
    text: str = ""


def read_experiment(path: str | Path) -> Experiment:
    """Read and check an experiment.yaml.

    Which layer is anode, electrolyte and cathode is for the analysis to ask: any sample can be
    recorded.  Raises UnknownKey, WrongUnit, OutOfRange, WrongFormat or another BadInput; each
    names the file, the line and the dotted key.
    """
    file = Path(path)
    return parse_experiment(read_text(file, limit_bytes=MAX_BYTES), file)


def parse_experiment(content: str, file: Path) -> Experiment:
    """Check the text of an experiment.yaml; ``file`` is for messages and relative paths.

    Raises what ``read_experiment`` raises.
    """
    return Experiment(**vars(_parsed(content, file, ExperimentText)), text=content)


def read_description(path: str | Path) -> Description:
    """Read what an experiment.yaml says of sample and instrument alone, for planning.

    No data need be there.  Raises what ``read_experiment`` raises.
    """
    file = Path(path)
    return _parsed(read_text(file, limit_bytes=MAX_BYTES), file, DescriptionText)


def _parsed(content: str, file: Path, model: type[DescriptionText]) -> Description:
    """Check a text against ``model``, which says whether data must be there."""
    text, place = _validated(content, file, model)
    return Description(
        title=text.title,
        stack=_stack(text.cell, place),
        instrument=_instrument(text.instrument, place),
        area_cm2=_area(text.cell, place),
        area_rel_std=_share(text.cell.area_uncertainty, place("cell.area_uncertainty")),
        data=_paths(text.data, file.parent, place) if text.data is not None else None,
        source=str(file),
    )


def _validated(
    content: str, file: Path, model: type[DescriptionText]
) -> tuple[DescriptionText, Place]:
    """Check the keys of a text; return it, and what says where in the file a key is."""
    tree, lines = load_yaml(content, file)

    def place(dotted: str) -> str:
        known = dotted
        while known and known not in lines:
            known = re.sub(r"(\.?[^.\[]+|\[\d+\])$", "", known)
        line = f", line {lines[known]}" if known in lines and known else ""
        return f"{file}{line}, {dotted}"

    try:
        return model.model_validate(tree), place
    except ValidationError as error:
        raise _as_bad_input(error, place) from error


def json_schema() -> dict[str, Any]:
    """JSON Schema of experiment.yaml, for editors that complete keys."""
    return ExperimentText.model_json_schema()


def _as_bad_input(error: ValidationError, place: Place) -> BadInput:
    """Turn the telling one of pydantic's complaints into ours; misspelt keys come first."""
    problems = error.errors(include_url=False, include_input=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    dotted = ""
    for part in problem["loc"]:
        dotted += f"[{part}]" if isinstance(part, int) else f".{part}" if dotted else str(part)
    if problem["type"] == "extra_forbidden":
        return _unknown_key(str(problem["loc"][-1]), dotted, place)
    if problem["type"] == "missing":
        return BadInput(
            f"the key {problem['loc'][-1]!r} is missing", where=place(dotted),
            expected="it has no default", remedy=f"add {problem['loc'][-1]}: ...",
        )  # fmt: skip
    dotted = re.sub(r"\.(str|int|float|datetime|date|list\[.*\])(\[\d+\])?(\.\w+)*$", "", dotted)
    return BadInput(
        str(problem["msg"]), where=place(dotted), expected="a value of the kind the key asks for"
    )


def _unknown_key(key: str, dotted: str, place: Place) -> UnknownKey:
    parent = re.sub(r"\[\d+\]", "", dotted).removesuffix(key).removesuffix(".")
    model = MODELS.get(parent)
    known = list(model.model_fields) if model else []
    near = nearest(key, known)
    return UnknownKey(
        f"unknown key {key!r}", where=place(dotted), expected="one of " + ", ".join(known),
        remedy=f"did you mean {near!r}?" if near else "remove it",
    )  # fmt: skip


def _area(cell: CellText, place: Place) -> float:
    area_cm2 = quantity(cell.area, "cm^2", where=place("cell.area"))
    if not 0 < area_cm2 < 1e4:
        raise OutOfRange(
            f"an electrode area of {area_cm2:g} cm^2 cannot be", where=place("cell.area"),
            expected="more than 0 and less than 1 m^2",
        )  # fmt: skip
    return area_cm2


def _share(text: object, where: str, *, most: float = 1.0) -> float:
    share = quantity(text, "%", where=where)
    if not 0 <= share <= most:
        raise OutOfRange(f"{text!r} cannot be", where=where, expected=f"0 to {most:.0%}")
    return share


def _stack(cell: CellText, place: Place) -> Stack:
    layers = tuple(_layer(text, f"cell.stack[{i}]", place) for i, text in enumerate(cell.stack))
    try:
        stack = Stack(layers=layers)
    except LidepthError as error:
        raise error.at(place("cell.stack")) from error
    return stack


def _layer(text: LayerText, dotted: str, place: Place) -> Layer:
    changes: dict[str, float] = {}
    if text.density is not None:
        where = place(f"{dotted}.density")
        changes["density_g_cm3"] = quantity(text.density, "g/cm^3", where=where)
    for key in ("li6_fraction", "b10_fraction"):
        if (given := getattr(text, key)) is not None:
            changes[key] = _fraction(given, place(f"{dotted}.{key}"))
    thickness_nm = quantity(text.thickness, "nm", where=place(f"{dotted}.thickness"))
    share = _share(text.uncertainty, place(f"{dotted}.uncertainty"))
    try:
        material = Material.named(text.material, **changes)
    except LidepthError as error:
        key = "density" if "density" in error.what else "material"
        raise error.at(place(f"{dotted}.{key}")) from error
    try:
        return Layer(
            material=material, thickness_nm=thickness_nm, name=text.name, role=text.role,
            thickness_rel_std=share,
        )  # fmt: skip
    except LidepthError as error:
        raise error.at(place(f"{dotted}.thickness")) from error


def _fraction(given: str | int | float, where: str) -> float:
    if isinstance(given, str) and given.strip().endswith("%"):
        return _share(given, where)
    try:
        value = float(given)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise OutOfRange(
            f"{given!r} is not a fraction", where=where, expected="0 to 1, or 0 to 100 %"
        )
    return value


def _instrument(text: InstrumentText, place: Place) -> Instrument:
    def read(owner: BaseModel, dotted: str, unit: str) -> float:
        value = getattr(owner, dotted.rpartition(".")[2])
        return quantity(value, unit, where=place(f"instrument.{dotted}"))

    _check_energies(text, place)
    fwhm_rel = _share(text.detector.fwhm_uncertainty, place("instrument.detector.fwhm_uncertainty"))
    dead_time_s = read(text.detector, "detector.dead_time", "s")
    if not 0 <= dead_time_s < 1:
        raise OutOfRange(
            f"a dead time of {dead_time_s:g} s per count cannot be",
            where=place("instrument.detector.dead_time"), expected="0 s to less than 1 s",
        )  # fmt: skip
    gain_kev = read(text.calibration, "calibration.gain", "keV")
    offset_std_kev = read(text.calibration, "calibration.offset_uncertainty", "keV")
    gain_share = _share(
        text.calibration.gain_uncertainty, place("instrument.calibration.gain_uncertainty")
    )
    fwhm_kev = read(text.detector, "detector.fwhm", "keV")
    offset_kev = read(text.calibration, "calibration.offset", "keV")
    try:
        return Instrument(
            detector=Detector(fwhm_kev=fwhm_kev, fwhm_rel_std=fwhm_rel, dead_time_s=dead_time_s),
            calibration=Calibration(
                offset_kev=offset_kev, gain_kev=gain_kev,
                covariance=np.diag([offset_std_kev**2, (gain_share * gain_kev) ** 2]),
            ),
            exit_angle_deg=read(text, "exit_angle", "deg"),
            exit_angle_spread_deg=read(text, "exit_angle_spread", "deg"),
            isotope=text.isotope, stopping=text.stopping,
        )  # fmt: skip
    except OutOfRange as error:
        raise error.at(place("instrument")) from error


def _check_energies(text: InstrumentText, place: Place) -> None:
    energies_kev = {
        name: quantity(value, "keV", where=place(f"instrument.particle_energies.{name}"))
        for name, value in text.particle_energies.items()
    }
    from lidepth.physics.reactions import check_particle_energies, reactions_of

    try:
        reactions_of(text.isotope)
    except LidepthError as error:
        raise error.at(place("instrument.isotope")) from error
    try:
        check_particle_energies(text.isotope, energies_kev)
    except LidepthError as error:
        raise error.at(place("instrument.particle_energies")) from error


def _paths(text: DataText, folder: Path, place: Place) -> DataPaths:
    paths = {
        "spectra": text.spectra.files, "monitor": text.monitor, "background": text.background,
        "cycler": text.cycler.files if text.cycler is not None else None,
    }  # fmt: skip
    for key, given in paths.items():
        if given is not None and (not given.strip() or "\0" in given):
            raise BadInput("no path is given", where=place(f"data.{key}"), expected="a path")
    offset = text.clock_offset
    return DataPaths(
        folder=folder,
        spectra=_spectra(text.spectra, place),
        monitor=folder / text.monitor if text.monitor else None,
        cycler=_cycler(text.cycler, place) if text.cycler is not None else None,
        pristine=_pristine(text.pristine, place("data.pristine")),
        background=text.background,
        clock_offset_s=None if offset is None
        else quantity(offset, "s", where=place("data.clock_offset")),
    )  # fmt: skip


def _spectra(text: SpectraText, place: Place) -> SpectrumFiles:
    dwell_s = np.nan
    if text.dwell is not None:
        where = place("data.spectra.dwell")
        dwell_s = quantity(text.dwell, "s", where=where)
        if not 0 < dwell_s < 1e7:
            raise OutOfRange(f"a dwell of {dwell_s:g} s cannot be", where=where,
                             expected="more than 0 s and less than 100 days")  # fmt: skip
    written = text.dialect
    start = None
    if text.start is not None:
        start = parse_time(text.start, where=place("data.spectra.start"))
    return SpectrumFiles(
        glob=text.files, format=text.format, detector=text.detector,
        time_zone=_zone(text.time_zone, place("data.spectra.time_zone")),
        dialect=Dialect(
            columns=tuple(written.columns), delimiter=written.delimiter, skip=written.skip,
            comment=written.comment, dwell_s=dwell_s, channels=text.channels, start=start,
        ),
    )  # fmt: skip


def _cycler(text: CyclerText, place: Place) -> CyclerFiles:
    start = None
    if text.start is not None:
        start = parse_time(text.start, where=place("data.cycler.start"))
    return CyclerFiles(
        glob=text.files, format=text.format,
        columns=ColumnMap(
            time_zone=_zone(text.time_zone, place("data.cycler.time_zone")),
            names={str(key): name for key, name in text.columns.items()},
            units={str(key): unit for key, unit in text.units.items()},
            positive=text.positive, start=start,
        ),
    )  # fmt: skip


def _zone(name: str | None, where: str) -> str | None:
    """Check the name of a time zone."""
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            f"no time zone is called {name[:60]!r}", where=where,
            expected="a name such as Europe/Amsterdam or UTC", remedy="correct the name",
        ) from error  # fmt: skip
    return name


def _pristine(
    given: str | list[str | datetime | date] | None, where: str
) -> TimeRange | str | None:
    ends: list[Any]
    if isinstance(given, str) and (match := _RANGE.match(given)) is not None:
        ends = list(match.groups())
    elif isinstance(given, list):
        ends = given
    else:
        return given
    if len(ends) != 2:
        raise BadInput(
            f"{len(ends)} times given", where=where, expected="two times, or START .. STOP"
        )
    start, stop = (parse_time(end, where=where) for end in ends)
    if not start < stop:
        raise OutOfRange("the pristine period ends before it starts", where=where,
                         expected="an earlier and a later time")  # fmt: skip
    return start, stop
