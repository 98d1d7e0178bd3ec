"""Do boxes and maps made into sentences teach a two-tower model words that captions do not have?

Source:    RemoteCLIP, Liu et al. 2024, arXiv:2306.11029.
Mechanism: box-to-caption and mask-to-box: sentences made of labelled boxes by rule ("There are many ships.") are matched with their
           pictures beside real captions, by the contrast of CLIP.
Differs:   17 data sets and CLIP's weights there; here AID's captions, and the boxes of DeepForest and of one DOTA picture;
           EfficientNet frozen, the text read by a small decoder of its own up to its token <ret>.
WITHOUT:   the captions alone.
Command:   rsfm train systems/remoteclip --out runs/remoteclip
           rsfm train systems/remoteclip:WITHOUT --out runs/remoteclip_without
Minutes:   5 each
Expected:  mR between tiles of DOTA and DeepForest left out and their sentences above WITHOUT; 19 tiles only.
Reached:   not run yet
Published: RSICD mR 35.26 (1,093 pictures, towers 20 to 100 times larger).
"""

import dataclasses
from pathlib import Path

import numpy as np

from rsfm.data.datasets.aid_rsicd import AidRsicd
from rsfm.data.datasets.deepforest import DeepForest
from rsfm.data.datasets.dota import Dota
from rsfm.data.training.pipeline import Source
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.heads.contrastive import RET
from rsfm.tasks.description import Description
from rsfm.training.experiment import find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "described_boxes", "split": "test", "kind": "retrieval", "gallery": "train", "metric": "mR"}


class Captions(AidRsicd):
    """AID's captions, each with the token that stands for it."""

    def __getitem__(self, i: int) -> Record:
        record = super().__getitem__(i)
        return dataclasses.replace(record, captions=tuple(f"{text.strip()} {RET}" for text in record.captions))


class DescribedBoxes:
    """Tiles with boxes, their captions made of the boxes by the task `description`."""

    def __init__(self, root: Path, split: str) -> None:
        found = [data[i] for data in (Dota(root, split), DeepForest(root, split)) for i in range(len(data))]
        end = f" {RET}" if split == "train" else ""
        made = [(record, Description().dialogue(record, np.random.default_rng(0))) for record in found]
        self.records = [
            dataclasses.replace(record, captions=(f"{dialogue.turns[0][1].strip()}{end}",))
            for record, dialogue in made
            if dialogue is not None
        ]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Record:
        return self.records[i]


DATASETS = {"ended_captions": Captions, "described_boxes": DescribedBoxes}
WORDS = Source(
    dataset="ended_captions", tasks=("captioning",), objectives=("contrast",), batch_size=48, text_length=48, weight=0.6
)
BOXES = dataclasses.replace(WORDS, dataset="described_boxes", weight=0.4)

CONFIG = dataclasses.replace(
    SMALL.CONFIG,
    name="remoteclip",
    model=dataclasses.replace(
        SMALL.CONFIG.model, heads={"contrastive": HeadConfig(options=ContrastiveConfig(width=64))}
    ),
    train=SMALL.trained(250, freeze=("tokenizers.optical.pyramid",)),
    data=(WORDS, BOXES),
)
WITHOUT = dataclasses.replace(CONFIG, data=(WORDS,))
