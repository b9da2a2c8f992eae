# Two commands on a fresh machine with Python 3.11+ and make: `make run` and `make test`.
# Each sets up what it needs; the others are for contributors and operators.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ROUNDS ?= 25
MODE   ?= distributed
BASE   ?= http://127.0.0.1:$(or $(PORT),8000)

.PHONY: help run demo test check format bench bench-learning torture stack lock clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# The lock names versions and hashes and no index: whichever index this machine is set up for serves it.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r tools.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/learning.stamp: $(VENV)/dev.stamp requirements-learning.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-learning.lock
	@touch $@

run: $(VENV)/run.stamp ## the whole product in one process, on http://127.0.0.1:8000
	@$(BIN)/leadloop run

demo: $(VENV)/run.stamp ## a simulated month of leads through the running product
	@$(BIN)/python -m dev.demo

test: $(VENV)/dev.stamp ## every test, with a real PostgreSQL, Kafka and Chromium
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/dev.stamp ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## put the code in the project's format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

stack: $(VENV)/dev.stamp ## the distributed set without Docker: the processes and settings of docker-compose.yml
	@$(BIN)/python -m dev.stack

torture: $(VENV)/dev.stamp ## kill processes at random under load: ROUNDS=25 MODE=distributed|embedded
	@$(BIN)/python -m tests.torture --rounds $(ROUNDS) --mode $(MODE) $(ARGS)

bench: $(VENV)/dev.stamp ## ratios measured side by side in one run
	@$(BIN)/python -m tests.bench $(ARGS)

bench-learning: $(VENV)/learning.stamp ## how well the loop learns, in worlds whose truth is known
	@$(BIN)/python -m tests.bench_learning $(ARGS)

lock: ## resolve the dependencies anew
	@test -x $(BIN)/uv || ($(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q uv)
	@printf 'uv\nhatchling\neditables\n' | $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' -o tools.lock -
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' -c requirements.lock pyproject.toml --group learning -o requirements-learning.lock

clean: ## remove the environment (never the data)
	@rm -rf $(VENV)
