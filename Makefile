# Nothing is needed beforehand but Python 3.11 or newer with pip and venv.
#
#   make demo               the demo slide from picture to QuPath; SLIDE=path takes yours
#   make test               all checks and tests
#   make check              format, lint, types, import contracts, docstrings, workflow
#   make bench              the speed figures of docs/performance.md
#
#   GPU=1 make demo         with PyPI's CUDA build of torch

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
CORES ?= all
SLIDE ?=
PIP := $(BIN)/pip --disable-pip-version-check --quiet
CONSTRAINTS := envs/constraints.txt
TORCH := $(shell grep '^torch==' $(CONSTRAINTS))
CPU_WHEELS := https://download.pytorch.org/whl/cpu

.PHONY: demo test check bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/snakemake --cores $(CORES) --quiet rules \
	    $(if $(SLIDE),--config slides='$(SLIDE)')

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/house.py
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .venv results demo .snakemake

# The CPU build of torch spares gigabytes of CUDA; without that index any build will do.
$(VENV)/torch.stamp: $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	@if [ -z "$(GPU)" ] && $(PYTHON) -c "import urllib.request as u; \
	    u.urlopen('$(CPU_WHEELS)/torch/', timeout=3)" 2>/dev/null; \
	then $(PIP) install --index-url $(CPU_WHEELS) '$(TORCH)' || true; fi
	$(PIP) install -c $(CONSTRAINTS) '$(TORCH)'
	@touch $@

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	$(PIP) install -c $(CONSTRAINTS) -e '.[workflow]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	$(PIP) install -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@
