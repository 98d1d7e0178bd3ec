"""Do adapters learn questions better when they learn captions too?

Source:    RS-LLaVA, Bazi et al. 2024, doi:10.3390/rs16091477.
Mechanism: low-rank adapters on the language model, trained on captions and questions together; losses on answers only.
Differs:   Vicuna and CLIP there, four data sets; here the decoder and encoder of nano, AID's captions and questions made of its
           labels by template.
WITHOUT:   the questions alone, as many steps.
Command:   rsfm train systems/rs_llava --out runs/rs_llava
           rsfm train systems/rs_llava:WITHOUT --out runs/rs_llava_without
Minutes:   8 each
Expected:  accuracy of answers on val above the most frequent answer; whether above WITHOUT is the question.
Reached:   not run yet
Published: UCM captions CIDEr 3.56 (13 billion parameters).
"""

import dataclasses

from rsfm.models.connector import ConnectorConfig
from rsfm.training.config import LoraConfig
from rsfm.training.experiment import find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "vqa", "metric": "accuracy", "limit": 512}
QUESTIONS = dataclasses.replace(SMALL.CAPTIONS, tasks=("vqa",), text_length=40)
TRAIN = SMALL.trained(200, lora=LoraConfig(rank=8, targets=("decoder",)), freeze=("!connector",))

CONFIG = SMALL.with_nano("rs_llava", ConnectorConfig(kind="mlp"), (QUESTIONS, SMALL.CAPTIONS), TRAIN)
WITHOUT = dataclasses.replace(CONFIG, data=(QUESTIONS,))
