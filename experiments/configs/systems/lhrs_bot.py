"""Do queries that read several depths of the eye make better captions than as many that read the last one?

Source:    LHRS-Bot, Muhtar et al. 2024, arXiv:2402.02544.
Mechanism: the queries of the resampler are shared out over depths of the encoder (connector "levels": here what enters it, its
           first layer and its last).
Differs:   144 queries over three depths of CLIP-L, captions made of OpenStreetMap, three stages there; 12 queries, AID's captions
           and one stage here.
WITHOUT:   as many queries, all at the last layer.
Command:   rsfm train systems/lhrs_bot --out runs/lhrs_bot
           rsfm train systems/lhrs_bot:WITHOUT --out runs/lhrs_bot_without
Minutes:   5 each
Expected:  scene accuracy above statistics + kNN (.33); whether above WITHOUT is the question.
Reached:   not run yet
Published: AID scene accuracy 91.26; other split.
"""

import dataclasses

from rsfm.models.connector import ConnectorConfig
from rsfm.training.experiment import ExperimentConfig, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "scene", "metric": "accuracy"}


def depths(*taps: int) -> ExperimentConfig:
    """The queries at these layers and the last."""
    connector = ConnectorConfig(kind="levels", queries=12, depth=2, heads=4, taps=taps)
    return dataclasses.replace(
        SMALL.CONFIG, name="lhrs_bot", model=dataclasses.replace(SMALL.CONFIG.model, connector=connector)
    )


CONFIG, WITHOUT = depths(0, 1), depths()
