# Every target makes the environment it needs. Only Python 3.11+, git and make are expected.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamps

.PHONY: help demo test lint fix types bench clients serve lock clean
help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

demo: $(STAMP)/base  ## the whole circle on a recorded product, offline, in about a minute
	@$(BIN)/freehold demo

# The tests start hundreds of processes: what Python has compiled is kept, even where the environment says otherwise.
test: $(STAMP)/dev   ## every test, in parallel
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist worksteal

lint: $(STAMP)/dev   ## style, format, types, and the arrows between packages
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/pyright
	@$(BIN)/lint-imports

fix: $(STAMP)/dev    ## mend what can be mended by machine
	@$(BIN)/ruff check --fix src tests benchmarks
	@$(BIN)/ruff format src tests benchmarks

bench: $(STAMP)/dev  ## every benchmark; each prints a ratio against a reference and exits 1 where a figure is missed
	@$(BIN)/python -m benchmarks

clients: $(STAMP)/dev ## other people's clients against the gateway, each in its own environment; rewrites docs/compatibility.md
	@$(BIN)/python -m tests.clients

serve: $(STAMP)/base ## the gateway on port 8080
	@$(BIN)/freehold up

lock: $(STAMP)/dev   ## rewrite the hash-locked requirements
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group build pyproject.toml -o requirements/base.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group build --group dev --extra bedrock --extra otel --extra s3 --extra zstd --extra pdf --extra postgres pyproject.toml -o requirements/dev.txt

clean:           ## forget the environment and what runs have left
	@rm -rf $(VENV) .venv-clients .freehold .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Freehold needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

# Nothing is downloaded twice: a stamp is renewed only when its lock file or the package's own description changes.
$(STAMP)/base: requirements/base.txt pyproject.toml | $(BIN)/python
	@echo "Installing the locked requirements (once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/base.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m compileall -q src  # as pip does with all but a checkout
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing the locked requirements for development (once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m compileall -q src  # as pip does with all but a checkout
	@mkdir -p $(STAMP) && touch $@ $(STAMP)/base
