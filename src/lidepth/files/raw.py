"""Raw campaign files in the format that read_run reads: for simulators and for tests."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from lidepth.constants import NATURAL_B10_FRACTION, NATURAL_LI6_FRACTION
from lidepth.errors import BadData, StoreError
from lidepth.files._store import write_text
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Layer, Stack

_PLAIN = re.compile(r"^[A-Za-z][\w /()-]*$", re.ASCII)


def write_spe(
    path: str | Path,
    counts: NDArray[np.int64],
    *,
    start: np.datetime64,
    live_s: float,
    real_s: float,
    calibration: tuple[float, float] | None = None,
    title: str = "",
) -> None:
    """Write one ORTEC ASCII spectrum.

    ``counts`` (channels,); times go into the header as whole seconds, as ORTEC writes them (finer
    live times belong into monitor.csv); ``calibration`` is (offset in keV, keV per channel).
    Raises BadData for counts that are not whole numbers from 0 up, and StoreError.
    """
    values = np.asarray(counts)
    whole = values.ndim == 1 and values.size > 0 and bool(np.all(values == np.floor(values)))
    if not whole or values.min() < 0:
        raise BadData("counts are not whole numbers from 0 up", where=str(path))
    offset_kev, gain_kev = calibration or (0.0, 0.0)
    moment = str(np.datetime_as_string(start, "s", casting="unsafe"))
    day, clock = moment.split("T")
    year, month, date = day.split("-")
    one_line = " ".join(title.replace("$", " ").split()) or "No sample description was entered."
    lines = [
        "$SPEC_ID:", one_line, "$SPEC_REM:", "DET# 1", "DETDESC# PIPS",
        "$DATE_MEA:", f"{month}/{date}/{year} {clock}",
        "$MEAS_TIM:", f"{round(live_s)} {round(real_s)}",
        "$DATA:", f"0 {values.size - 1}",
        *(f"{count:8d}" for count in values.astype(np.int64).tolist()),
        "$ROI:", "0", "$PRESETS:", "None", "0", "0",
        "$ENER_FIT:", f"{offset_kev:.6f} {gain_kev:.6f}",
    ]  # fmt: skip
    write_text(Path(path), "\n".join(lines) + "\n")


def write_campaign(
    folder: str | Path,
    *,
    title: str,
    area_cm2: float,
    stack: Stack,
    instrument: Instrument,
    series: SpectrumSeries,
    log: CyclerLog | None,
    area_rel_std: float = 0.02,
    extra_data: Mapping[str, str] | None = None,
) -> Path:
    """Write spectra/*.Spe, monitor.csv, cycler.csv and experiment.yaml; returns the last's path.

    ``extra_data`` holds further keys of ``data:``, such as ``{"pristine": "START .. STOP"}``.
    experiment.yaml is written last, so that a folder that has it is complete.  Raises StoreError
    when the folder already holds spectra or cannot be written.
    """
    home = Path(folder)
    spectra = home / "spectra"
    if spectra.is_dir() and any(spectra.iterdir()):
        raise StoreError(
            "the folder already holds spectra", where=str(spectra), expected="an empty folder",
            remedy="choose another folder, or remove the old spectra first",
        )  # fmt: skip
    scale = (instrument.calibration.offset_kev, instrument.calibration.gain_kev)
    digits = max(5, len(str(len(series))))
    names = [f"spec_{i:0{digits}d}.Spe" for i in range(len(series))]
    counts, start, live_s, real_s = series.counts, series.start, series.live_s, series.real_s
    for i, name in enumerate(names):
        write_spe(
            spectra / name, counts[i], start=start[i], live_s=float(live_s[i]),
            real_s=float(real_s[i]), calibration=scale, title=title,
        )  # fmt: skip
    write_text(home / "monitor.csv", _monitor_csv(names, series))
    data = {"spectra": "spectra/*.Spe", "monitor": "monitor.csv"}
    if log is not None:
        write_text(home / "cycler.csv", _cycler_csv(log))
        data["cycler"] = "cycler.csv"
    lines = [
        f"title: {_scalar(title)}",
        *_cell_lines(stack, area_cm2, area_rel_std),
        *_instrument_lines(instrument),
        "data:",
        *(f"  {key}: {_scalar(value)}" for key, value in {**data, **(extra_data or {})}.items()),
    ]
    write_text(home / "experiment.yaml", "\n".join(lines) + "\n")
    return home / "experiment.yaml"


def _moments(times: NDArray[np.datetime64]) -> list[str]:
    """ISO times, as fine as they need to be."""
    whole = bool(np.all(times.astype("datetime64[s]") == times))
    return [str(text) for text in np.datetime_as_string(times, "s" if whole else "ms")]


def _monitor_csv(names: list[str], series: SpectrumSeries) -> str:
    rows = ["file,start,live_s,monitor_counts"]
    columns = zip(names, _moments(series.start), series.live_s, series.monitor, strict=True)
    for name, moment, live_s, counts in columns:
        known = f"{counts:.0f}" if math.isfinite(counts) else ""
        rows.append(f"{name},{moment},{live_s:.2f},{known}")
    return "\n".join(rows) + "\n"


def _cycler_csv(log: CyclerLog) -> str:
    rows = ["time,voltage_V,current_uA"]
    columns = zip(_moments(log.time), log.voltage_v, log.current_ua, strict=True)
    rows += [f"{moment},{volt:.4f},{current:.3f}" for moment, volt, current in columns]
    return "\n".join(rows) + "\n"


def _cell_lines(stack: Stack, area_cm2: float, area_rel_std: float) -> list[str]:
    return [
        "cell:",
        f"  area: {area_cm2:.10g} cm^2",
        f"  area_uncertainty: {100 * area_rel_std:.10g} %",
        "  stack:                        # from the detector side inwards",
        *(f"    - {{{_layer(layer)}}}" for layer in stack),
    ]


def _layer(layer: Layer) -> str:
    material = layer.material
    keys = {"name": layer.name, "role": layer.role, "material": material.formula}
    if material.name != material.formula:
        keys["material"] = material.name
    parts = [f"{key}: {_scalar(value)}" for key, value in keys.items() if value]
    parts += [
        f"density: {material.density_g_cm3:.10g} g/cm^3",
        f"thickness: {layer.thickness_nm:.10g} nm",
        f"uncertainty: {100 * layer.thickness_rel_std:.10g} %",
    ]
    if material.li6_fraction != NATURAL_LI6_FRACTION:
        parts.append(f"li6_fraction: {material.li6_fraction:.10g}")
    if material.b10_fraction != NATURAL_B10_FRACTION:
        parts.append(f"b10_fraction: {material.b10_fraction:.10g}")
    return ", ".join(parts)


def _instrument_lines(instrument: Instrument) -> list[str]:
    detector, scale = instrument.detector, instrument.calibration
    offset_std_kev, gain_std_kev = np.sqrt(np.diag(scale.covariance))
    share = 100 * gain_std_kev / scale.gain_kev
    return [
        "instrument:",
        f"  exit_angle: {instrument.exit_angle_deg:.10g} deg",
        f"  exit_angle_spread: {instrument.exit_angle_spread_deg:.10g} deg",
        f"  isotope: {_scalar(instrument.isotope)}",
        f"  stopping: {_scalar(instrument.stopping)}",
        "  detector:",
        f"    fwhm: {detector.fwhm_kev:.10g} keV",
        f"    fwhm_uncertainty: {100 * detector.fwhm_rel_std:.10g} %",
        f"    dead_time: {detector.dead_time_s:.10g} s",
        "  calibration:                  # lower edge of channel 0; keV per channel",
        f"    offset: {scale.offset_kev:.10g} keV",
        f"    gain: {scale.gain_kev:.10g} keV",
        f"    offset_uncertainty: {offset_std_kev:.10g} keV",
        f"    gain_uncertainty: {share:.10g} %",
    ]


def _scalar(text: str | None) -> str:
    """Return ``text`` as a YAML scalar, quoted where it needs to be."""
    value = str(text)
    if _PLAIN.match(value) and yaml.safe_load(value) == value:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
