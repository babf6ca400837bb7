"""Tables of the documentation that are made from the code, so that they cannot differ from it.

A page asks for one with a line of its own::

    %%TABLE keys cell.stack%%

and gets Markdown in its place while Sphinx reads the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

MARKER = re.compile(r"^%%TABLE (\w+)(?: (\S+))?%%$", re.MULTILINE)

# What the models do not say: unit (or kind of value) and meaning of every key of experiment.yaml.
KEYS: dict[str, tuple[str, str]] = {
    "title": ("text", "Name of the run; heads figures and report."),
    "cell": ("section", "The cell, see below."),
    "instrument": ("section", "Reaction, geometry and detector, see below."),
    "data": ("section", "Where the files lie, see below."),
    "cell.area": (
        "area",
        "Electrode area. The charge of the cycler is the whole electrode's, the spectrum the "
        "beam spot's: the area turns one into the other.",
    ),
    "cell.area_uncertainty": ("%", "Standard uncertainty of the area."),
    "cell.stack": ("list", "The layers, detector side first, overlayer included; see below."),
    "cell.stack.material": (
        "text",
        "Formula (`Li3PO4`) or a known name (`Kapton`, `parylene`, `Teflon` ...).",
    ),
    "cell.stack.thickness": ("length", "Thickness as designed or measured."),
    "cell.stack.name": ("text", "Your name for the layer; default: the role, else the material."),
    "cell.stack.role": (
        "word",
        "`anode`, `electrolyte` or `cathode`; each exactly once. Other layers have none.",
    ),
    "cell.stack.density": (
        "mass/volume",
        "Compounds need one. It enters only where nm become atoms: thickness times density is "
        "what the particles see.",
    ),
    "cell.stack.uncertainty": (
        "%",
        "Standard uncertainty of the thickness. Self-calibration refines it; say 20 to 30 % for "
        "an overlayer that nobody measured.",
    ),
    "cell.stack.li6_fraction": (
        "fraction or %",
        "⁶Li among the lithium atoms of this layer; natural (7.59 %) if absent. Give it for "
        "enriched or depleted films, or exchange of isotopes will look like transport.",
    ),
    "cell.stack.b10_fraction": ("fraction or %", "The same for ¹⁰B; natural (19.9 %) if absent."),
    "instrument.detector": ("section", "The detector, see below."),
    "instrument.calibration": ("section", "The energy scale, see below."),
    "instrument.exit_angle": (
        "angle",
        "Between the surface normal and the path of the particles to the detector. Not the angle "
        "between cell and neutron beam.",
    ),
    "instrument.exit_angle_spread": (
        "angle",
        "Standard deviation of that angle over the detector's aperture.",
    ),
    "instrument.isotope": ("text", "The reaction, by its target: `6Li`, `10B`, `14N` ..."),
    "instrument.stopping": (
        "text",
        "`icru49`, `lunasrim`, `srim-file:PATH` or `csv:PATH`; see the page on stopping power.",
    ),
    "instrument.particle_energies": (
        "energy each",
        "Optional. Checked against kinematics and refused when more than 3 keV off or swapped; "
        "never used instead of it.",
    ),
    "instrument.detector.fwhm": ("energy", "Energy resolution, full width at half maximum."),
    "instrument.detector.fwhm_uncertainty": (
        "%",
        "Standard uncertainty of the resolution; the triton edges refine it.",
    ),
    "instrument.detector.dead_time": (
        "time",
        "Per count. Used only for spectra whose files give no live time.",
    ),
    "instrument.calibration.offset": (
        "energy",
        "Energy at the lower edge of channel 0, not at its middle.",
    ),
    "instrument.calibration.gain": ("energy", "Energy per channel."),
    "instrument.calibration.offset_uncertainty": ("energy", "Standard uncertainty of the offset."),
    "instrument.calibration.gain_uncertainty": ("%", "Standard uncertainty of the gain."),
    "data.spectra": (
        "glob or mapping",
        "The spectra of the run, such as `spectra/*.Spe`; a mapping says more of them (below).",
    ),
    "data.spectra.files": ("glob", "Which files."),
    "data.spectra.format": (
        "name",
        "One of the [formats](formats.md); if absent, suffix and content decide. Columns of "
        "numbers (`text`) are never guessed.",
    ),
    "data.spectra.time_zone": (
        "name",
        "Of times without one, such as `Europe/Amsterdam`; they then become UTC.",
    ),
    "data.spectra.dialect": ("mapping", "How columns of text are to be read, for `format: text`."),
    "data.spectra.dialect.columns": (
        "list",
        "What each column is: `channel`, `energy` (keV), `counts`, or `-` for neither.",
    ),
    "data.spectra.dialect.delimiter": ("text", "Between columns; if absent, any blanks."),
    "data.spectra.dialect.skip": ("lines", "Lines before the numbers."),
    "data.spectra.dialect.comment": ("text", "Lines that begin so are passed over."),
    "data.spectra.dwell": ("time", "List mode: events gathered into one spectrum."),
    "data.spectra.channels": ("number", "List mode: channels of a spectrum."),
    "data.spectra.start": (
        "time",
        "List mode: wall time at which the clock of the file was zero, where the file has none.",
    ),
    "data.spectra.detector": ("name", "The detector to analyse, where a run has several."),
    "data.monitor": (
        "path",
        "Table with `file` and any of `start`, `live_s`, `monitor_counts`; its times win over "
        "those of the spectrum headers.",
    ),
    "data.cycler": (
        "path or mapping",
        "The cycler log; a glob joins several files in order of time. Without a log nothing ties "
        "the cathode to the charge.",
    ),
    "data.cycler.files": ("path or glob", "Which file, or files."),
    "data.cycler.format": (
        "name",
        "One of the [formats](formats.md); if absent, suffix and content decide.",
    ),
    "data.cycler.time_zone": (
        "name",
        "Of times without one, such as `Europe/Amsterdam`; they then become UTC, the hour that "
        "comes twice in autumn included.",
    ),
    "data.cycler.columns": (
        "mapping",
        "For `format: csv`: the heading of `time` (wall time) or `elapsed`, `voltage`, `current`.",
    ),
    "data.cycler.units": (
        "mapping",
        "For `format: csv`: the unit of `elapsed`, `voltage` and `current`.",
    ),
    "data.cycler.positive": (
        "word",
        "For `format: csv`: whether a positive current is `charge` or `discharge`.",
    ),
    "data.cycler.start": ("time", "Wall time of the first row, where the file has none."),
    "data.pristine": (
        "times or glob",
        "Spectra of the cell before its first charge: `START .. STOP`, a list of two times, or a "
        "glob; if absent, everything before the first current.",
    ),
    "data.background": (
        "glob",
        "Spectra of a blank. What is fitted to them is believed of the background beforehand, "
        "within 20 %; nothing is subtracted.",
    ),
    "data.clock_offset": (
        "time",
        "Added to the times of the cycler, for clocks that disagree; if absent, it is found from "
        "the data.",
    ),
}

PRIORS: dict[str, tuple[str, str]] = {
    "ELEMENT_STOPPING": ("%", "stopping of an element, times its areal density"),
    "COMPOUND_STOPPING": ("%", "stopping of a compound (Bragg additivity)"),
    "SHAPE_STOPPING": ("%", "change of that scale per factor e in energy"),
    "BEND_STOPPING": ("%", "second-order change of it, per factor e squared"),
    "TRITON_STOPPING": ("%", "triton against alpha in one layer"),
    "LITHIUM_STOPPING": ("%", "stopping of lithium that was added to a layer"),
    "CONTENT": ("%", "lithium per formula unit of a film"),
    "STRAGGLING": ("%", "width of straggling against Bohr's"),
    "ROUGHNESS": ("%", "lateral spread of the overlayer's thickness"),
    "RATIO": ("%", "alphas per triton"),
    "TAIL": ("%", "share of counts in the detector's low-energy tail"),
    "COULOMB_LOSS": (
        "%",
        "charge that moves no lithium, of all passed (considered; either way apart)",
    ),
    "SILICON_STEP": ("%", "silicon moved between two knots, of the film"),
    "SILICON_DEPTH_NM": ("nm", "(value, not spread) e-fold depth of moved silicon"),
    "SILICON_DEPTH": ("%", "that depth"),
    "SCATTERING": ("%", "variance of multiple scattering"),
    "GAIN_DRIFT": ("%", "change of the gain over the run"),
    "OFFSET_DRIFT_KEV": ("keV", "change of the offset over the run"),
}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def experiment_keys() -> list[str]:
    """Return every key of experiment.yaml, dotted, list indices left out."""
    from lidepth.files.experiment_text import MODELS

    return [
        f"{place}.{key}" if place else key
        for place, model in MODELS.items()
        for key in model.model_fields
    ]


def keys(place: str = "") -> str:
    """Return the table of the keys of one section."""
    from lidepth.files.experiment_text import MODELS

    rows = []
    for key, field in MODELS[place].model_fields.items():
        unit, meaning = KEYS[f"{place}.{key}" if place else key]
        rows.append([f"`{key}`", unit, _default(field), meaning])
    return table(["key", "unit", "default", "meaning"], rows)


def _default(field: Any) -> str:
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True)
    if default is None or default in ("", {}, []) or isinstance(default, BaseModel):
        return "none"
    if isinstance(default, list):
        return f"`[{', '.join(default)}]`"
    return f"`{default}`"


def reactions(_: str = "") -> str:
    """Return the table of the reactions."""
    from lidepth.physics.reactions import REACTIONS

    rows = []
    for r in REACTIONS:
        gamma = f" + {r.gamma_kev:.1f} γ" if r.gamma_kev else ""
        rows.append([
            r.name, _percent(r.abundance) if r.abundance else "radioactive",
            f"{r.cross_section_b:g} ± {r.cross_section_std_b:g}", f"{r.q_kev:.1f}{gamma}",
            f"{r.light.projectile.name} {r.light.energy_kev:.1f}",
            f"{r.heavy.projectile.name} {r.heavy.energy_kev:.1f}",
        ])  # fmt: skip
    head = ["reaction", "abundance", "σ(2200 m/s) b", "energy released keV", "light keV",
            "heavy keV"]  # fmt: skip
    return table(head, rows)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def priors(_: str = "") -> str:
    """Return the table of what is believed before any data."""
    from lidepth.analysis import parameters

    rows = []
    for name, (unit, meaning) in PRIORS.items():
        value = getattr(parameters, name)
        rows.append([meaning, f"{100 * value:.3g} %" if unit == "%" else f"{value:.3g} {unit}"])
    return table(["quantity", "standard deviation"], rows)


def cr2o3(_: str = "") -> str:
    """Return energies after Cr2O3 by the default source beside those that NIST prints."""
    import numpy as np

    from lidepth.model.material import Material
    from lidepth.physics.reactions import projectile
    from lidepth.physics.stopping import stopping_source
    from lidepth.physics.transport import RangeTable, energy_after, total_stopping

    film = Material(formula="Cr2O3", density_g_cm3=5.21)
    stopping = total_stopping(stopping_source("icru49"), projectile("alpha"), film)
    found = energy_after(
        RangeTable(stopping=stopping, max_energy_kev=2000.0), 1472.35,
        np.array(CR2O3_NM) * film.atoms_1e15_per_nm,
    )  # fmt: skip
    rows = [
        [f"{nm:.1f}", f"{kev:.1f}", f"{ours:.1f}", f"{ours - kev:+.2f}"]
        for nm, kev, ours in zip(CR2O3_NM, CR2O3_KEV, found.tolist(), strict=True)
    ]
    return table(["depth nm", "printed (TRIM) keV", "default keV", "difference keV"], rows)


# 10B alphas through Cr2O3 of 5.21 g/cm3, as NIST's public NDPReduce notebook prints them.
CR2O3_NM = [10.107, 25.106, 50.112, 100.115, 150.115, 200.115, 300.115, 400.116]
CR2O3_KEV = [1466.694, 1458.294, 1444.274, 1416.164, 1387.879, 1359.507, 1302.011, 1243.826]


def analysers(_: str = "") -> str:
    """Return the table of the analyser formats, as they are registered."""
    from lidepth.files.readers import FORMATS

    rows = [
        [
            f"`{one.key}`", one.maker, ", ".join(f"`{suffix}`" for suffix in one.suffixes),
            "no" if one.explicit else "yes", one.reads_with or "lidepth", one.note,
        ]
        for one in FORMATS
    ]  # fmt: skip
    return table(["key", "maker", "suffixes", "found by itself", "decoded by", "note"], rows)


def cyclers(_: str = "") -> str:
    """Return the table of the cycler formats, as they are registered."""
    from lidepth.files.cyclers import CYCLER_FORMATS

    rows = [
        [
            f"`{one.key}`", one.maker, ", ".join(f"`{suffix}`" for suffix in one.suffixes),
            "no" if one.explicit else "yes", f"`lidepth[{one.extra}]`" if one.extra else "nothing",
            one.note,
        ]
        for one in CYCLER_FORMATS
    ]  # fmt: skip
    return table(["key", "maker", "suffixes", "found by itself", "needs", "note"], rows)


def commands() -> dict[str, str]:
    """Return the help of every verb, as the command line prints it, by name."""
    from typer.main import get_command

    group: Any = get_command(_app())
    context = group.make_context("lidepth", [], resilient_parsing=True)
    found = {}
    for name in group.list_commands(context):
        command = group.commands[name]
        inner = getattr(command, "commands", {})  # a verb of verbs
        for part in inner:
            found[f"{name} {part}"] = _verb(f"{name} {part}", inner[part], context)
        if not inner:
            found[name] = _verb(name, command, context)
    return found


def _app() -> Any:
    from lidepth.cli import app

    return app


def _verb(name: str, command: Any, context: Any) -> str:
    inner = command.make_context(name, [], parent=context, resilient_parsing=True)
    usage = " ".join([f"lidepth {name}", *command.collect_usage_pieces(inner)])
    text = (command.help or "").replace("\b", "").strip()
    text = re.sub(r"\n\s*\n\s*\n+", "\n\n", text)
    rows = []
    for parameter in command.get_params(inner):
        names = ", ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name}`"
        rows.append([names, _say(getattr(parameter, "help", "")), _option_default(parameter)])
    options = table(["argument or option", "meaning", "default"], rows)
    return f"## lidepth {name}\n\n```text\n{usage}\n\n{text}\n```\n\n{options}\n"


def _say(text: str | None) -> str:
    return (text or "").replace("\n", " ").replace("<", "\\<")


def _option_default(parameter: Any) -> str:
    if parameter.required:
        return "**required**"
    value = parameter.default
    if value in (None, False, "", []) or callable(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def cli(_: str = "") -> str:
    """Return a section for every verb."""
    return "\n".join(commands().values())


TABLES: dict[str, Callable[[str], str]] = {
    "keys": keys, "reactions": reactions, "priors": priors, "cr2o3": cr2o3, "cli": cli,
    "analysers": analysers, "cyclers": cyclers,
}  # fmt: skip


def filled(text: str) -> str:
    """Return ``text`` with every marker replaced by its table."""
    return MARKER.sub(lambda match: TABLES[match[1]](match[2] or ""), text)


# Outside of literals: the end of a name such as electronic_, and the star of a glob such as *.Spe.
_NAME_END, _STAR = re.compile(r"(?<=\w)_(?=\W|$)"), re.compile(r"(?<![*\w])\*(?=[^\s*][^*]*$)")


def plain(_: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Keep names and globs of docstrings from being read as markup."""
    for place, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [_STAR.sub(r"\*", _NAME_END.sub(r"\_", part)) for part in parts[::2]]
        lines[place] = "``".join(parts)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""

    def read(_: Any, __: str, source: list[str]) -> None:
        source[0] = filled(source[0])

    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
