# The dev loop. Only Python >= 3.11, make and a package index are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := libs services tests bench ops

.PHONY: setup setup-dev check lint types test soak bench demo lock clean
setup: $(VENV)/.setup
setup-dev: $(VENV)/.setup-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "treering needs Python >= 3.11; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.setup-dev: requirements-dev.lock $(VENV)/.setup
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The main job, end to end: start treering, train on the digits, show the timeline, verify the log.
demo: setup
	$(BIN)/python examples/demo.py

check: lint types
lint: setup-dev
	$(BIN)/ruff check $(SOURCES) examples
	$(BIN)/ruff format --check $(SOURCES) examples
types: setup-dev
	$(BIN)/mypy

test: setup-dev
	$(BIN)/pytest -q

# The long versions of what `make test` runs a seeded part of: hours, not minutes. One of them: make soak SOAK=tests/system/x.py
SOAK ?= tests
soak: setup-dev
	TREERING_SOAK=1 $(BIN)/pytest -q -m soak $(SOAK)

bench: setup-dev
	$(BIN)/python bench/run.py

# Lock again after a change in pyproject.toml: hashes, and no registry's name.
COMPILE := $(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate -q pyproject.toml
lock: setup
	$(COMPILE) --extra build --extra dev --extra otlp -o requirements-dev.lock
	$(COMPILE) --extra build -c requirements-dev.lock -o requirements.lock

clean:
	rm -rf $(VENV) .demo dist
