# From nothing: Python 3.11 or later, git and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps

.PHONY: help demo test lint nightly bench peers docs wheel clean

help:
	@echo "make demo     simulate the published cell, analyse it, write demo-report/report.html"
	@echo "make test     style, types, import contracts, and the everyday tests"
	@echo "make nightly  the long studies"
	@echo "make bench    the benchmarks, into docs/benchmarks.md"
	@echo "make peers    what the benchmarks compare with, into a folder of their own"
	@echo "make docs     the documentation, into docs/_build/html"
	@echo "make wheel    the package, into dist/"
	@echo "make clean    remove everything that was made, the virtual environment included"

demo: $(STAMPS)/package
	$(BIN)/lidepth demo --out demo-report

# The tests run whatever the linters say, and their summary comes last.
test: $(STAMPS)/test
	@status=0; $(MAKE) --no-print-directory lint || status=1; \
	$(BIN)/python -m pytest -n 2 -m "not nightly" || status=1; exit $$status

lint: $(STAMPS)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

nightly: $(STAMPS)/test
	$(BIN)/python -m pytest -n 2 -m nightly || test $$? -eq 5  # 5: none is marked

# Every row, some six minutes on two idle cores; make bench ONLY="rebin live" for some of them.
bench: $(STAMPS)/test
	$(BIN)/python -m benchmarks --peers $(VENV)/peers $(ONLY:%=--only %)

# What lidepth is compared with and does not depend on, in a folder that only the benchmarks look
# into: pycatima is AGPL, ndp would pull in JupyterLab.  Without them their lines say so.
peers: $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/peers --upgrade ndp==0.0.2 pycatima==1.982

docs: $(STAMPS)/docs
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build/html

wheel: $(STAMPS)/test
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) demo-report dist build docs/_build
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

# What is installed, and for which pyproject.toml.
$(STAMPS)/venv:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lidepth needs Python 3.11 or later: make PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/package: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(STAMPS)/test: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(STAMPS)/package

$(STAMPS)/docs: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@ $(STAMPS)/package
