#!/usr/bin/env bash
# Creates the TPU VM, a slice of one or many hosts.
set -euo pipefail
source "$(dirname "$0")/env.sh"

flags=()
if [ "$SPOT" = 1 ]; then flags+=(--spot); fi
gcloud compute tpus tpu-vm create "$NAME" --project="$PROJECT" --zone="$ZONE" \
  --accelerator-type="$ACCELERATOR" --version="$VERSION" ${flags[@]+"${flags[@]}"}
gcloud compute tpus tpu-vm describe "$NAME" --project="$PROJECT" --zone="$ZONE" --format="value(state, acceleratorType)"
