# Every target installs what it needs into .venv; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Files of tests that run at a time: most wait, so it may be more than there are processors.
WORKERS ?= 3
# A start reads bytecode, as in production; a shell without it would have each start compile anew.
unexport PYTHONDONTWRITEBYTECODE
COMPILE := $(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-header \
  --python-version 3.11 --python-platform x86_64-manylinux_2_28
BROWSER := chromium-headless-shell fonts-wqy-zenhei fonts-noto-core
# With what Python builds packages from source: the compiler, and where Python.h has to be.
COMPILER := $(PYTHON) -c 'import os, sysconfig as s; \
  print(os.environ.get("CC") or s.get_config_var("CC"), "-I" + s.get_path("include"))'

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

.PHONY: run
run: .venv/ready ## set up, then send sample page changes through the whole pipeline and show each
	@$(BIN)/python -m sinks.local run

.PHONY: up
up: .venv/ready ## leave the whole pipeline running on its ports until Ctrl-C; PREDICTOR_URL: with those predictors
	@$(BIN)/python -m sinks.local up

.PHONY: test
test: .venv/ready ## unit and contract tests, WORKERS files at a time, those that measure alone; loopback only
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	@$(BIN)/python -m pytest -m alone

.PHONY: interop
interop: .venv/ready ## other CloudEvents SDKs read what we write, foreign sinks are probed; installs them
	@$(BIN)/python -m pytest tests/interop tests/foreign

.PHONY: image
image: .venv/ready ## build the real image without a registry (Debian, root), and prove it
	@$(BIN)/python -m tests.image.build && $(BIN)/python -m pytest tests/image

.PHONY: soak
soak: .venv/ready ## faults everywhere for two minutes and more, nothing lost; SOAK_EVENTS, SOAK_SEED (Debian, root)
	@$(BIN)/python -m tests.soak
	@status=0; $(BIN)/python -m tests.soak --mutant || status=$$?; [[ $$status == 1 ]]

.PHONY: e2e
e2e: .venv/ready ## Knative's real control and data plane with the manifests applied; builds it once (Debian, root)
	@$(BIN)/python -m tests.e2e

.PHONY: monitoring
monitoring: .venv/ready ## a real Prometheus on the whole pipeline, alert rules and dashboard included; installs it (Debian)
	@$(BIN)/python -m pytest tests/monitoring

.PHONY: browser
browser: .venv/ready ## the console's page in a real Chromium, with fonts for every script; installs them (Debian, root)
	@dpkg-query -W $(BROWSER) >/dev/null 2>&1 || { apt-get update -q && \
	  apt-get install -qy --no-install-recommends $(BROWSER); }
	@$(BIN)/python -m pytest tests/browser

.PHONY: bench
bench: .venv/ready ## CPU per event beside a bare callable and a naive app, and a picture; BENCH="--only all" for more
	@$(BIN)/python -m tests.bench $(BENCH)

.PHONY: lint
lint: .venv/ready ## ruff (rules and format) and hadolint
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/hadolint Dockerfile

.PHONY: format
format: .venv/ready ## let ruff mend what it can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

.PHONY: type
type: .venv/ready ## mypy, strict
	$(BIN)/mypy

.PHONY: check
check: lint type test ## what has to pass before a commit

.PHONY: streams
streams: .venv/ready ## regenerate what the table of models says in docs/streams.* and in manifests/
	@$(BIN)/python -m sinks streams --write

.PHONY: requirements
requirements: .venv/ready ## pin requirements*.in into requirements*.txt with hashes
	for name in requirements{,-build,-dev}; do \
	  $(COMPILE) -c requirements.txt -c requirements-build.txt $$name.in -o $$name.txt; done
	for name in tests/{go,interop,foreign}/requirements*.in; do $(COMPILE) $$name -o $${name%in}txt; done
	$(COMPILE) -c requirements.txt tests/bench/requirements.in -o tests/bench/requirements.txt

.PHONY: clean
clean: ## remove the virtual environment, caches and what runs have written
	rm -rf .venv .cache var *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/ready: .venv/packages pyproject.toml
	@$(BIN)/pip install -q --no-deps --no-build-isolation --no-index -e . && touch $@

.venv/packages: requirements-dev.txt requirements-build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python lacks venv: install the package python3-venv"; exit 1; }
	@echo '#include <Python.h>' | $$($(COMPILER)) -E - >/dev/null 2>&1 || \
	  { echo "A C compiler or Python.h is missing: install the packages gcc and python3-dev"; exit 1; }
	@echo "setting up .venv: $$(grep -c == $<) packages, most of them KServe's; 1 to 2 minutes"
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements-build.txt
	@$(BIN)/pip install --no-deps --no-build-isolation --require-hashes --progress-bar off -r $< | \
	  $(BIN)/python .ci/progress.py $<
	@touch $@
