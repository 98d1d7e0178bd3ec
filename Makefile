# From a bare clone with python3 (>= 3.11, venv) and make: `make demo`, `make test`. See `make help`.
PY ?= python3
V := .venv/bin
export JAX_PLATFORMS ?= cpu

# $(call install,WHAT): with uv where it can be had (seconds), else with pip (a minute or two).
install = { $(V)/pip install -q uv 2>/dev/null && $(V)/uv pip install -q --python $(V)/python $(1) -c constraints.txt; } \
	|| $(V)/pip install -q $(1) -c constraints.txt

help:  ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

.venv/.core: pyproject.toml constraints.txt
	@$(PY) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"rsfm needs Python 3.11 or newer, $(PY) is {sys.version.split()[0]}. Set PY=python3.12, say.")'
	$(PY) -m venv .venv
	$(call install,-e .)
	@touch $@

# The published patches the demo reads. Without dependencies: it asks for the whole of an old desktop stack.
.venv/.demo: .venv/.core
	$(V)/pip install -q --no-deps bigearthnet-common==2.8.0
	@touch $@

.venv/.dev: .venv/.core
	$(call install,-e '.[dev]')
	@touch $@

demo: .venv/.demo  ## asks the shipped checkpoint about a real Sentinel-1 and Sentinel-2 scene; leaves its answers in demo/
	$(V)/rsfm demo
	@command -v rsfm >/dev/null || echo "The command is $(V)/rsfm. To type rsfm alone: source $(V)/activate"

lint: .venv/.dev  ## ruff and mypy
	$(V)/ruff check .
	$(V)/mypy

format: .venv/.dev  ## sorts imports and lays out the code
	$(V)/ruff check -q --fix-only .
	$(V)/ruff format -q .

test: lint  ## lint, then every test but the slow ones, on eight virtual devices
	$(V)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

slow: .venv/.dev  ## the tests that take minutes or gigabytes
	$(V)/python -m pytest -q -m slow

constraints: .venv/.dev  ## resolves constraints.txt anew, one file for every supported Python
	$(V)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate -q -o constraints.txt

clean:  ## removes what these targets made
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache .mypy_cache demo *.egg-info

.PHONY: help demo lint format test slow constraints clean
