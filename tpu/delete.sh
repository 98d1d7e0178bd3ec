#!/usr/bin/env bash
# Deletes the TPU VM with its disks; asks first. Copy what is to be kept: run folders on a bucket stay.
set -euo pipefail
source "$(dirname "$0")/env.sh"

gcloud compute tpus tpu-vm delete "$NAME" --project="$PROJECT" --zone="$ZONE"
