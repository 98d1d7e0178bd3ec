"""Trains an experiment, as `rsfm train` does:  python experiments/train.py CONFIG --out FOLDER [--resume] [...]

Example:  python experiments/train.py debug --out runs/debug --train.steps 20 --model.encoder.depth 6

CONFIG is a name in experiments/configs, a Python file or a run's config.json; any field can be set by its dotted name.
SIGTERM (or Ctrl-C) saves at the next step boundary and exits with 143 (130); --resume goes on from there and lands on
the same numbers. The checkpoint that comes out is FOLDER/model.
On several hosts start it once a host, see tpu/README.md.
"""

import sys

from rsfm.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
