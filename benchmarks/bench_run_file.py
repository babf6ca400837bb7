"""A long run in a run file, against the same arithmetic on an array that is in memory already.

    python benchmarks/bench_run_file.py [spectra] [channels]

Default: 22,500 spectra of 4,096 channels, simulated with 1e4 to 1e5 counts each, drawn from a made
NDP shape (noise at low energy, plateaus and edges).  The run is written once and then, each in a
process of its own so that memory can be told apart:

- numpy:     load the counts from an .npy file (not counted), then rebin to about 1,000 bins, divide
             by the monitor, sum into groups of 16 spectra;
- run file:  open, read and verify everything, put it into order (scipp array, flags of times and
             rates), then the same arithmetic on the counts of the series.

Not in that sum, because they are analysis: the flags that need the contents, and the clock of a
cycler log with one row per minute.  Both are run once, after it, and printed below it.

Ratios are of times in this same run, by the clock and by the processor (all threads together, which
a busy machine does not change much); memory is the peak resident set of each process.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

GROUP = 16
PARTS = ("open", "read and verify", "put into order", "arithmetic")
BESIDES = ("flags of contents", "clock difference")
BINS = 1000
TEXT = """\
title: made
cell:
  area: 1.79 cm^2
  stack:
    - {role: anode, material: Si, thickness: 50 nm}
    - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2 um}
    - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm}
instrument:
  detector: {fwhm: 18 keV}
  calibration: {offset: 2 keV, gain: 0.73 keV}
data: {spectra: "spectra/*.Spe", pristine: "2020-01-01T00:00:00 .. 2020-01-02T00:00:00"}
"""


def shape(channels: int) -> np.ndarray:
    """Share of the counts per channel: noise, background, alphas, tritons."""
    x = np.arange(channels) / channels
    rate = 30 * np.exp(-x / 0.015) + 0.05 + 0.6 * ((x > 0.1) & (x < 0.66))
    rate += 1.5 * ((x > 0.3) & (x < 0.49)) + 1.0 * ((x > 0.58) & (x < 0.65))
    return rate / rate.sum()


def make(folder: Path, spectra: int, channels: int) -> None:
    """Write counts.npy, monitor.npy and run.lidepth."""
    from lidepth.files.experiment import parse_experiment
    from lidepth.files.readers import RawSpectrum
    from lidepth.files.records import Record, Recorded
    from lidepth.files.run_file import RunFile

    random = np.random.default_rng(7)
    share = shape(channels)
    counts = np.empty((spectra, channels), np.int32)
    totals = random.uniform(1e4, 1e5, spectra)
    for i in range(spectra):
        counts[i] = random.poisson(share * totals[i])
    monitor = np.round(totals / 2)
    np.save(folder / "counts.npy", counts)
    np.save(folder / "monitor.npy", monitor)
    start = np.datetime64("2020-01-01T00:00:00", "ns")
    records = tuple(
        Record(
            source=f"spectra/spec_{i:05d}.Spe",
            raw=RawSpectrum(
                counts=counts[i], start=start + np.timedelta64(480 * i, "s"), live_s=479.5,
                real_s=480.0, calibration=None, sha256=sha256(counts[i].tobytes()).hexdigest(),
                monitor=float(monitor[i]),
            ),
        )
        for i in range(spectra)
    )  # fmt: skip
    begin = time.perf_counter()
    path = folder / "run.lidepth"
    with RunFile.create(path, parse_experiment(TEXT, folder / "experiment.yaml")) as run_file:
        run_file.add(Recorded(records=records, log=None))
    spent_s = time.perf_counter() - begin
    begin = time.perf_counter()
    with RunFile.open(path, write=True) as run_file:
        known = run_file.add(Recorded(records=records, log=None)).known
    print(f"write {spent_s:.1f} s, {spectra / spent_s:.0f} spectra/s, durable every 64; "
          f"import again {time.perf_counter() - begin:.1f} s ({known} known)")  # fmt: skip


def arithmetic(counts: np.ndarray, monitor: np.ndarray) -> np.ndarray:
    """Rebin, normalise to the monitor, group; shape (groups, bins)."""
    per_bin = -(-counts.shape[1] // BINS)
    whole = counts.shape[1] - counts.shape[1] % per_bin
    binned = counts[:, :whole].reshape(len(counts), -1, per_bin).sum(axis=2, dtype=np.float64)
    binned /= monitor[:, None]
    return np.add.reduceat(binned, np.arange(0, len(counts), GROUP), axis=0)


def now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def with_numpy(folder: Path) -> dict[str, Any]:
    counts, monitor = np.load(folder / "counts.npy"), np.load(folder / "monitor.npy")
    begin = now()
    grouped = arithmetic(counts, monitor)
    return {"spent": {"arithmetic": (now() - begin).tolist()}, "check": float(grouped.sum())}


def with_run_file(folder: Path) -> dict[str, Any]:
    import scipp  # noqa: F401  # loaded before the clock starts, as NumPy is

    from lidepth.analysis.clocks import clock_difference
    from lidepth.analysis.quality import flag_run
    from lidepth.files import assemble
    from lidepth.files.run_file import RunFile

    assemble.flag_run = lambda run: run  # measured by itself, below

    marks = [now()]
    with RunFile.open(folder / "run.lidepth") as run_file:
        marks.append(now())
        recorded = run_file.recorded()
        marks.append(now())
        experiment = run_file.experiment()
    run = assemble.assemble(recorded, experiment)
    del recorded
    marks.append(now())
    grouped = arithmetic(run.series.counts, run.series.monitor)
    marks.append(now())
    peak_mb = rss_mb()
    run = flag_run(run)
    marks.append(now())
    log = cycler(run.series)
    marks.append(now())
    clock_difference(run.series, log, run.instrument, run.stack)
    marks.append(now())
    spent = [(b - a).tolist() for a, b in itertools.pairwise(marks)]
    return {
        "spent": dict(zip(PARTS, spent[:4], strict=True)), "check": float(grouped.sum()),
        "besides": dict(zip(BESIDES, (spent[4], spent[6]), strict=True)), "groups": len(grouped),
        "rss_mb": peak_mb, "rss_besides_mb": rss_mb(),
    }  # fmt: skip


def cycler(series: Any) -> Any:
    """A log of charge and discharge, ten hours each, one row per minute."""
    from lidepth.model.cycling import CyclerLog

    minutes = np.arange(int(series.stop_s.max() // 60))
    charging = minutes // 600 % 2 == 0
    return CyclerLog(
        time=series.origin + minutes * np.timedelta64(60, "s"),
        voltage_v=np.where(charging, 4.2, 3.0), current_ua=np.where(charging, 5.0, -5.0),
        source="made",
    )  # fmt: skip


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(part: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, part, str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(answer.splitlines()[-1]))


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in ("numpy", "run_file"):
        work = with_numpy if sys.argv[1] == "numpy" else with_run_file
        answer = work(Path(sys.argv[2]))
        answer.setdefault("rss_mb", rss_mb())
        print(json.dumps(answer))
        return
    spectra, channels = (int(a) for a in (sys.argv[1:] + ["22500", "4096"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, spectra, channels)
        size_mb = (folder / "run.lidepth").stat().st_size / 1e6
        plain, ours = in_a_process("numpy", folder), in_a_process("run_file", folder)
    assert abs(plain["check"] - ours["check"]) < 1e-9 * plain["check"]
    print(f"{spectra} x {channels}: file {size_mb:.0f} MB (limit 500), {ours['groups']} groups")
    base = np.array(plain["spent"]["arithmetic"])
    parts = {name: np.array(spent) for name, spent in ours["spent"].items()}
    besides = {name: np.array(spent) for name, spent in ours["besides"].items()}
    whole = {"run file, in all": np.sum(list(parts.values()), axis=0)}
    rows = {"numpy, in memory": base, **parts, **whole, **besides}
    for label, spent in rows.items():
        print(f"{label:18s}{spent[0]:7.2f} s {spent[0] / base[0]:5.1f} x   "
              f"processor {spent[1]:6.2f} s {spent[1] / base[1]:5.1f} x")  # fmt: skip
    print(f"peak memory: numpy {plain['rss_mb']:.0f} MB, run file {ours['rss_mb']:.0f} MB "
          f"(limit 1500), with flags and clock {ours['rss_besides_mb']:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
