# Needs Python 3.11 or newer with pip and venv, and nothing else.
#
#   make demo               analyse the demo slide; SLIDE=path analyses yours
#   make test               run all checks and tests
#   make check              check format, lint, types, imports, docstrings and the workflow
#   make fuzz               damage inputs for SECONDS=3600 with SEED=1, or repeat one CASE of a seed
#   make kill               kill every verb at many moments, run it again and compare
#   make bench              measure the figures of docs/performance.md and docs/accuracy.md
#   make clean              remove the environment; results stay
#
#   GPU=1 make clean demo   install the CUDA build of torch; CORES=4 leaves other cores free

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
SLIDE ?=
SECONDS ?= 3600
SEED ?= 1
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := envs/constraints.txt
TORCH := $(shell grep '^torch==' $(CONSTRAINTS))
CPU_WHEELS := https://download.pytorch.org/whl/cpu

.PHONY: demo test check fuzz kill bench clean

# The shell reads SLIDE from the environment, where blanks and quotes in a path do no harm.
demo: $(VENV)/demo.stamp
	@$(BIN)/snakemake --cores $(CORES) --logger rich $${SLIDE:+--config "slides=$$SLIDE"}

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 2 -q

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/house.py
	$(BIN)/snakefmt --check Snakefile nucwsi/Snakefile workflow
	$(BIN)/snakemake --lint

fuzz: $(VENV)/dev.stamp
	PYTHONPATH=tests $(BIN)/python -m fuzz --seed $(SEED) $(if $(CASE),--case $(CASE),--seconds $(SECONDS))

kill: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=tests \
	    $(BIN)/python tests/kill_matrix.py

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .venv .snakemake

# The CPU build of torch saves gigabytes of CUDA, but has an index of its own. Where pip is
# configured to look elsewhere, or that index cannot be reached, any build will do.
$(VENV)/torch.stamp: $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	    "nucwsi needs Python 3.11 or newer; name one: make demo PYTHON=/path/to/python")'
	@echo "Installing nucwsi into $(VENV); this takes some minutes, once"
	@$(PYTHON) -m venv $(VENV)
	@if [ -z "$(GPU)" ] && ! $(PIP) config list | grep -qE 'index-url|find-links'; then \
	    $(PIP) install --no-deps --retries 2 --index-url $(CPU_WHEELS) '$(TORCH)' 2> /dev/null \
	    || echo "$(CPU_WHEELS) gives no torch; taking it from pip's default index"; fi
	@$(PIP) install -c $(CONSTRAINTS) '$(TORCH)'
	@touch $@

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	@$(PIP) install -c $(CONSTRAINTS) -e '.[workflow]'
	@touch $@

# Dependency groups (PEP 735) need pip 25.1; Python 3.11 comes with an older one.
$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	@$(PIP) install -c $(CONSTRAINTS) pip
	@$(PIP) install -c $(CONSTRAINTS) -e '.[slurm]' --group dev
	@touch $@
