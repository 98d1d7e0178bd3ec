#!/usr/bin/env bash
# Follows the log of one host: HOST=0 by default.
set -euo pipefail
source "$(dirname "$0")/env.sh"

on_hosts "${HOST:-0}" "tail -n 100 -F rsfm/logs/train.log"
