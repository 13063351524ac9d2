# make run: everything from nothing to the open app. make test: everything CI runs. make check: the quick part of it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
APP := $(VENV)/.app-installed
DEV := $(VENV)/.dev-installed

# GCC 12 compiles llama.cpp's kernels for Intel's AMX to code that ends the process (docs/decisions/012).
export CFLAGS := $(CFLAGS) -U__AMX_INT8__
export CXXFLAGS := $(CXXFLAGS) -U__AMX_INT8__

.PHONY: run setup test check format prepare screenshots clean

run: setup
	$(BIN)/python -m localrag serve --open

setup: $(APP)
	@$(BIN)/python -m localrag setup

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"LocalRAG needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}. Name another one: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(APP): $(BIN)/python requirements.txt constraints.txt
	@echo "Installing LocalRAG's packages. The first time llama.cpp is compiled, which takes several minutes."
	$(PIP) install -r requirements.txt -c constraints.txt
	@touch $@

$(DEV): $(APP) requirements-dev.txt
	$(PIP) install -r requirements-dev.txt -c constraints.txt
	@touch $@

prepare: $(DEV)
	$(BIN)/python -m tests.tools.prepare

test: prepare check
	$(BIN)/python -m pytest tests/integration tests/browser

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

screenshots: prepare
	LOCALRAG_TEST_SCREENSHOTS=docs/screenshots $(BIN)/python -m pytest -q tests/browser/test_looks.py
