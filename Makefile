# Every step of CI is a target here. `make` alone lists them.
# Nothing is needed beforehand but Python >= 3.11: the first target that needs it makes .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Each process of the tests has its own PostgreSQL, MLflow server and Dask workers, and now and then
# waits for them: few are enough, and two cores can do with three.
PARALLEL := -n 3 --dist worksteal

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "orchestrator needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[boosters,demo,dev,postgres,samplers]'
	@touch $@

.PHONY: install
install: $(READY)  ## make .venv with everything in it

.PHONY: demo
demo: $(READY)  ## train a model per route on real flights, change the registry, train again
	$(BIN)/python -m experiments.demo

.PHONY: ui
ui: $(READY)  ## look at the runs in MLflow's web page
	$(BIN)/orchestrator ui --config configs/flights.yaml

.PHONY: lint
lint: $(READY)  ## ruff: style, mistakes, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)  ## mypy, strict
	$(BIN)/mypy

.PHONY: arch
arch: $(READY)  ## import-linter: rooms import downwards only
	$(BIN)/lint-imports

.PHONY: test
test: $(READY)  ## the test suite without the long forms
	$(BIN)/pytest $(PARALLEL)

# A test at full size is marked `long`; `make test` runs the same test at a small size. Run one alone
# with: pytest -m long tests/mapping/test_laws.py. Run these after a change to the engine of mapped
# tasks or to reading configurations, and before a release.
.PHONY: long
long: $(READY)  ## the long forms: fuzzing and random flows at full size
	$(BIN)/pytest $(PARALLEL) -m long

.PHONY: flaky
flaky: $(READY)  ## every test five times in random order beside four busy processes; hours
	$(BIN)/python -m tests.flaky $(TESTS)

.PHONY: chaos
chaos: $(READY)  ## every fault many times, each injected at random moments; over an hour
	$(BIN)/python -m tests.chaos

.PHONY: cover
cover: $(READY)  ## the test suite with branch coverage
	$(BIN)/pytest $(PARALLEL) --cov --cov-report=term-missing:skip-covered

.PHONY: bench
bench: $(READY)  ## the benchmarks; writes build/bench.json
	$(BIN)/python -m bench

.PHONY: bench-compare
bench-compare: $(READY)  ## what a change did to the job: make bench-compare BASE=<git revision>
	$(BIN)/python -m bench._compare $(BASE)

.PHONY: docs
docs: $(READY)  ## write docs/configuration.md and its schema from the settings
	$(BIN)/orchestrator config schema > docs/configuration.schema.json
	$(BIN)/orchestrator config docs > docs/configuration.md

.PHONY: all
all: lint types arch test  ## what CI runs

.PHONY: clean
clean:  ## remove build output and caches; what runs have recorded stays
	rm -rf build .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage

.PHONY: clean-demo
clean-demo:  ## forget all that the demo trained and recorded (asks nothing)
	rm -rf state/flights
