PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
N ?= 10000
SEED ?= 0
AXE_VERSION := 4.14.1
KAFKA := build/kafka/classes.jsa
AXE := build/ui/node_modules/axe-core/axe.min.js
# A process per core. What belongs together (tests/conftest.py) stays in one, in the order of the folders,
# so that what takes longest does not begin last.
PARALLEL := -n auto --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo \
	check test test-python test-processes test-kafka test-ops test-ui lint format \
	generated schemas dashboards rules docs alert-study screenshots \
	bench bench-scale bench-years bench-pages bench-import mutants simulate-faults golden clean

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Made anew when the pinned versions or the package's own metadata change.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "funnel-stream needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed  ## Create .venv with everything pinned

demo: install  ## Watch live KPIs: broker, worker and simulator (ARGS="--for 30s --rate 200 --http-port 6066")
	@$(BIN)/funnel-stream demo $(ARGS)

check: lint  ## What to run before a push: lint, generated files in step, the fast tests; a few minutes
	@$(BIN)/python -m pytest $(PARALLEL) -m "not kafka and not ops and not ui and not broker" \
		tests/cases tests/deploy tests/mutants tests/unit --ignore tests/deploy/test_dockerfile.py $(ARGS)

test: install  ## Run all tests that need nothing but Python (ARGS="-k journey")
	@$(BIN)/python -m pytest $(PARALLEL) -m "not kafka and not ops and not ui" $(ARGS)

test-python: install  ## Run those of them that start no broker and no worker
	@$(BIN)/python -m pytest $(PARALLEL) -m "not kafka and not ops and not ui and not broker" $(ARGS)

test-processes: install  ## Run those of them that do, one after the other
	@$(BIN)/python -m pytest -m broker tests/integration $(ARGS)

test-kafka: install $(KAFKA)  ## Run against a real Apache Kafka; needs Java, and Maven once
	@$(BIN)/python -m pytest -m kafka tests/kafka $(ARGS)

# Without them the tests are skipped, with the reason (in CI: fail).
$(KAFKA): tests/kafka/pom.xml | $(VENV)/installed
	@echo "Fetching Apache Kafka (once, 43 MB) ..."
	@rm -rf build/kafka
	@mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/build/kafka -DincludeScope=runtime \
		&& $(BIN)/python -m tests.kafka.archive \
		|| echo "Apache Kafka could not be fetched and started: are there mvn and java (Debian: maven), and a network?"

test-ops: install  ## Run the alerts and dashboards end to end; needs Prometheus and Alertmanager
	@$(BIN)/python -m pytest -m ops tests/ops $(ARGS)

test-ui: install $(AXE)  ## Look at the page with a browser; needs Chromium, and npm once
	@$(BIN)/python -m pytest -m ui tests/ui $(ARGS)

# Without it the tests that ask it are skipped, with the reason (in CI: fail).
$(AXE):
	@echo "Fetching axe-core $(AXE_VERSION) (once) ..."
	@npm install --prefix build/ui --no-save --no-audit --no-fund --loglevel=error axe-core@$(AXE_VERSION) \
		|| echo "axe-core could not be fetched: is there npm (Debian: npm), and a network?"

lint: install  ## Check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install  ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install  ## Measure the whole path against naive Faust and the ceiling; build/bench.json
	@$(BIN)/python -m bench $(ARGS)

bench-scale: install  ## Measure memory per million deals and the cost of an event; build/scale.json
	@$(BIN)/python -m bench.scale $(ARGS)

bench-years: install  ## Measure cost and memory over three and a half years; build/years.json
	@$(BIN)/python -m bench.years $(ARGS)

bench-pages: install  ## Measure whether fifty open pages slow the stream; build/pages.json
	@$(BIN)/python -m bench.open_pages $(ARGS)

bench-import: install  ## Measure rows per second and memory of import; build/import.json
	@$(BIN)/python -m bench.imports $(ARGS)

simulate-faults: install  ## Let workers live through drawn faults (N=100000 SEED=0; ARGS="--broken")
	@$(BIN)/python -m tests.simulation --schedules $(N) --seed $(SEED) $(ARGS)

mutants: install  ## Put faults into copies of the core and see who notices (ARGS="--only stuck")
	@$(BIN)/python -m tests.mutants $(ARGS)

golden: install  ## See whether any figure of twelve funnels, or a generated file, has changed
	@$(BIN)/python -m tests.golden $(ARGS)

generated: schemas dashboards rules docs  ## Write everything that is generated from the sources

schemas: install  ## Generate schemas/ from the models
	@$(BIN)/python -m funnel_stream.contract.schemas schemas
	@$(BIN)/python -m funnel_stream.config.schema schemas

dashboards: install  ## Generate deploy/grafana/dashboards from the catalogue
	@$(BIN)/python -m ops.dashboards deploy/grafana/dashboards

rules: install  ## Generate deploy/prometheus/rules (ARGS="--grafana https://grafana.example")
	@$(BIN)/python -m ops.rules deploy/prometheus/rules $(ARGS)
	@$(BIN)/python -m ops.kubernetes

docs: install  ## Generate docs/kpis.md from the catalogue
	@$(BIN)/python -m funnel_stream.kpis.reference docs/kpis.md

alert-study: install  ## Simulate years of funnels and write what the alarms did to docs/alerting.md
	@$(BIN)/python -m ops.study $(ARGS)

screenshots: install  ## Take the pictures of docs/images; needs Chromium
	@$(BIN)/python -m tests.ui.screenshots $(ARGS)

clean:  ## Remove .venv, build output and caches
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
