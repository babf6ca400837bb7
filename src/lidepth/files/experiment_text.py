"""experiment.yaml as it is written: every key, its description and its default."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Quantity = Annotated[str | int | float, WithJsonSchema({"type": "string"})]
"""Text with a unit; bare numbers pass the model and are refused, by name, when converted."""


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class LayerText(_Keys):
    """One layer of the stack, as written."""

    material: str = Field(description="formula or common name", examples=["Li3PO4", "Kapton"])
    thickness: Quantity = Field(examples=["2000 nm"])
    name: str = Field("", description="free; default: role or material")
    role: Literal["anode", "electrolyte", "cathode"] | None = None
    density: Quantity | None = Field(None, examples=["2.32 g/cm^3"])
    uncertainty: Quantity = Field("10 %", description="of the thickness, one standard deviation")
    li6_fraction: Quantity | None = Field(None, description="atom fraction; natural if absent")
    b10_fraction: Quantity | None = Field(None, description="atom fraction; natural if absent")


class CellText(_Keys):
    """The cell, as written."""

    area: Quantity = Field(description="electrode area", examples=["1.79 cm^2"])
    area_uncertainty: Quantity = Field("2 %", description="one standard deviation")
    stack: list[LayerText] = Field(min_length=1, max_length=100, description="detector side first")


class DetectorText(_Keys):
    """The detector, as written."""

    fwhm: Quantity = Field(description="energy resolution", examples=["18 keV"])
    fwhm_uncertainty: Quantity = "15 %"
    dead_time: Quantity = Field("0 s", description="per count", examples=["20 us"])


class CalibrationText(_Keys):
    """The energy scale, as written."""

    offset: Quantity = Field(description="energy of the lower edge of channel 0")
    gain: Quantity = Field(description="energy per channel", examples=["3 keV"])
    offset_uncertainty: Quantity = "3 keV"
    gain_uncertainty: Quantity = "0.2 %"


class InstrumentText(_Keys):
    """The instrument, as written."""

    detector: DetectorText
    calibration: CalibrationText
    exit_angle: Quantity = Field("0 deg", description="surface normal to particle path")
    exit_angle_spread: Quantity = "0 deg"
    isotope: str = "6Li"
    stopping: str = "icru49"
    particle_energies: dict[str, Quantity] = Field(
        {}, description="checked against kinematics", examples=[{"alpha": "2055 keV"}]
    )


class DataText(_Keys):
    """Where the data lie, as written; paths from the folder of the file."""

    spectra: str = Field(description="glob", examples=["spectra/*.Spe"])
    monitor: str | None = None
    cycler: str | None = None
    pristine: str | list[str | datetime | date] | None = Field(
        None, description='"START .. STOP", a list of two times, or a glob'
    )
    background: str | None = Field(None, description="glob")
    clock_offset: Quantity = Field("0 s", description="added to the times of the cycler")


class ExperimentText(_Keys):
    """experiment.yaml, as written."""

    title: str
    cell: CellText
    instrument: InstrumentText
    data: DataText


MODELS: dict[str, type[BaseModel]] = {
    "": ExperimentText, "cell": CellText, "cell.stack": LayerText, "instrument": InstrumentText,
    "instrument.detector": DetectorText, "instrument.calibration": CalibrationText,
    "data": DataText,
}  # fmt: skip
"""Model by dotted place, list indices left out."""
