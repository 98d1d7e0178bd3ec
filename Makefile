# From a bare clone with python3 (>= 3.11, venv) and make: `make demo`, `make test`. See `make help`.
PY ?= python3
V := .venv/bin
export JAX_PLATFORMS ?= cpu

# $(call install,WHAT): with uv, which checks every file against hashes/; only where uv cannot be had, with pip, which does not.
# A file of another hash ends it: pip is no way around.
install = if $(V)/pip install -q --require-hashes --only-binary :all: -r hashes/uv.txt 2>/dev/null; \
	then $(V)/uv pip install -q --python $(V)/python $(1) -c hashes/packages.txt -b hashes/packages.txt; \
	else $(V)/pip install -q $(1) -c constraints.txt; fi

help:  ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

.venv/.core: pyproject.toml constraints.txt hashes/packages.txt
	@$(PY) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"rsfm needs Python 3.11 or newer, $(PY) is {sys.version.split()[0]}. Set PY=python3.12, say.")'
	$(PY) -m venv .venv
	$(call install,-e .)
	@touch $@

# The published patches the demo reads. Without dependencies: it asks for the whole of an old desktop stack.
.venv/.demo: .venv/.core
	$(call install,--no-deps bigearthnet-common==2.8.0)
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

systems: .venv/.dev  ## trains the survey's systems with and without their mechanism, where no row says how they do, and writes their page
	$(V)/python -m experiments.systems run --seeds 0 1 2
	$(V)/python -m experiments.systems page

constraints: .venv/.dev  ## resolves constraints.txt anew, one file for every supported Python
	$(V)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate -q -o constraints.txt
	$(MAKE) hashes

# An address of a registry is never written: uv leaves it out of files of this form.
lock = $(V)/uv pip compile - --generate-hashes --universal --python-version 3.11 --no-deps --no-header --no-annotate -q -o

hashes: .venv/.dev  ## the SHA-256 of every file of every package in constraints.txt, and of what installs them
	{ cat constraints.txt; echo bigearthnet-common==2.8.0; echo setuptools; } | $(lock) hashes/packages.txt
	echo uv | $(lock) hashes/uv.txt

clean:  ## removes what these targets made
	rm -rf .venv .jax_cache .pytest_cache .ruff_cache .mypy_cache demo *.egg-info

.PHONY: help demo lint format test slow systems constraints hashes clean
