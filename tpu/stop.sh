#!/usr/bin/env bash
# Asks the run to save and stop (SIGTERM to the first host; the others follow at the same step). run.sh goes on from there.
set -euo pipefail
source "$(dirname "$0")/env.sh"

on_hosts 0 'kill -TERM $(cat rsfm/logs/pid)'
