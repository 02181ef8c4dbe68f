# Every target makes .venv and installs what it needs: nothing has to be set up before.

VENV := .venv
PYTHON := $(VENV)/bin/python

PORT ?= 5000
export PORT
# The database of the benchmarks: sqlite, postgresql, mongodb or redis.
DB ?= sqlite
comma := ,

.PHONY: run test lint servers docs bench

run: $(VENV)/installed-example
	$(PYTHON) -m example_app

# To look at the code and to get the servers takes a while, each by itself.
test:
	@$(MAKE) --no-print-directory --jobs=2 lint servers
	$(PYTHON) -m pytest -n 2

lint: $(VENV)/installed-example,lint,test
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports --no-logo

servers:
	scripts/servers

docs: $(VENV)/installed-docs
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/installed-example$(addprefix $(comma),$(filter-out sqlite,$(DB))) $(if $(filter-out sqlite,$(DB)),servers)
	$(PYTHON) -m benchmarks --db $(DB)

# A stamp for each set of extras, so that a second run installs nothing.
$(VENV)/installed-%: setup.cfg | $(VENV)/bin/pip
	@echo "Installing Flask-Loop[$*] in $(VENV)"
	@$(PYTHON) -m pip install --quiet --editable ".[$*]"
	@touch $@

$(VENV)/bin/pip:
	@scripts/venv $(VENV)
