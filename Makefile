# Two commands do everything: `make run` and `make test`. Both set up what is missing in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONCE ?=

.PHONY: run test setup lock sbom clean

run: setup
	@$(BIN)/incident-desk demo $(if $(ONCE),--once)

test: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/incident-desk index
	@$(BIN)/python -m evals lint
	@.ci/beside \
	  '$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=term' \
	  '$(BIN)/python -m evals run' \
	  '$(BIN)/python -m evals safety'

setup: $(VENV)/.done

$(VENV)/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Incident Desk needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 3; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'the venv module is missing; install it first (Debian: apt-get install python3-venv)' >&2; exit 3; }
	@echo 'setting up .venv (once, a minute or two) …'
	@$(PYTHON) -m venv $(VENV) || { echo 'no room or no right to make .venv here' >&2; exit 3; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || \
	  { echo 'the packages could not be installed; check the network and the package index, then try again' >&2; exit 3; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Needs uv; only for whoever changes the dependencies. The second lock is for an installation that only runs
# the desk: the same versions without the tools of the tests.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
	  --extra test --extra build --output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
	  --constraints requirements.lock --extra build --no-annotate --output-file requirements-runtime.lock pyproject.toml

# What an installation is made of, in CycloneDX's format. The tool has an environment of its own, for nothing of
# the desk needs it; it is pinned here and brings its own dependencies.
SBOM_TOOL := cyclonedx-bom==7.5.0
sbom:
	@$(PYTHON) -m venv .venv-sbom && .venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check '$(SBOM_TOOL)'
	@mkdir -p -m 700 var
	@.venv-sbom/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file var/sbom.json requirements-runtime.lock
	@echo 'written to var/sbom.json'

clean:
	rm -rf $(VENV) .venv-sbom var
