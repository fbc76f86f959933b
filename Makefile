# Everything runs in .venv, made from the pinned lock file. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
# How much `make bench` measures: small (1 M order lines), medium (10 M too) or full (100 M too).
SCALE ?= full
BIN := .venv/bin

.PHONY: setup demo test test-all bench accuracy proof lint format lock docs clean

setup: .venv/.made

# The lock file names every package with its hashes; nothing is resolved here.
.venv/.made: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "winback needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/winback demo

# The default suite: everything but the slow parts and those that start servers.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not server and not postgres and not dask"

test-all: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Speed and memory against other tools: one table, and bench.json. Never part of the tests.
bench: setup
	$(BIN)/python -m tests.bench $(SCALE)
	$(BIN)/python -m tests.bench.choosing

# Accuracy on real shops beside all baselines, on development cutoffs. FINAL=1 takes the reference cutoffs, writes
# accuracy.json and a line in tests/accuracy/log.jsonl: run it rarely, never choose by it. Never part of the tests.
accuracy: setup
	$(BIN)/python -m tests.accuracy $(if $(FINAL),--final)

# What the pipeline adds on simulated worlds whose truth is known, against other rankings and an oracle: a table,
# proof.json, and the regret over the weeks in .proof/. Never part of the tests; nothing may be chosen by it.
proof: setup
	$(BIN)/python -m tests.proof

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The table of features, from the catalogue.
docs: setup
	$(BIN)/python -m features.catalogue

# Needs uv (pip install uv). The lock file carries hashes and no address of an index.
lock:
	uv pip compile pyproject.toml --extra cpu --extra dask --extra postgres --extra search --extra dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf .venv .bench bench.json .accuracy accuracy.json .hillstrom .proof proof.json demo workspace .pytest_cache .mypy_cache .ruff_cache
