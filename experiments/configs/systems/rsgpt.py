"""Is a Q-Former enough to join a frozen picture encoder with a frozen language model?

Source:    RSGPT, Hu et al. 2023, arXiv:2307.15266 (the recipe of InstructBLIP).
Mechanism: learned queries that look at the picture's tokens and at each other, and a linear map, are all that trains.
Differs:   EVA-CLIP, Vicuna and 2,585 captions by experts there; here encoder and decoder of nano and AID's captions.
WITHOUT:   every token through one linear map, as all that trains.
Command:   rsfm train systems/rsgpt --out runs/rsgpt
           rsfm train systems/rsgpt:WITHOUT --out runs/rsgpt_without
Minutes:   7 each
Expected:  CIDEr-D above the most frequent caption (.50); the consensus of ten neighbours' captions has 2.33.
Reached:   not run yet
Published: RSICD CIDEr 1.03 (test list, whole pictures).
"""

from rsfm.models.connector import ConnectorConfig
from rsfm.training.experiment import find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "captioning", "metric": "cider_d", "limit": 256}
TRAIN = SMALL.trained(200, freeze=("*", "!connector"))

CONFIG = SMALL.with_nano("rsgpt", ConnectorConfig(kind="qformer", queries=16, depth=2), (SMALL.CAPTIONS,), TRAIN)
WITHOUT = SMALL.with_nano("rsgpt", ConnectorConfig(kind="linear"), (SMALL.CAPTIONS,), TRAIN)
