# `make` runs what CI runs; each target uses the environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest

.PHONY: all install format lint types layers test test-oldest test-openai2 \
	collector test-collector bench clean

all: lint types layers test

install: $(BIN)/pytest
$(BIN)/pytest:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -e '.[dev]'

format: install
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

test: install
	$(PYTEST) -n auto

# The oldest OpenTelemetry that is supported.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet -e '.[dev]' -c tests/oldest.txt
	.venv-oldest/bin/pytest -n auto tests/capture tests/loop -k 'not trajectories and not corpus'

# litellm and OpenAI Agents hold the openai SDK at version 2: an environment of their own.
test-openai2:
	$(PYTHON) -m venv .venv-openai2
	.venv-openai2/bin/pip install --quiet -e '.[dev]' 'litellm>=1.100' 'openai-agents>=0.20' 'openai<3'
	.venv-openai2/bin/pytest tests/loop/sdks -k 'litellm or openai_agents'

# A Collector, built from its modules (needs Go), and the runs that go through it.
collector: .collector/otelcol
.collector/otelcol: collector-config/build.yaml
	go run go.opentelemetry.io/collector/cmd/builder@v0.161.0 --config $<

test-collector: install .collector/otelcol
	AGENT_REPLAY_TEST_COLLECTOR=$(CURDIR)/.collector/otelcol \
		$(PYTEST) tests/loop/test_collector.py

# Benchmarks that take minutes; AGENT_REPLAY_CORPUS names what they run on.
bench:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet -e '.[clickhouse-server]' -r benchmarks/requirements-store.txt
	.venv-bench/bin/python benchmarks/redaction.py
	.venv-bench/bin/python benchmarks/sustained.py
	.venv-bench/bin/python benchmarks/store.py

clean:
	rm -rf .collector .venv .venv-bench .venv-oldest .venv-openai2 build dist
