# localtune: everything a person or a CI runs. Each target begins with `make setup`, which makes
# .venv and does nothing while pyproject.toml and constraints.txt are as they were.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The first Python that runs and is new enough; python3.11 is the one the constraints were tested with.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
# Only the library and its Python binding: no image models.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF
# Tests run on every core, one thread each; what a test starts decides for itself. The files keep
# their order: those with few but long tests come first.
CORES := -n logical --maxprocesses 4
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: help setup demo demo-real test quick lint docs clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv with everything in it (once; about 10 minutes)

$(READY): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "localtune needs Python 3.11 or newer; none was found. Give one: make setup PYTHON=..."; \
		exit 1; fi
	@echo "Setting up $(VENV) with $(PYTHON)."
	@echo "llama-cpp-python comes as source and is compiled once: about 10 minutes on 2 cores."
	@echo "pip says 'still running' meanwhile; it keeps what it compiled for the next time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)
	@echo "$(VENV) is ready: $(BIN)/localtune --help"

demo: setup ## build a model from examples/handbook and ask it a question
	$(BIN)/localtune build examples/handbook --base tiny --out build/handbook
	$(BIN)/localtune ask build/handbook "Where is lost property kept?"

# Files or ids; what lies on the Hub is fetched after a question.
BASE ?= HuggingFaceTB/SmolLM2-135M-Instruct
TEACHER ?= Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf

demo-real: setup ## the same on a real base, with lessons by a real teacher (BASE=, TEACHER=)
	$(BIN)/python tools/demo_real.py $(BASE) $(TEACHER)

test quick: export OMP_NUM_THREADS := 1

test: setup ## run all tests
	$(BIN)/python -m pytest $(CORES) --dist loadfile --no-loadscope-reorder

quick: setup ## run the unit tests that train nothing (a minute and a half)
	$(BIN)/python -m pytest $(CORES) --dist worksteal -m "not slow" tests/unit

lint: setup ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: setup ## build the documentation site in build/site
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python tools/command_reference.py
	$(BIN)/zensical build --strict

clean: ## remove what was built and cached; .venv stays
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find localtune tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
