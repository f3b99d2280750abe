# Each target sets up what it needs: Debian's packages (only those that are missing) and a virtual environment from
# requirements.lock. `make demo` on a fresh Debian 13 machine is one command.

SHELL := /bin/bash
PYTHON := .venv/bin/python
TESTS ?= tests

.PHONY: help setup venv demo test unit soundness chaos lint format bench docs lock clean

help:  ## say what each target does
	@sed -nE 's/^([a-z]+):[^#]*## *(.*)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup:  ## everything that wherry and its tests need
	@tools/setup.sh run test

venv:
	@tools/setup.sh

demo:  ## build the lesson's app, run it, ask it for a prediction
	@tools/setup.sh run
	@$(PYTHON) tools/demo.py

test: setup  ## unit, contract and integration tests (TESTS=tests/unit for some)
	$(PYTHON) -m pytest $(TESTS)

unit: venv  ## the tests that need no root, no network and no programs
	$(PYTHON) -m pytest tests/unit tests/test_architecture.py

soundness: setup  ## compare builds with the cache to builds without (N=10000 cases, SEED=1 the first world)
	@$(PYTHON) -m tests.soundness --cases $(or $(N),1000) --seed $(or $(SEED),1) $(SOUNDNESS_FLAGS)

chaos: setup  ## kill -9 at random moments of random commands (N=1000, SEED=1); CLIENTS=16 SECONDS=300: a crowd instead
	@$(PYTHON) -m tests.chaos --acts $(or $(N),1000) --seed $(or $(SEED),1) --clients $(or $(CLIENTS),0) --seconds $(or $(SECONDS),300)

lint: venv  ## ruff, mypy --strict and the architecture test
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -q tests/test_architecture.py

format: venv  ## let ruff write the code's layout
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench:  ## wherry beside docker, one row per workload (ROWS=run,noop for some)
	@tools/setup.sh run bench
	@$(PYTHON) -m bench --rows "$(ROWS)"

docs: venv  ## write docs/cli.md, the index of decisions and the list of differences anew
	$(PYTHON) tools/cli_reference.py
	$(PYTHON) -m tools.coverage
	$(PYTHON) tools/adr_index.py
	$(PYTHON) tools/differences.py
	$(PYTHON) -m tools.lint_index

lock:  ## resolve the dependencies anew, for every Python from 3.11 on, with hashes
	@tools/lock.sh

clean:  ## remove what the other targets made here (images and containers stay: wherry system prune)
	rm -rf .venv .setup-stamp .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist bench.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
