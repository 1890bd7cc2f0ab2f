# Every target but help and clean runs in .venv, which is made on first use from Python 3.10-3.12.

VENV := .venv
BIN := $(VENV)/bin

# What the two main targets run.
DEMO = $(BIN)/drac-bench run --suite demo --workers 2 && $(BIN)/drac-bench tables --suite demo
# Two processes, one thread each; the tests of one file stay together and share its fixtures.
# A test that ends its process is tried anew, without end but for the number of restarts.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 2
TEST = OMP_NUM_THREADS=1 $(PYTEST) --durations 10
# What writes evidence.
SCRIPT = OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support:tests/scripts $(BIN)/python tests/scripts

# The interpreter to make .venv from; empty: the first suitable one on PATH.
PYTHON ?=

# Present if .venv was made here, whole, from these two files.
STAMP := $(VENV)/ready-$(shell { pwd; cat pyproject.toml constraints.txt; } | cksum | cut -d' ' -f1)

# A candidate must run (a pyenv shim may not) and must be able to make an environment.
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))
define FIND_PYTHON
if [ -n "$(PYTHON)" ]; then \
	"$(PYTHON)" -c "$(SUITABLE)" 2>/dev/null && echo "$(PYTHON)"; \
else \
	for name in python3.11 python3.12 python3.10 python3 python; do (\
		IFS=:; for dir in $$PATH; do \
			"$$dir/$$name" -c "$(SUITABLE)" 2>/dev/null && echo "$$dir/$$name" && break; \
		done) | grep . && break; \
	done; \
fi
endef

.DEFAULT_GOAL := help
.PHONY: help architecture demo test test-all test-fuzz test-faults check docs browser clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    train UCB-DrAC on all 16 games for a few steps and print the results"
	@echo "make test    run the tests; options for pytest: make test ARGS='-k bandit'"
	@echo "make test-all     with the full matrices; before a release"
	@echo "make test-fuzz    1,000,000 hostile files and command lines to everything that reads some"
	@echo "make test-faults  1,000 kills and other faults; all must end as if there had been none"
	@echo "make architecture  the layers of the packages, with their files and lines"
	@echo "make check   ruff, the formatter and mypy"
	@echo "make docs    the documentation as a site, build/docs; warnings are errors"
	@echo "make browser installs Chromium from Debian's packages, for the browser test of the report"
	@echo "make clean   remove .venv, caches and build outputs; results/ stays"
	@echo
	@echo "The first call sets up .venv; PYTHON=/path/to/python says from which Python (3.10-3.12)."

demo: $(STAMP)
	@$(DEMO)
	@echo "next: $(BIN)/drac-bench report --experiment demo --out report"

test: $(STAMP)
	@$(TEST) -m "not full" $(ARGS)

# Also the full matrices (all methods and presets, every browser page, fuzzed samples).
test-all: $(STAMP)
	@$(TEST) $(ARGS)

# Hours, and each writes the log that is committed; ARGS='--faults 40' is shorter.
test-fuzz: $(STAMP)
	@$(SCRIPT)/fuzz_readers.py --inputs 800000 --log results/evidence/fuzz-readers.txt $(ARGS)
	@$(SCRIPT)/fuzz_flags.py --inputs 160000 --log results/evidence/fuzz-flags.txt $(ARGS)

test-faults: $(STAMP)
	@$(SCRIPT)/fault_runs.py --faults 1112 --log results/evidence/faults.txt $(ARGS)
	@$(SCRIPT)/engines/engine_faults.py --log results/evidence/engine-faults.txt

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[docs]'
	@$(BIN)/mkdocs build --quiet --strict

# The layers of the packages, with files and lines.
architecture: $(STAMP)
	@PYTHONPATH=tests/support $(BIN)/python tests/project/test_architecture.py

# bin/activate is the last thing venv writes and names its folder: without it, or after the
# checkout was moved, the environment is made anew; otherwise pip brings it up to date.
$(STAMP):
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo "$(if $(PYTHON),$(PYTHON) will not do,No suitable Python found on PATH):" \
			"procgen-drac needs Python 3.10, 3.11 or 3.12 with its venv module" \
			"(install one or name it: make PYTHON=/path/to/python ...)." >&2; \
		exit 1; \
	fi; \
	rm -f $(VENV)/ready-*; \
	if ! grep -qsF "$$PWD/$(VENV)" $(BIN)/activate; then \
		echo "Creating $(VENV) with $$("$$python" -V) ($$python)."; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi; \
	echo "Installing procgen-drac and what it needs into $(VENV) (a few minutes at most) ..."; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev]' || exit 1; \
	touch $@

# Playwright, which the set-up installs, drives the system's browser and brings none of its own.
browser:
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name >/dev/null && exit; \
	done; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find augmentations benchmark drac ucb tests -name __pycache__ -prune -exec rm -rf {} +
