"""Trains an experiment:  python experiments/train.py CONFIG --out FOLDER [--resume] [--any.field value ...]

Example:  python experiments/train.py debug --out runs/debug --train.steps 20 --model.encoder.depth 6

CONFIG is a name in experiments/configs, a Python file or a run's config.json; any field can be set by its dotted name.
SIGTERM (or Ctrl-C) saves at the next step boundary and exits with 143 (130); --resume goes on from there and lands on
the same numbers.
On several hosts start it once a host, see tpu/README.md.
"""

import sys

from rsfm.training.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], __doc__))
