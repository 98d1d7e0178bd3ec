# Settings of all scripts in this folder; each can be given from outside: NAME=my-pod ZONE=us-east5-a tpu/create.sh
: "${NAME:=rsfm}"                           # of the TPU VM
: "${ZONE:=us-central2-b}"
: "${PROJECT:=$(gcloud config get-value project 2>/dev/null)}"
: "${ACCELERATOR:=v4-8}"                    # v4-32, v5litepod-16, v6e-64, ...
: "${VERSION:=tpu-ubuntu2204-base}"         # runtime image; v5e: v2-alpha-tpuv5-lite, v6e: v2-alpha-tpuv6e
: "${SPOT:=0}"                              # 1: cheaper, may be taken away; run.sh goes on where it stopped
: "${REPOSITORY:=$(git config --get remote.origin.url 2>/dev/null || true)}"  # what setup.sh clones on every host
: "${BRANCH:=main}"
: "${CONFIG:=debug}"                        # experiment to train
: "${OUT:=runs/$CONFIG}"                    # run folder; gs://... or a mounted disk that all hosts see, for more than one host
: "${DATA:=}"                               # RSFM_DATA on the hosts
: "${ARGS:=}"                               # more words for train.py, for example: --train.mesh -1,8,1,1

if [ -z "$PROJECT" ] || [ "$PROJECT" = "(unset)" ]; then
  echo "PROJECT is not set: give PROJECT=my-project or run gcloud config set project my-project" >&2
  exit 2
fi

# Runs a command on one host (first argument a number) or on all of them ("all").
on_hosts() {
  gcloud compute tpus tpu-vm ssh "$NAME" --project="$PROJECT" --zone="$ZONE" --worker="$1" --command="$2"
}
