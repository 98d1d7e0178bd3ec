#!/usr/bin/env bash
# Trains CONFIG on all hosts, in the background: it outlives this terminal. Starts or goes on: a run folder with a checkpoint is resumed.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# train.py finds the other hosts of a slice by itself: jax.distributed reads the pod's own metadata (RSFM_DISTRIBUTED=auto).
on_hosts all "cd rsfm && mkdir -p logs && if [ -f logs/pid ] && kill -0 \$(cat logs/pid) 2>/dev/null; then
    echo 'a run is going on: see tpu/logs.sh, or end it with tpu/stop.sh' >&2; exit 1; fi
  export RSFM_DISTRIBUTED=auto RSFM_DATA='$DATA' JAX_COMPILATION_CACHE_DIR=\$HOME/.cache/jax
  nohup .venv/bin/python experiments/train.py '$CONFIG' --out '$OUT' --resume $ARGS > logs/train.log 2>&1 &
  echo \$! > logs/pid"
echo "started; follow it with tpu/logs.sh"
