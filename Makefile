# Two commands: `make report` and `make test`. Each makes its own environment first.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help report test test-engines test-browser test-external lint format benchmarks lock docs clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# venv without pip and the system's pip from outside: works where Debian has left ensurepip out
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

data/demo.duckdb: | $(READY)
	$(BIN)/partnerlab demo $@

# last quarter's review first, as it was known then: this quarter's report scores the forecast that it printed
report: $(READY) data/demo.duckdb ## the quarterly report of the demo program, for the whole and for each region
	$(BIN)/partnerlab report build --source duckdb:///data/demo.duckdb --quarter 2026Q2 --as-of 2026-07-05 --notebooks 90 --jobs $(JOBS)
	$(BIN)/partnerlab report build --source duckdb:///data/demo.duckdb --quarter 2026Q3 --by region --jobs $(JOBS)

test: $(READY) ## everything that needs nothing but the environment
	$(BIN)/python -m pytest -n $(JOBS) -m "not engines and not browser and not external"

test-engines: $(READY) ## needs a PostgreSQL server: PARTNERLAB_POSTGRES_URL
	$(BIN)/python -m pytest tests/engines -m engines

test-browser: $(READY) ## needs Chromium (PARTNERLAB_CHROMIUM, default /usr/bin/chromium)
	$(BIN)/python -m pytest tests/browser -m browser

test-external: $(READY) ## needs real data and R's numbers: PARTNERLAB_EXTERNAL_DATA
	$(BIN)/python -m pytest tests/external -m external

lint: $(READY) ## style, unused code, formatting
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

format: $(READY) ## put the code into the house's format
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

docs: $(READY) ## the reference, built from the docstrings, and the data dictionary
	$(BIN)/python docs/build_reference.py

lock: ## renew requirements.lock (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements.lock

clean: ## remove what was made
	rm -rf .venv reports/*/ data/*.duckdb data/.demo-*.duckdb* data/demo-*.csv data/ledger .pytest_cache .ruff_cache .hypothesis
