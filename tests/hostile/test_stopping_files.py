"""Stopping tables from files: what is read, and what is refused and how."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat, WrongUnit
from lidepth.model.material import Material
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_rows, stopping_source, total
from lidepth.physics.stopping.lunasrim_source import _sampled

ALPHA, TRITON = projectile("alpha"), projectile("triton")
LPO = Material(formula="Li3PO4", density_g_cm3=2.4)
SIO2 = Material(formula="SiO2", density_g_cm3=2.2)

# The layout of SRIM's SR Module, with made-up round numbers.
SRIM_TEXT = """ ==================================================================
              SRIM version ---> SRIM-2013.00
 ==================================================================

 Disk File Name = SRIM Outputs\\Helium in SiO2

 Ion = Helium       [2] , Mass = 4.003 amu

 Target Density =  2.2000E+00 g/cm3 = 6.6149E+22 atoms/cm3
 ======= Target  Composition ========
    Atom   Atom   Atomic    Mass
    Name   Numb   Percent   Percent
    ----   ----   -------   -------
     Si     14    033.33    046.74
      O      8    066.67    053.26
 ====================================
 Bragg Correction = 0.00%
 Stopping Units =  MeV / (mg/cm2)
 See bottom of Table for other Stopping units

        Ion        dE/dx      dE/dx     Projected  Longitudinal   Lateral
       Energy      Elec.      Nuclear     Range     Straggling   Straggling
  -----------  ---------- ---------- ----------  ----------  ----------
   999.999 eV   8.000E-02    1.500E-01     120 A       70 A       50 A
    10.00 keV   2.400E-01    5.000E-02    1088 A      552 A      467 A
   100.00 keV   8.000E-01    1.000E-02    7000 A     1500 A     1600 A
     1.00 MeV   1.500E+00    2.000E-03    3.50 um    2600 A     2700 A
     2.00 MeV   1.200E+00    1.100E-03    7.10 um    3500 A     3600 A
    10.00 MeV   4.300E-01    3.000E-04   66.36 um    2.77 um    1.53 um
-----------------------------------------------------------
 Multiply Stopping by        for Stopping Units
 -------------------        ------------------
  2.2000E+01                 eV / Angstrom
  1.0000E+00                 MeV / (mg/cm2)
  3.3257E+01                 eV / (1E15 atoms/cm2)
  2.9443E+00                 L.S.S. reduced units
 ==================================================================
"""

CSV_TEXT = """# projectile: alpha
# material: Li3PO4
energy_keV, electronic_MeV_cm2_per_g, nuclear_MeV_cm2_per_g
1, 100, 120
10, 300, 80
100, 900, 15
1000, 1500, 2
3000, 900, 0.8
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_srim_table_is_converted_by_its_own_factor(tmp_path: Path) -> None:
    path = write(tmp_path, "he in sio2.txt", SRIM_TEXT)
    source = stopping_source(f"srim-file:{path}")
    at = np.array([1.0, 10.0, 1000.0, 10000.0])
    assert source.electronic(ALPHA, SIO2, at) == pytest.approx(
        np.array([0.08, 0.24, 1.5, 0.43]) * 33.257e-3, rel=1e-5
    )
    assert source.nuclear(ALPHA, SIO2, at)[2] == pytest.approx(0.002 * 33.257e-3)
    assert source.electronic(ALPHA, SIO2, np.array([0.25]))[0] == pytest.approx(
        0.04 * 33.257e-3, rel=1e-3
    )


def test_a_srim_table_with_decimal_commas_reads_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "he.txt", SRIM_TEXT.replace(".", ","))
    plain = write(tmp_path, "plain.txt", SRIM_TEXT)
    at = np.array([500.0, 2000.0])
    assert total(stopping_source(f"srim-file:{path}"), ALPHA, SIO2, at) == pytest.approx(
        total(stopping_source(f"srim-file:{plain}"), ALPHA, SIO2, at)
    )


def test_windows_line_ends_and_odd_characters_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "he.txt"
    path.write_bytes(SRIM_TEXT.replace("Angstrom", "\xc5").replace("\n", "\r\n").encode("latin-1"))
    assert total(stopping_source(f"srim-file:{path}"), ALPHA, SIO2, 1000.0) > 0


def test_several_srim_files_and_a_folder_serve_each_its_own_pair(tmp_path: Path) -> None:
    silica = write(tmp_path, "a.txt", SRIM_TEXT)
    hydrogen = SRIM_TEXT.replace(
        "Helium       [2] , Mass = 4.003", "Hydrogen     [1] , Mass = 3.016"
    )
    other = write(tmp_path, "b.txt", hydrogen.replace("1.500E+00", "1.900E+00"))
    for spec in (f"srim-file:{silica},{other}", f"srim-file:{tmp_path}"):
        source = stopping_source(spec)
        assert source.electronic(TRITON, SIO2, np.array([1000.0]))[0] == pytest.approx(
            1.9 * 33.257e-3
        )
        assert source.electronic(ALPHA, SIO2, np.array([1000.0]))[0] == pytest.approx(
            1.5 * 33.257e-3
        )


def test_a_real_table_of_the_sr_module_gives_lunasrims_numbers(tmp_path: Path) -> None:
    api = pytest.importorskip("lunasrim.api")
    lines = api.stopping_report("He", "SiO2", emin=10, emax=10000, density=2.2).lines()
    path = write(tmp_path, "he.txt", "\n".join(line.rstrip("\r\n") for line in lines))
    at = np.array([10.0, 200.0, 1000.0, 2055.0, 9999.0])
    table, sampled = stopping_source(f"srim-file:{path}"), stopping_source("lunasrim")
    assert table.electronic(ALPHA, SIO2, at) == pytest.approx(
        sampled.electronic(ALPHA, SIO2, at), rel=1e-3
    )
    # The SR Module averages nuclear stopping over a compound in another way: 7 % of it at 10 keV.
    assert total(table, ALPHA, SIO2, at[1:]) == pytest.approx(
        total(sampled, ALPHA, SIO2, at[1:]), rel=1e-3
    )


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("Ion = Helium", "Jon = Helium", WrongFormat, "not a stopping table of SRIM"),
        ("eV / (1E15", "eV / (1E16", WrongUnit, "1E15 atoms/cm2"),
        (SRIM_TEXT[SRIM_TEXT.index(" Multiply") :], "", Truncated, "stopping units at the end"),
        ("066.67", "000.67", WrongFormat, "add up to"),
        ("   100.00 keV", "     9.00 keV", WrongFormat, "do not rise"),
        ("1.500E+00", "0.000E+00", OutOfRange, "not a positive number"),
        ("1.500E+00", "1.5.0E+00", WrongFormat, "line 27"),
        (" MeV ", " mega ", Truncated, "only 3"),
    ],
)
def test_a_damaged_srim_table_is_refused_with_its_name(
    tmp_path: Path, old: str, new: str, error: type[BadInput], message: str
) -> None:
    text = SRIM_TEXT.replace(old, new)
    assert text != SRIM_TEXT
    path = write(tmp_path, "he.txt", text)
    with pytest.raises(error, match=message) as caught:
        stopping_source(f"srim-file:{path}")
    assert "he.txt" in str(caught.value)


@pytest.mark.parametrize("keep", range(0, len(SRIM_TEXT), 97))
def test_a_srim_table_cut_anywhere_is_read_or_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path, "cut.txt", SRIM_TEXT[:keep])
    factor_end = SRIM_TEXT.index("(1E15 atoms/cm2)") + len("(1E15 atoms/cm2)")
    if keep >= factor_end:
        assert total(stopping_source(f"srim-file:{path}"), ALPHA, SIO2, 1000.0) > 0
        return
    with pytest.raises(BadInput, match=r"cut\.txt"):
        stopping_source(f"srim-file:{path}")


def test_a_missing_pair_names_the_tables_that_are_there(tmp_path: Path) -> None:
    source = stopping_source(f"srim-file:{write(tmp_path, 'he.txt', SRIM_TEXT)}")
    with pytest.raises(BadInput, match=r"(?s)triton in SiO2.*he\.txt"):
        total(source, TRITON, SIO2, 1000.0)
    with pytest.raises(BadInput, match="alpha in Li3PO4"):
        total(source, ALPHA, LPO, 1000.0)


def test_an_energy_above_the_table_is_refused(tmp_path: Path) -> None:
    source = stopping_source(f"csv:{write(tmp_path, 'lpo.csv', CSV_TEXT)}")
    with pytest.raises(OutOfRange, match="the table ends at 3000 keV"):
        total(source, ALPHA, LPO, 3100.0)


def test_a_table_that_starts_too_high_is_not_continued_downwards(tmp_path: Path) -> None:
    text = CSV_TEXT.replace("\n1, ", "\n200, ").replace("\n10, ", "\n300, ")
    source = stopping_source(f"csv:{write(tmp_path, 'lpo.csv', text.replace('100, 9', '400, 9'))}")
    assert total(source, ALPHA, LPO, 250.0) > 0
    with pytest.raises(OutOfRange, match="starts at 200 keV"):
        total(source, ALPHA, LPO, 100.0)


def test_a_csv_table_comes_back_at_its_points(tmp_path: Path) -> None:
    source = stopping_source(f"csv:{write(tmp_path, 'lpo.csv', CSV_TEXT)}")
    found = source.electronic(ALPHA, LPO, np.array([10.0, 1000.0])) / LPO.mass_mg_cm2_per_1e15
    assert found == pytest.approx([300.0, 1500.0])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("keV_per_1e15", 1.0), ("eV_per_1e15", 1e-3), ("keV_per_um", None), ("MeV_cm2_per_g", None)],
)
def test_every_documented_unit_is_read(tmp_path: Path, unit: str, factor: float | None) -> None:
    known = {
        "keV_per_um": 1e-3 / LPO.atoms_1e15_per_nm,
        "MeV_cm2_per_g": LPO.mass_mg_cm2_per_1e15,
    }
    text = (
        f"# density_g_cm3: 2.4\nenergy_MeV,electronic_{unit}\n"
        "0.001,100\n0.01,300\n0.1,900\n1,1500\n3,900\n"
    )
    source = stopping_source(f"csv:{write(tmp_path, 'alpha_in_Li3PO4.csv', text)}")
    found = source.electronic(ALPHA, LPO, np.array([1000.0]))
    assert found == pytest.approx([1500 * (factor or known[unit])])
    assert source.nuclear(ALPHA, LPO, np.array([1000.0])) > 0


def test_our_own_rows_written_as_csv_are_a_source_again(tmp_path: Path) -> None:
    default = stopping_source()
    rows = stopping_rows(default, ALPHA, LPO, np.geomspace(1.0, 5000.0, 200))
    rows += stopping_rows(default, TRITON, LPO, np.geomspace(1.0, 5000.0, 200))
    lines = [",".join(rows[0])] + [",".join(str(value) for value in row.values()) for row in rows]
    source = stopping_source(f"csv:{write(tmp_path, 'mine.csv', chr(10).join(lines))}")
    at = np.array([3.0, 500.0, 2055.0])
    for particle in (ALPHA, TRITON):
        assert total(source, particle, LPO, at) == pytest.approx(
            total(default, particle, LPO, at), rel=1e-4
        )


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("100, 900, 15", "100, 9oo, 15", WrongFormat, "line 6, column electronic"),
        ("100, 900, 15", "100, 900", WrongFormat, "line 6"),
        ("100, 900, 15", "5, 900, 15", WrongFormat, "do not rise"),
        ("100, 900, 15", "100, -900, 15", OutOfRange, "not a positive number"),
        ("100, 900, 15", "100, nan, 15", OutOfRange, "not a positive number"),
        ("energy_keV", "energy", WrongUnit, "energy_keV or energy_MeV"),
        ("electronic_MeV_cm2_per_g", "electronic", WrongUnit, "no unit"),
        ("electronic_MeV_cm2_per_g", "electronic_keV_per_um", WrongUnit, "needs a density"),
        ("electronic_MeV_cm2_per_g", "slowing_down", WrongFormat, "no column of electronic"),
        ("projectile: alpha", "projectile: ufo", BadInput, "no particle is called 'ufo'"),
        ("material: Li3PO4", "material: ?Li", BadInput, "not a chemical formula"),
        ("# material: Li3PO4\n", "", BadInput, "the material is not named"),
        (CSV_TEXT[CSV_TEXT.index("1, 100") :], "", Truncated, "no stopping powers"),
        (CSV_TEXT[CSV_TEXT.index("100, 900") :], "", Truncated, "only 2"),
    ],
)
def test_a_bad_csv_is_refused_with_its_name_and_place(
    tmp_path: Path, old: str, new: str, error: type[BadInput], message: str
) -> None:
    text = CSV_TEXT.replace(old, new)
    assert text != CSV_TEXT
    path = write(tmp_path, "lpo.csv", text)
    with pytest.raises(error, match=message) as caught:
        stopping_source(f"csv:{path}")
    assert "lpo.csv" in str(caught.value)


def test_a_binary_an_absent_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "x.csv"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(WrongFormat, match="not text"):
        stopping_source(f"csv:{binary}")
    with pytest.raises(BadInput, match=r"gone\.csv"):
        stopping_source(f"csv:{tmp_path / 'gone.csv'}")
    with pytest.raises(Truncated, match="no stopping powers"):
        stopping_source(f"csv:{write(tmp_path, 'empty.csv', '')}")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no stopping table"):
        stopping_source(f"srim-file:{tmp_path}")


@pytest.mark.parametrize("name", ["", "icru", "geant4", "csv:", "srim-file", "ICRU 49", "csv"])
def test_an_unknown_source_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BadInput, match="icru49, lunasrim"):
        stopping_source(name)


def test_bragg_factors_on_a_file_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "lpo.csv", CSV_TEXT)
    with pytest.raises(BadInput, match="do not apply"):
        stopping_source(f"csv:{path}", bragg_factors={"Li3PO4": 1.1})


def test_without_lunasrim_its_source_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lunasrim", None)
    monkeypatch.setitem(sys.modules, "lunasrim.stopping", None)
    _sampled.cache_clear()
    with pytest.raises(BadInput, match=r"pip install lidepth\[lunasrim\]"):
        total(stopping_source("lunasrim"), ALPHA, LPO, 1000.0)


def test_an_element_beyond_uranium_is_refused() -> None:
    with pytest.raises(BadInput, match="from H to U"):
        total(stopping_source(), ALPHA, Material(formula="Pu", density_g_cm3=19.0), 1000.0)
