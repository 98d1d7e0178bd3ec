"""Makes the checkpoint folder that is shipped out of a training run.

    python experiments/release.py RUN FOLDER [--calibrate DATASET:SPLIT]
    python experiments/release.py runs/nano rsfm/checkpoints/nano --calibrate fuel_moisture:val

The newest state of the run is taken, with averaged weights where they were kept, and stored in float16. With --calibrate the
half width of the intervals of that data's quantity is stretched so that nine tenths of the targets lie inside (split conformal
prediction with the normalized residual, Lei et al. 2018, arXiv:1604.04173); the split must be one that was not trained on.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import numpy as np

from rsfm.data.pipeline import open_records
from rsfm.errors import UserError
from rsfm.evaluation import evaluate
from rsfm.models.foundation import FoundationModel
from rsfm.pretrained import save_checkpoint
from rsfm.processor import Processor
from rsfm.quantities import find
from rsfm.results import current_commit
from rsfm.tasks import TASKS
from rsfm.training.checkpoint import Checkpoints
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import load_config, make_build, make_processor
from rsfm.training.state import merge

COVERAGE = 0.9
CARD = Path(__file__).parent / "nano_card.md"


def newest(run: Path) -> tuple[FoundationModel, Processor, int]:
    """Model, processor and step of the newest checkpoint of a run folder."""
    config = load_config(run / "config.json")
    engine = JitEngine(config.train, make_build(config))
    with Checkpoints(run / "checkpoints") as checkpoints:
        if checkpoints.latest is None:
            raise UserError(f"{run}: expected a run folder with checkpoints/, found none.")
        state, _ = checkpoints.restore(engine.abstract())
    return merge(state, averaged=True), make_processor(config), int(state.step)


def calibrated(model: FoundationModel, processor: Processor, dataset: str, split: str) -> Processor:
    """The processor with the stretch of one quantity set on held-out records."""
    records = open_records(dataset, split)
    _, answers = evaluate(model, processor, records, "regression", progress=True)
    ratio = []
    for i, answer in enumerate(answers):
        if answer.values and answer.values[0].low is not None and answer.values[0].high is not None:
            half = (answer.values[0].high - answer.values[0].low) / 2
            ratio.append(abs(records[i].values[0].value - answer.values[0].value) / max(half, 1e-9))
    rank = min(1.0, math.ceil((len(ratio) + 1) * COVERAGE) / len(ratio))
    stretch = float(np.quantile(ratio, rank))
    asked = TASKS["regression"].question(records[0])
    target = find(processor.config.quantities, asked, records[0].values[0].unit)
    print(f"{target.name}: intervals stretched by {stretch:.3f} from {len(ratio)} records of {dataset} {split}")
    stretched = tuple(
        dataclasses.replace(each, stretch=each.stretch * stretch) if each == target else each
        for each in processor.config.quantities
    )
    return Processor(dataclasses.replace(processor.config, quantities=stretched), processor.text)


def main() -> None:
    """Reads the command line and writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrate", metavar="DATASET:SPLIT")
    parser.add_argument("--card", type=Path, default=CARD)
    args = parser.parse_args()
    model, processor, step = newest(args.run)
    if args.calibrate:
        processor = calibrated(model, processor, *args.calibrate.split(":"))
    card = (
        args.card.read_text(encoding="utf-8")
        .replace("{step}", str(step))
        .replace("{commit}", current_commit(Path.cwd()))
    )
    print(save_checkpoint(args.folder, model, processor, card=card))


if __name__ == "__main__":
    main()
