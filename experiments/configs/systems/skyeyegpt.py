"""Does a stage that only teaches the linear map, before all is tuned on instructions, help to name scenes?

Source:    SkyEyeGPT, Zhan et al. 2024, arXiv:2401.09712.
Mechanism: one linear layer between eye and language model, task identifiers as words of the question, two stages: captions first, the
           linear layer alone, then instructions, all of it.
Differs:   EVA-CLIP, LLaMA-2 and 968 thousand instructions there; here the small encoder, nano's decoder, AID. Videos are left out.
WITHOUT:   the second stage alone, as many steps as both.
Command:   rsfm train systems/skyeyegpt --out runs/skyeyegpt
           rsfm train systems/skyeyegpt:WITHOUT --out runs/skyeyegpt_without
Minutes:   6 each
Expected:  scene accuracy above statistics + kNN (.33); whether above WITHOUT is the question.
Reached:   not run yet
Published: UCM captions CIDEr 236.8, RSVQA-LR 88.9; other data.
"""

import dataclasses

from rsfm.models.connector import ConnectorConfig
from rsfm.models.sizes import SIZES
from rsfm.training.experiment import Stage, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "scene", "metric": "accuracy"}
PYRAMID = ("tokenizers.optical.pyramid",)
INSTRUCTIONS = (SMALL.SCENES, dataclasses.replace(SMALL.SCENES, tasks=("instruction",), text_length=40, weight=0.5))

EYE = dataclasses.replace(
    SMALL.CONFIG,
    name="skyeyegpt",
    model=dataclasses.replace(
        SMALL.CONFIG.model, connector=ConnectorConfig(kind="linear"), decoder=SIZES["nano"].decoder
    ),
    init_parts={"decoder": SMALL.NANO, **SMALL.PYRAMID},
)
ALIGNED = SMALL.trained(100, freeze=("*", "!connector", "!tokenizers.optical.from_pyramid"))
CONFIG = dataclasses.replace(
    EYE,
    stages=(
        Stage(name="captions", data=(SMALL.CAPTIONS,), train=ALIGNED),
        Stage(name="instructions", data=INSTRUCTIONS, train=SMALL.trained(150, 1e-3, freeze=PYRAMID)),
    ),
)
WITHOUT = dataclasses.replace(EYE, data=INSTRUCTIONS, train=SMALL.trained(250, 1e-3, freeze=PYRAMID))
