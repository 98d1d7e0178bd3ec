"""Makes the checkpoint folder that is shipped out of a training run.

    python experiments/release.py RUN FOLDER [--beside RUN ...] [--window PIXELS] [--calibrate DATASET:SPLIT]
    python experiments/release.py runs/nano rsfm/checkpoints/nano --calibrate fuel_moisture:val

The newest state of the run is taken, with averaged weights where they were kept, and stored in float16. With --calibrate the
intervals of that data's quantity are stretched about their middle so that nine tenths of the targets lie inside
(rsfm.metrics.calibration); the split must be one that was not trained on. With --window the model
reads pictures in windows of another size than those it was trained in. With --beside the weights are the mean over the runs, which
must be branches of one training (Wortsman et al. 2022, "Model soups", arXiv:2203.05482).
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from rsfm.data.training.opening import open_records
from rsfm.errors import UserError
from rsfm.metrics.calibration import stretch
from rsfm.models.foundation import FoundationModel
from rsfm.models.sizes import windowed
from rsfm.pretrained import save_checkpoint
from rsfm.processor import Processor
from rsfm.quantities import find
from rsfm.scoring.commits import current_commit
from rsfm.scoring.evaluation import evaluate
from rsfm.tasks import TASKS
from rsfm.training.checkpoint import Checkpoints
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import load_config, make_build, make_processor
from rsfm.training.state import merge

CARD = Path(__file__).parent / "nano_card.md"


def newest(run: Path, window: int = 0) -> tuple[FoundationModel, Processor, int]:
    """Model, processor and step of the newest checkpoint of a run folder, in windows of another size if asked."""
    config = load_config(run / "config.json")
    if window:
        config = dataclasses.replace(config, model=windowed(config.model, window))
    engine = JitEngine(config.train, make_build(config))
    with Checkpoints(run / "checkpoints") as checkpoints:
        if checkpoints.latest is None:
            raise UserError(f"{run}: expected a run folder with checkpoints/, found none.")
        state, _ = checkpoints.restore(engine.abstract())
    return merge(state, averaged=True), make_processor(config), int(state.step)


def mean_of(models: Sequence[FoundationModel]) -> FoundationModel:
    """The first model with the mean of all models' weights."""
    states = [nnx.state(model, nnx.Param) for model in models]
    nnx.update(models[0], jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]) / len(leaves), *states))
    return models[0]


def calibrated(model: FoundationModel, processor: Processor, dataset: str, split: str) -> Processor:
    """The processor with the stretch of one quantity set on held-out records."""
    records = open_records(dataset, split)
    _, answers = evaluate(model, processor, records, "regression", progress=True)
    rows = np.concatenate([TASKS["regression"].statistics(records[i], answer) for i, answer in enumerate(answers)])
    asked = TASKS["regression"].question(records[0])
    quantity = find(processor.config.quantities, asked, records[0].values[0].unit)
    best, target, low, high = np.vectorize(quantity.standardize)(rows[~np.isnan(rows).any(1)]).T
    factor = stretch(target, best, low, high)
    print(f"{quantity.name}: intervals stretched by {factor:.3f} from {len(target)} records of {dataset} {split}")
    stretched = tuple(
        dataclasses.replace(each, stretch=each.stretch * factor) if each == quantity else each
        for each in processor.config.quantities
    )
    return Processor(dataclasses.replace(processor.config, quantities=stretched), processor.text)


def main() -> None:
    """Reads the command line and writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], metavar="RUN")
    parser.add_argument("--window", type=int, default=0, metavar="PIXELS")
    parser.add_argument("--calibrate", metavar="DATASET:SPLIT")
    parser.add_argument("--card", type=Path, default=CARD)
    args = parser.parse_args()
    model, processor, step = newest(args.run, args.window)
    model = mean_of([model, *(newest(run, args.window)[0] for run in args.beside)])
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
