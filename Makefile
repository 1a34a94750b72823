# Every target says in one sentence what it does; `make` prints them. Only `make lock` needs more than git, make and python3.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes
PEERS := .cache/peers/bin/python
DATA := $(CURDIR)/.rpsd
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export NUMBA_CACHE_DIR ?= $(CURDIR)/.cache/numba

.PHONY: help
help: ## List every target with one sentence.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- use -------------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/runtime.stamp ## Create .venv from the hash-pinned runtime lock and install rpsd into it.

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "rpsd needs python 3.11 to 3.13, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime.stamp: packaging/requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) --requirement packaging/requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.PHONY: run
run: venv ## Load the bundled market data, denoise it, detect its regimes, learn from an order book, then serve on port 8000 until Ctrl-C.
	@RPSD_DATA_DIR=$${RPSD_DATA_DIR:-$(DATA)} exec $(BIN)/python -m rpsd demo

# --- build and test --------------------------------------------------------------------------------------------------

.PHONY: dev
dev: .venv/dev.stamp ## Add the hash-pinned tools of developers to .venv.

.venv/dev.stamp: packaging/requirements-dev.lock .venv/runtime.stamp
	$(PIP) --requirement packaging/requirements-dev.lock
	@touch $@

.PHONY: peers
peers: .cache/peers/peers.stamp ## Make .cache/peers: the developers' tools with scikit-image, statsmodels and jumpmodels, which only measurements import.

# Apart from .venv, so that rpsd cannot come to lean on a peer; rpsd itself is installed there too.
.cache/peers/peers.stamp: packaging/requirements-peers.lock pyproject.toml | .venv/bin/python
	rm -rf .cache/peers
	$(BIN)/python -m venv .cache/peers
	$(PEERS) -m pip install --disable-pip-version-check --require-hashes --requirement packaging/requirements-peers.lock
	$(PEERS) -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.PHONY: check
check: dev ## Run the checks that need no test: format, lint, types, layers, secrets, size budget.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/scan_secrets.py
	$(BIN)/python scripts/measure.py

.PHONY: kernels
kernels: dev ## Compile the numerical kernels once, so that not every worker of pytest does (a minute when nothing is cached).
	@$(BIN)/python -c 'from rpsd.kernels import jit; jit.warm()'

.PHONY: test
test: dev ## Run the checks and the fast test families, with at least 85 % of the lines covered.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check kernels
	$(BIN)/python -m pytest -n 2 --cov --cov-report= --cov-fail-under=85

# A family runs when it has files; otherwise the target says so and nothing is claimed.
define family
@if compgen -G "tests/$(1)/test_*.py" > /dev/null; then exec $(BIN)/python -m pytest tests/$(1) $(2); \
else echo "tests/$(1) holds no tests yet: nothing was run, nothing is shown."; fi
endef

.PHONY: test-fault
test-fault: dev ## Kill and break the service on purpose, each promise with its failing control (minutes).
	$(call family,fault,-m fault)

.PHONY: fuzz
fuzz: dev .cache/fuzz/fuzz.stamp ## Send a million spoilt requests to a server and judge every answer, then look for input that breaks a parser (REQUESTS=1000000 SECONDS=60 a parser).
	$(BIN)/python -m tests.fault.fuzz.run --requests $(or $(REQUESTS),1000000) --servers 2 --report tests/fault/fuzz/report.txt
	RPSD_SCHEMA_EXAMPLES=60 $(BIN)/python -m pytest tests/contract/test_schemathesis.py
	.cache/fuzz/bin/python -m tests.fault.fuzz.targets --seconds $(or $(SECONDS),60)

.cache/fuzz/fuzz.stamp: packaging/requirements-fuzz.lock pyproject.toml | .venv/bin/python
	rm -rf .cache/fuzz
	$(BIN)/python -m venv .cache/fuzz
	.cache/fuzz/bin/python -m pip install --disable-pip-version-check --require-hashes --requirement packaging/requirements-fuzz.lock
	.cache/fuzz/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.PHONY: test-system
test-system: dev deb tarball ## Install the package on a booted systemd and put it through restarts, upgrades and losses (root and Debian's systemd-container needed).
	$(call family,system,-m system)

.PHONY: test-mlflow
test-mlflow: dev .cache/mlflow/mlflow.stamp ## Open an exported experiment with MLflow's own client, in an environment of its own.
	$(BIN)/python -m pytest tests/mlflow

.cache/mlflow/mlflow.stamp: packaging/requirements-mlflow.lock | .venv/bin/python
	rm -rf .cache/mlflow
	$(BIN)/python -m venv .cache/mlflow
	.cache/mlflow/bin/python -m pip install --disable-pip-version-check --require-hashes --requirement packaging/requirements-mlflow.lock
	@touch $@

.PHONY: test-browser
test-browser: dev ## Look at the console with a real browser (chromium needed).
	$(call family,browser,-m browser)

.PHONY: bench
bench: dev peers ## Measure the figures of README and manual and write tests/bench/report.txt.
	$(BIN)/python -m tests.bench.report

.PHONY: quality
quality: quality-denoise quality-regimes quality-book quality-drift quality-retraining ## Measure how good the numbers are against references and baselines, and how often guardrails refuse the truth.
	$(PEERS) -m pytest tests/quality
	$(PEERS) -m scripts.calibrate_guardrails

.PHONY: quality-denoise
quality-denoise: peers ## Measure the denoisers against peers and write their chapter of the manual (SEEDS=50, about fifteen minutes).
	OMP_NUM_THREADS=1 $(PEERS) -m tests.quality.denoise_table --seeds $(or $(SEEDS),50)

.PHONY: quality-regimes
quality-regimes: peers ## Measure the regime models against truth and peers and write their chapter of the manual (SEEDS=20, about fifteen minutes).
	OMP_NUM_THREADS=1 $(PEERS) -m tests.quality.regimes --seeds $(or $(SEEDS),20)

.PHONY: quality-book
quality-book: peers ## Measure features, models, validator and backtest of order books and write their chapter of the manual (about ten minutes).
	OMP_NUM_THREADS=1 $(PEERS) -m tests.quality.books

.PHONY: quality-retraining
quality-retraining: dev ## Live a simulated year of retraining with planted trouble and write its chapter of the manual (some minutes).
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.quality.retraining

.PHONY: quality-drift
quality-drift: peers ## Measure how often a drift scan cries without drift and what it sees, and write its chapter of the manual (SCANS=1000, about ten minutes).
	OMP_NUM_THREADS=1 $(PEERS) -m tests.quality.drift --scans $(or $(SCANS),1000)

.PHONY: test-all
test-all: test test-fault check-deb test-system test-mlflow test-browser quality ## Run every test family, one after another.

# --- packages --------------------------------------------------------------------------------------------------------

.PHONY: deb
deb: ## Build the Debian package for this distribution's python3 into .cache/deb, with SBOM and checksums (VERSION=1.2.3 builds another number).
	/usr/bin/python3 -m scripts.build.deb $(if $(VERSION),--version $(VERSION))

.PHONY: check-deb
check-deb: deb ## Judge the Debian package: lintian finds no error, and a second build elsewhere gives the same bytes (minutes; Debian's lintian needed).
	/usr/bin/python3 -m scripts.build.judge

.PHONY: tarball
tarball: ## Build the tarball with its install.sh for other distributions into .cache/deb (VERSION=1.2.3 builds another number).
	/usr/bin/python3 -m scripts.build.tarball $(if $(VERSION),--version $(VERSION))

# --- files made from the code ----------------------------------------------------------------------------------------

.PHONY: format
format: dev ## Rewrite the code in the house style.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: etc
etc: venv ## Rewrite etc/config.yaml from the settings and their defaults.
	@mkdir -p etc
	$(BIN)/python -m rpsd config defaults > etc/config.yaml.new
	mv etc/config.yaml.new etc/config.yaml

.PHONY: openapi
openapi: venv ## Rewrite the stored OpenAPI schema from the routes.
	$(BIN)/python -m scripts.openapi

.PHONY: manual
manual: venv ## Rewrite the manual's chapters that are tables of the code: errors, settings, metrics, cli.
	$(BIN)/python -m scripts.manual

.PHONY: pictures
pictures: dev ## Redraw the pictures of the manual from the bundled data.
	$(BIN)/python -m scripts.pictures

.PHONY: lock
lock: ## Renew the hash-pinned locks from pyproject.toml (needs uv, installs it aside when missing).
	PYTHON=$(PYTHON) scripts/lock.sh

.PHONY: clean
clean: ## Remove .venv and all caches; data under .rpsd stay.
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks .coverage .coverage.*
	find rpsd tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
