# pumprig: `make` alone shows what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Stamps: an environment is touched again only when pyproject.toml has changed, or when the environment itself is no
# longer whole: its interpreter is gone, or the checkout was moved or copied.
RUN    := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
MADE   := $(VENV)/pyvenv.cfg
WHOLE  := $(shell grep -sqF '$(CURDIR)/$(VENV)' $(MADE) && $(BIN)/python -c '' 2>/dev/null && echo yes)

# Type stubs of each board's MicroPython, which its board.toml names, in a folder of their own.
STUBS  := typings/.installed
BOARDS := $(wildcard boards/*/board.toml)

# MicroPython's 32-bit port runs in Node.js; the lock of its folder pins it.
PORT   := .node/.installed

# oref0, which the controller of that name is held against; the lock of its folder pins it.
OREF0  := .oref0/.installed

PIP    := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test slow check generate bench verify wasm test-oref0 clean again

## Show this list.
help:
	@awk '/^## /{text=substr($$0,4)} /^[a-z][a-z-]*:/{if(text){sub(":.*","",$$1);printf "  make %-10s %s\n",$$1,text} text=""}' $(MAKEFILE_LIST)

## Install, let a virtual pump dose through the bundled day, and write its report.
demo: $(RUN)
	$(BIN)/pumprig run

## Run the tests (those marked slow left out).
test: $(DEV)
	$(PYTEST) -n 2

# Some wait for a clock and use no processor meanwhile, so there is one worker more than processors.
## Run the slow tests; with PUMPRIG_CAMPAIGN=whole, their campaigns at full length.
slow: $(DEV)
	$(PYTEST) -n 3 --dist worksteal -m slow -o faulthandler_timeout=1800 --durations=12

## Check style, types (host, and firmware per board) and the repository's own rules.
check: $(DEV) $(STUBS)
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python tests/typing/stubs.py check
	$(BIN)/python tests/tidy.py

## Write the generated files again from the declarations of the wire.
generate: $(RUN)
	$(BIN)/python -m pumpwire.generate

## Measure speed and memory: lines of `name value unit`.
bench: $(DEV)
	$(BIN)/python -m pumprig.bench

## Let the rig fail pumps that are wrong on purpose.
verify: $(RUN)
	$(BIN)/pumprig verify-suite

## Install MicroPython's 32-bit port for the tests on it; needs Node.js with npm.
wasm: $(PORT)

## Install oref0 and hold controller oref against it, 20,000 random inputs included; needs Node.js with npm.
test-oref0: $(DEV) $(OREF0)
	$(PYTEST) -n 2 -m "slow or not slow" -o faulthandler_timeout=1800 tests/oref0

## Remove the environment and all caches; the records in runs/ stay.
clean:
	rm -rf $(VENV) .node .oref0 typings build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One message when Python, venv or pip is missing.
$(MADE): $(if $(WHOLE),,again)
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "pumprig needs Python 3.11 to 3.14, and there is no '$(PYTHON)'. Install it, then run make again:"; \
	  echo "  Debian, Ubuntu: apt install python3 python3-venv    Fedora: dnf install python3 python3-pip    macOS: brew install python"; \
	  exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "pumprig needs Python 3.11 to 3.14; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; \
	  exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv with pip. Install it, then run make again:"; \
	  echo "  Debian, Ubuntu: apt install python3-venv    Fedora: dnf install python3-pip    macOS: brew install python"; \
	  exit 1; } >&2
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'

$(RUN): pyproject.toml $(MADE)
	$(PIP) install --quiet --editable .
	@touch $@

$(DEV): pyproject.toml $(MADE)
	$(PIP) install --quiet --editable . --group dev
	@touch $(RUN) $@

$(STUBS): tests/typing/stubs.py $(BOARDS) | $(MADE)
	$(BIN)/python tests/typing/stubs.py install
	@touch $@

# $(call npm_folder,WHAT NEEDS IT): installs what package.json and its lock, the prerequisites, pin into the target's folder.
define npm_folder
	@command -v npm >/dev/null 2>&1 || { \
	  echo "$(1) needs Node.js and npm. Install them, then run make again:"; \
	  echo "  Debian, Ubuntu: apt install nodejs npm    Fedora: dnf install nodejs    macOS: brew install node"; \
	  exit 1; } >&2
	rm -rf $(@D)
	mkdir $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@
endef

$(PORT): tests/wasm/package.json tests/wasm/package-lock.json
	$(call npm_folder,MicroPython's 32-bit port)

$(OREF0): tests/oref0/package.json tests/oref0/package-lock.json
	$(call npm_folder,Holding the controller against oref0)
