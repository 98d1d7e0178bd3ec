"""Writes into a checkpoint what it was taught: the names of the labels of its training data, by task and sensor.

Command:   python -m experiments.taught rsfm/checkpoints/nano nano_maps nano
Data:      the training splits that the configs name, newest first.

Maps are those of the legends that processor.json holds: a data set's own, learned from besides, is not asked for.

What `rsfm train` and `rsfm finetune` write themselves, for a checkpoint that was released before they did.
"""

import dataclasses
import json
from pathlib import Path

import tyro

from rsfm.config import to_json
from rsfm.data.writing.digests import write_digests
from rsfm.pretrained import load_foundation, with_taught
from rsfm.processor import Processor
from rsfm.processor.config import FORMAT
from rsfm.training.experiment import load_config
from rsfm.training.taught import taught


def main(folder: tyro.conf.Positional[Path], configs: tyro.conf.Positional[tuple[str, ...]]) -> None:
    """Rewrites processor.json and README.md.

    Args:
        folder: of the checkpoint.
        configs: experiments it was trained by, the newest first.
    """
    processor = load_foundation(folder).processor
    sources = [source for config in configs for source in load_config(config).data]
    legends = processor.config.legends
    entries = taught(sources, processor.config)
    entries = tuple(entry for entry in entries if entry.task != "segmentation" or not legends or entry.name in legends)
    config = dataclasses.replace(processor.config, taught=entries, format=FORMAT)
    write(folder, Processor(config, processor.text))


def write(folder: Path, processor: Processor) -> None:
    """processor.json, and the card's section."""
    text = json.dumps(to_json(processor.config), indent=1) + "\n"
    (folder / "processor.json").write_text(text, encoding="utf-8")
    card = folder / "README.md"
    card.write_text(with_taught(card.read_text(encoding="utf-8"), processor), encoding="utf-8")
    write_digests(folder)
    print(f"{folder}: {len(processor.config.taught)} entries")


if __name__ == "__main__":
    tyro.cli(main)
