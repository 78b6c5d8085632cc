# Two commands: `make lab` opens the course, `make test` runs every test.
# PYTHON=python3.12 chooses the interpreter, PORT=9000 the port, PIP_FLAGS goes to pip.

SHELL := /bin/bash
CHECK := import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.12 python3.13 python3.11 python; do \
	$$p -c '$(CHECK)' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin

.PHONY: lab test notebooks audit bench clean

lab: .venv/ready
	@$(BIN)/autograder lab $(if $(PORT),--port $(PORT))

test: .venv/ready-dev
	@$(BIN)/pytest tests/browser
	@$(BIN)/pytest -n 2 --dist worksteal --ignore=tests/browser

notebooks: .venv/ready
	@$(BIN)/autograder build

audit: .venv/ready
	@$(BIN)/autograder audit --mutants

bench: .venv/ready-dev
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

.venv/ready: pyproject.toml
	@$(call install,.)

.venv/ready-dev: pyproject.toml
	@$(call install,.[dev])
	@touch .venv/ready

define install
	if [ -z "$(PYTHON)" ]; then \
		echo "✗ Python 3.11, 3.12 or 3.13 is needed. Install one, or name it: make lab PYTHON=/path/to/python3.12"; exit 1; fi; \
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || { \
		echo "✗ $(PYTHON) cannot make a virtual environment: on Debian or Ubuntu install python3-venv"; exit 1; }; \
	echo "Installing the course into .venv (once; some minutes and about 2 GB) …"; \
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -e '$(1)' || { \
		echo "✗ Installing failed. If the lines above speak of a connection, check the network and run the same command again."; exit 1; }; \
	touch $@
endef

clean:
	rm -rf .venv build
