"""Where was this taken, if a picture must find its coordinates among those of a batch and many more of a queue?

Source:    GeoCLIP, Vivanco Cepeda et al. 2023, arXiv:2309.16020.
Mechanism: contrast between what is seen and a tower over coordinates, with a queue of coordinates as further wrong answers
           (objective place).
Differs:   there photographs and a frozen CLIP, equal-earth projection and three widths of random features; here series of 18 bands
           and 3 months over the western United States, the model's own location token, its waves fixed; the queue holds moved
           copies of the batch's places in place of those of earlier batches.
WITHOUT:   the batch alone gives wrong answers, no queue.
Command:   rsfm train systems/geoclip --out runs/geoclip
           rsfm train systems/geoclip:WITHOUT --out runs/geoclip_without
Minutes:   2 each
Expected:  median error, in km, among the training places, below that of the one place that is nearest to all.
Reached:   seed 0: 387 km [337, 397], WITHOUT 405 [365, 478], the place nearest to all 845 [824, 852]. The queue's gain lies within
           the intervals. Rows in experiments/results/systems.jsonl.
Published: Im2GPS3k 34.47 % within 25 km; photographs.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.training.experiment import ExperimentConfig, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "fuel_moisture", "split": "test", "kind": "place", "gallery": "train", "metric": "median error km"}
SERIES = Source(dataset="fuel_moisture", objectives=("place",), batch_size=64, text_length=16, augment=SMALL.STILL)


def located(queue: int) -> ExperimentConfig:
    """Training with so many moved copies of every place."""
    return dataclasses.replace(
        SMALL.CONFIG,
        name="geoclip",
        model=dataclasses.replace(
            SMALL.CONFIG.model,
            streams={"series": SMALL.series(times=4, bands=18)},
            heads={"contrastive": HeadConfig(options=ContrastiveConfig(width=64))},
        ),
        train=SMALL.trained(300, 1e-3, objectives={"place": {"queue": queue}}),
        data=(SERIES,),
        init_parts={},
    )


CONFIG = located(8)
WITHOUT = located(0)
