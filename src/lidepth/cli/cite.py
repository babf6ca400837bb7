"""``lidepth cite``: whom to cite."""

from __future__ import annotations

import typer

from lidepth import __version__

HELP = """
Print how to cite the method and this software, as text and as BibTeX.

\b
Example:
  lidepth cite >> references.bib

Exit codes: 0 done, 2 wrong call.
"""

TEXT = f"""\
% The method:
%   C. Chen, J. F. M. Oudenhoven, D. L. Danilov, E. Vezhlev, L. Gao, N. Li, F. M. Mulder,
%   R.-A. Eichel, P. H. L. Notten, Origin of Degradation in Si-Based All-Solid-State
%   Li-Ion Microbatteries, Adv. Energy Mater. 8 (2018) 1801430.
% The software:
%   The lidepth developers, lidepth {__version__} (2026), BSD-3-Clause.
% The stopping powers, unless another source was chosen:
%   ICRU Report 49 (1993).

@article{{chen2018,
  author  = {{Chen, C. and Oudenhoven, J. F. M. and Danilov, D. L. and Vezhlev, E. and Gao, L.
             and Li, N. and Mulder, F. M. and Eichel, R.-A. and Notten, P. H. L.}},
  title   = {{Origin of Degradation in {{Si}}-Based All-Solid-State {{Li}}-Ion Microbatteries}},
  journal = {{Advanced Energy Materials}},
  volume  = {{8}},
  year    = {{2018}},
  pages   = {{1801430}},
}}

@software{{lidepth,
  author  = {{{{The lidepth developers}}}},
  title   = {{lidepth: neutron depth profiling of batteries}},
  version = {{{__version__}}},
  year    = {{2026}},
}}
"""


def cite_verb() -> None:
    """Print the citations."""
    typer.echo(TEXT, nl=False)
