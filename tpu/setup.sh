#!/usr/bin/env bash
# Puts the project with its dependencies on every host of the slice; again to update them.
set -euo pipefail
source "$(dirname "$0")/env.sh"

if [ -z "$REPOSITORY" ]; then
  echo "REPOSITORY is not set: give the address that git clone takes" >&2
  exit 2
fi
on_hosts all "set -e
  if [ ! -d rsfm ]; then git clone --branch '$BRANCH' '$REPOSITORY' rsfm; fi
  cd rsfm
  git fetch origin '$BRANCH'
  git checkout --quiet FETCH_HEAD
  python3 -m venv .venv
  .venv/bin/pip install --quiet --upgrade pip
  .venv/bin/pip install --quiet -e '.[tpu]' -c constraints.txt
  .venv/bin/python -c 'import jax; print(jax.__version__, jax.local_device_count(), \"local devices\")'"
