"""experiment.yaml as it is written: every key, its description and its default."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)

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


class _FilesText(_Keys):
    """Files of one instrument: a mapping, or in short only the path or glob."""

    files: str = Field(description="path or glob", examples=["spectra/*.Spe"])
    format: str = Field("", description="by name; default: what suffix and content show")
    time_zone: str | None = Field(
        None, description="of times without one", examples=["Europe/Amsterdam"]
    )

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, given: Any) -> Any:
        return {"files": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(schema))]}


class DialectText(_Keys):
    """How columns of text are to be read."""

    columns: list[Literal["channel", "energy", "counts", "-"]] = Field(
        ["counts"], min_length=1, max_length=64, description="in order; - is passed over"
    )
    delimiter: str = Field("", max_length=4, description="default: any blanks")
    skip: int = Field(0, ge=0, le=100_000, description="lines before the numbers")
    comment: str = Field("#", max_length=4, description="begins lines that are passed over")


class SpectraText(_FilesText):
    """The spectra; in short only their glob."""

    dialect: DialectText = Field(
        default_factory=lambda: DialectText.model_validate({}), description="for format: text"
    )
    dwell: Quantity | None = Field(
        None, description="list mode: time gathered into one spectrum", examples=["8 min"]
    )
    channels: int = Field(0, ge=0, le=2**20, description="list mode: channels of a spectrum")
    start: str | datetime | None = Field(
        None, description="list mode: wall time at which the clock of the file was zero"
    )
    detector: str | None = Field(None, description="the one to analyse, if there are several")


class CyclerText(_FilesText):
    """The cycler log; in short only its path or glob."""

    columns: dict[Literal["time", "elapsed", "voltage", "current"], str] = Field(
        {}, description="format: csv: heading of each", examples=[{"voltage": "U_cell"}]
    )
    units: dict[Literal["elapsed", "voltage", "current"], str] = Field(
        {}, description="format: csv: unit of each", examples=[{"current": "mA"}]
    )
    positive: Literal["charge", "discharge"] = Field(
        "charge", description="format: csv: what a positive current does"
    )
    start: str | datetime | None = Field(
        None, description="wall time of the first row, if the file has none"
    )


class DataText(_Keys):
    """Where the data lie, as written; paths from the folder of the file."""

    spectra: SpectraText = Field(description="glob, or a mapping", examples=["spectra/*.Spe"])
    monitor: str | None = None
    cycler: CyclerText | None = Field(None, description="path or glob, or a mapping")
    pristine: str | list[str | datetime | date] | None = Field(
        None, description='"START .. STOP", a list of two times, or a glob'
    )
    background: str | None = Field(None, description="glob")
    clock_offset: Quantity | None = Field(
        None, description="added to the times of the cycler; default: found from the data"
    )


class DescriptionText(_Keys):
    """experiment.yaml of a measurement that may only be planned, as written."""

    title: str
    cell: CellText
    instrument: InstrumentText
    data: DataText | None = None


class ExperimentText(DescriptionText):
    """experiment.yaml, as written."""

    data: DataText


MODELS: dict[str, type[BaseModel]] = {
    "": ExperimentText, "cell": CellText, "cell.stack": LayerText, "instrument": InstrumentText,
    "instrument.detector": DetectorText, "instrument.calibration": CalibrationText,
    "data": DataText, "data.spectra": SpectraText, "data.spectra.dialect": DialectText,
    "data.cycler": CyclerText,
}  # fmt: skip
"""Model by dotted place, list indices left out."""
