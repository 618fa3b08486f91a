# `make run` makes a dataset from the bundled sample; `make test` runs everything CI runs. Both set up .venv first.
# They need Python 3.11 or newer with pip and venv, and nothing else. Another Python: make PYTHON=python3.13 run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CORE := $(VENV)/.core
DEV := $(VENV)/.dev

.PHONY: run setup test lint style types layers kernels bytecode soak lock clean

run: $(CORE)  ## the main job, offline: a verified dataset from the bundled sample
	$(BIN)/phase0 run plans/quickstart.toml

setup: $(CORE)  ## .venv with phase0 in it

$(CORE): requirements/core.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"phase0 needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Try make PYTHON=python3.13")'
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/core.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

$(DEV): $(CORE) requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	touch $@

lint: style types layers

style: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

layers: $(DEV)
	$(BIN)/lint-imports

kernels: $(DEV)  ## compiled ahead, or every process of the tests would compile its own at the same time
	$(BIN)/python -m phase0.dedup.kernels

bytecode: $(DEV)  ## kept also where Python is told to keep none, or every process would compile what it imports
	$(BIN)/python -m compileall -q src
	-env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --collect-only -qq >/dev/null

test: $(DEV)  ## everything CI runs; under ten minutes on two cores, with three processes, for many tests wait
	$(MAKE) --no-print-directory --jobs=2 types kernels style layers bytecode
	$(BIN)/pytest -n 3 --dist loadgroup -m "not soak"

soak: $(DEV)  ## the long checks, with their counts printed
	$(BIN)/pytest -m soak -s --timeout 7200

lock: $(DEV)  ## write the lock files anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml requirements/build.in -o requirements/core.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 -c requirements/core.txt \
		--group dev -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
