# Concord's commands. `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
SEED ?= 0
SERVE ?= 1
PORT ?= 8000
PYTEST_ARGS ?=
# Tests have a folder of their own, so that they never touch what the app in var/ holds.
TEST_VAR := $(CURDIR)/var/test
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: install install-test install-check demo serve worker test test-browser check fmt clean

install: .venv/.installed
install-test: .venv/.installed-test
install-check: .venv/.installed-check

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Error: Python 3.11 or later is needed. Name one: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv || { echo "Error: no virtual environment could be made. On Debian: apt install python3-venv" >&2; exit 1; }

# torch goes first and exactly: anything that pulls it in as a range brings gigabytes of CUDA wheels along.
.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -e '.[train]'
	@touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/pip install -q -e '.[train,test]'
	@touch $@

.venv/.installed-check: .venv/.installed-test
	$(BIN)/pip install -q -e '.[train,test,check]'
	@touch $@

demo: install
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py demo --seed $(SEED) $(if $(filter-out 0,$(SERVE)),--serve $(PORT))

serve: install
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py serve --port $(PORT)

worker: install
	@$(BIN)/python manage.py serve --workers-only

# The browser tests have a target of their own: they need Chromium.
test: install-test
	CONCORD_VAR=$(TEST_VAR) $(BIN)/pytest -m "not browser" $(PYTEST_ARGS)

test-browser: install-test
	CONCORD_VAR=$(TEST_VAR) $(BIN)/pytest -m browser $(PYTEST_ARGS)

check: install-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint --quiet .
	$(BIN)/python manage.py makemigrations --check --dry-run

fmt: install-check
	$(BIN)/ruff check --fix -q .
	$(BIN)/ruff format -q .
	$(BIN)/djlint --reformat --quiet . || true

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
