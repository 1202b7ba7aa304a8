# Every target sets up what it needs: Python 3.11 or newer, and make, are enough to begin with.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
READY := $(VENV)/.ready
CANDIDATES := python3.13 python3.12 python3.11 python3
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))

IMAGE := agent-monitor:0.1.0
COLLECTORS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run test check parts bench accept schema dashboards up down

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 18

run: $(READY) ## start everything here, with a small simulated fleet; Ctrl-C stops it
	@$(VENV)/bin/agent-monitor dev --demo $(ARGS)

test: check parts ## the checks, then the whole suite; names what it had to leave out
	$(PY) -m pytest -n auto -m "not accept" $(ARGS)

check: $(READY) ## style, format, types and import order
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo

parts: $(READY) ## build what tests talk to and Debian has not, once, where Go, Rust and Node are
	@test -n "$$AGENT_MONITOR_TEST_INFLUX_URL" || $(PY) -m tests.tools.influxd || true
	@$(PY) -m tests.tools.telegraf || true
	@$(PY) -m tests.tools.telemetrygen || true
	@$(PY) -m tests.tools.otel_js || true
	@$(PY) -m tests.tools.grafana_types || true

accept: parts ## the long tests (faults, load, malformed input), then the bench
	$(PY) -m pytest -m accept $(ARGS)
	$(PY) -m tests.bench

bench: parts ## speed and memory, as ratios within one run
	$(PY) -m tests.bench $(ARGS)

up: ## the whole stack by Docker Compose, which is all it needs; the first time makes its secrets
	docker compose build collector
	@mkdir -p .secrets
	@docker run --rm --network none --user "$$(id -u):$$(id -g)" --volume "$(CURDIR)/.secrets:/secrets" \
	  $(IMAGE) secrets /secrets
	AGENT_MONITOR_INSTANCES=$$(($(COLLECTORS) + 2)) docker compose up --detach --wait --scale collector=$(COLLECTORS)
	@docker compose run --rm --no-deps migrate seed --first
	@docker compose run --rm --no-deps migrate sign-in

down: ## stop the stack; data and secrets stay
	docker compose down

schema: $(READY) ## write sql/schema.sql and what there is to read of it anew from the migrations
	$(PY) -m sql.dump

dashboards: $(READY) ## write the Grafana dashboards anew from their definition
	@$(VENV)/bin/agent-monitor dashboards build

# The environment: made once, brought up to date whenever what it depends on has changed.
$(READY): pyproject.toml constraints.txt
	@$(PY) -c '$(USABLE)' 2>/dev/null || { \
	  for candidate in $(CANDIDATES); do \
	    if $$candidate -c '$(USABLE)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "This needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV); \
	}
	@echo "Installing what pyproject.toml asks for (a minute or two the first time)"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@
