# Two commands do everything on a fresh clone: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint fast clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "quorumbench needs Python 3.11 or newer; try: make PYTHON=python3.11 setup")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing quorumbench and its dependencies into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: setup
	@$(BIN)/python experiments/consensus-algorithms/election_timeout.py --budget 190

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What starts real processes runs afterwards, two at a time because it mostly waits; what holds real time against a bound
# runs last, with nothing beside it.
test: lint
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not live and not alone"
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "live and not alone"
	$(BIN)/python -m pytest -m alone

fast: setup
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not live and not alone and not slow"

clean:
	rm -rf $(VENV) runs build *.egg-info
