# Concord's commands. `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
SEED ?= 0
SERVE ?= 1
PORT ?= 8000
# A worker for each core; one that is idle takes tests from another.
PYTEST_ARGS ?= -q -n logical --maxprocesses 8 --dist worksteal
PYTEST_MORE ?=
OPERATIONS ?= 100000
# Where `make hammer` and the benchmarks make databases of their own, which they drop again.
DATABASE := $(or $(DATABASE_URL),postgres://postgres@127.0.0.1:5432/postgres)
# Tests have a folder of their own, so that they never touch what the app in var/ holds.
TEST_VAR := $(CURDIR)/var/test
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1
# Compiled modules are kept, or each of the many processes that tests and demo start compiles ours again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: messages install install-test install-check demo serve worker test test-browser hammer bench-queue bench-judges bench-agreement bench-watching bench-methods bench-gpu check fmt clean

install: .venv/.installed
install-test: .venv/.installed-test
install-check: .venv/.installed-check

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Error: Python 3.11 or later is needed. Name one: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv || { echo "Error: no virtual environment could be made. On Debian: apt install python3-venv" >&2; exit 1; }

# torch goes first and exactly: anything that pulls it in as a range brings gigabytes of CUDA wheels along. What is
# imported is compiled then; of all that comes along most never is.
comma := ,
define install
	$(BIN)/pip install -q --no-compile torch==2.13.0
	$(BIN)/pip install -q --no-compile -e '.[$(1)]'
endef

.venv/.installed: .venv/bin/python pyproject.toml
	$(call install,train)
	@touch $@

.venv/.installed-test: .venv/bin/python pyproject.toml
	$(call install,train$(comma)test)
	@touch .venv/.installed $@

.venv/.installed-check: .venv/bin/python pyproject.toml
	$(call install,train$(comma)test$(comma)check)
	@touch .venv/.installed .venv/.installed-test $@

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
	CONCORD_VAR=$(TEST_VAR) $(BIN)/pytest -m "not browser" $(PYTEST_ARGS) $(PYTEST_MORE)

test-browser: install-test
	CONCORD_VAR=$(TEST_VAR) $(BIN)/pytest tests/browser $(PYTEST_ARGS) $(PYTEST_MORE)

# Many annotators at once, some of them killed; it prints what they did and fails on any broken invariant.
hammer: install-test
	CONCORD_VAR=$(TEST_VAR) DATABASE_URL=$(DATABASE) HAMMER_OPERATIONS=$(OPERATIONS) $(BIN)/pytest -q tests/feedback/test_hammer.py

bench-queue: install-test
	DATABASE_URL=$(DATABASE) $(BIN)/python -m tests.bench.queue

bench-judges: install-test
	$(BIN)/python -m tests.bench.judges

bench-watching: install-test
	$(BIN)/python -m tests.bench.watching

bench-agreement: install-test
	DATABASE_URL=$(DATABASE) $(BIN)/python -m tests.bench.agreement

bench-methods: install-test
	$(BIN)/python -m tests.bench.methods

# Without a GPU it runs small on the CPU, and says that the figures are missing.
bench-gpu: install-test
	$(BIN)/python -m tests.bench.gpu.methods

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

# The interface's strings into the catalogues, and the catalogues into what the pages read; needs GNU gettext.
messages: install
	$(BIN)/python manage.py makemessages --locale fr --no-location --no-wrap -i .venv -i var -i tests -i build
	$(BIN)/python manage.py compilemessages --verbosity 0 --ignore .venv
