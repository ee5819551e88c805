# One command each, from a fresh clone. Everything is installed into .venv, from locked and hashed requirements.
# PYTHON=python3.12 make test  chooses the interpreter.

BIN := .venv/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-emit-index-url $(if $(UPGRADE),--upgrade)
MAKEFLAGS += --no-print-directory
export PYTHON
# Like pip, uv trusts what this machine trusts.
export UV_SYSTEM_CERTS ?= true
# Where it is set, every interpreter compiles all that it imports anew, and the tests start a hundred of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint e2e check chaos mutants bench format lock clean

help:
	@echo "make demo    the plugin at work against a pretend Kustomer (no account needed)"
	@echo "make test    style, types, layers and tests"
	@echo "make e2e     the same on a real Rasa server and in a browser"
	@echo "make check   the deployment checklist against the account in .env"
	@echo "make chaos   kills, outages, lost answers and backlogs, with their figures (ARGS=--short: some minutes)"
	@echo "make mutants break each rule in a copy, and show that a test notices (ARGS=leases: one module of tests/mutants)"
	@echo "make bench   speed and memory"
	@echo "make format  fix style; make lock  refresh requirements/ (UPGRADE=1: newer versions); make clean"

.venv/.ready-runtime: requirements/runtime.txt requirements/build.txt pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh runtime

.venv/.ready-dev: requirements/dev.txt pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh dev

.venv/.ready-e2e: requirements/e2e.txt scripts/setup.sh .venv/.ready-dev
	@sh scripts/setup.sh e2e

setup: .venv/.ready-dev
	@echo "Ready. Next: make test, or . .venv/bin/activate and rasa-kustomer --help"

demo: .venv/.ready-runtime
	@$(BIN)/rasa-kustomer demo $(ARGS)
	@echo "Next: README.md, 'Put it into your own bot'; or make demo ARGS=--stay to look around on the desk page"

lint: .venv/.ready-dev
	@echo "Checking style (ruff), types (mypy) and layers (import-linter) ..."
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Not formatted: make format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo > .venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }

test: lint
	@echo "Running the tests (the first time also builds an environment per supported Python) ..."
	@$(BIN)/pytest -m "not e2e" --ignore=tests/e2e -n auto --dist loadgroup $(ARGS)
	@echo "Next: make e2e (real Rasa server and browser), make demo"

e2e: .venv/.ready-e2e
	@echo "Running against a real Rasa server (the first time builds its environment, about 2.5 GB) ..."
	@$(BIN)/pytest -m e2e $(ARGS)
	@echo "Next: make demo, make bench"

check: .venv/.ready-runtime
	@$(BIN)/rasa-kustomer check $(ARGS)

chaos: .venv/.ready-dev
	@PYTHONPATH=benchmarks $(BIN)/python -m tests.chaos.run $(ARGS)
	@echo "Next: make e2e"

mutants: .venv/.ready-dev
	@$(BIN)/python -m tests.mutants.run $(ARGS)
	@echo "Next: make test"

bench: .venv/.ready-dev
	@$(BIN)/python benchmarks/run.py $(ARGS)
	@echo "Next: put changed figures into the docs; make test"

format: .venv/.ready-dev
	@$(BIN)/ruff check --quiet --fix; $(BIN)/ruff format --quiet
	@echo "Formatted. Next: make test"

lock: .venv/.ready-dev
	@echo "Resolving ..."
	@$(LOCK) pyproject.toml -o requirements/runtime.txt
	@$(LOCK) --group build -c requirements/runtime.txt -o requirements/build.txt
	@$(LOCK) pyproject.toml --extra postgres -c requirements/runtime.txt -o requirements/postgres.txt
	@$(LOCK) pyproject.toml --extra postgres --extra events --extra privacy --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt
	@$(LOCK) --group e2e -c requirements/dev.txt -o requirements/e2e.txt
	@$(LOCK) pyproject.toml -c requirements/rasa-sdk-3.6.in -o requirements/rasa-sdk-3.6.txt
	@echo "Locked. Next: git diff --stat requirements, make test"

clean:
	@rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Removed .venv and caches; .env and .kustomer/ are kept. Next: make test"
