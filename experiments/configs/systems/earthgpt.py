"""Do two towers for the eye, and tuning of attention and norms alone, make a language model see?

Source:    EarthGPT, Zhang et al. 2024, arXiv:2401.16822.
Mechanism: tokens of a transformer on patches with the features of a convolutional network added; of encoder and decoder only norms
           and attention are tuned, beside the connector.
Differs:   DINOv2 with ConvNeXt and LLaMA-2 there, optical, radar and infrared; here the small encoder with EfficientNet-lite0, the
           decoder of nano, AID.
WITHOUT:   the convolutional tower is left out; the same parts are tuned.
Command:   rsfm train systems/earthgpt --out runs/earthgpt
           rsfm train systems/earthgpt:WITHOUT --out runs/earthgpt_without
Minutes:   6 each
Expected:  scene accuracy above statistics + kNN (.33), and far above WITHOUT.
Reached:   not run yet
Published: NWPU-RESISC45 93.84; other data.
"""

import dataclasses

from rsfm.models.connector import ConnectorConfig
from rsfm.models.sizes import SIZES
from rsfm.training.experiment import ExperimentConfig, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "scene", "metric": "accuracy"}
TUNED = ("*", "!*norm*", "!*attention*", "!connector", "!tokenizers.optical.kernel", "!tokenizers.optical.coverage")


def seen(pyramid: bool) -> ExperimentConfig:
    """With the convolutional tower or without."""
    more = ("!tokenizers.optical.from_pyramid",) if pyramid else ()
    train = SMALL.trained(200, 1e-3, freeze=(*TUNED, *more))
    config = SMALL.with_nano("earthgpt", ConnectorConfig(kind="mlp"), (SMALL.SCENES,), train)
    decoder = SIZES["nano"].decoder
    model = dataclasses.replace(
        SMALL.CONFIG.model, streams={"optical": SMALL.optical(pyramid=pyramid)}, decoder=decoder
    )
    parts = {"decoder": SMALL.NANO, **(SMALL.PYRAMID if pyramid else {})}
    return dataclasses.replace(config, model=model, init_parts=parts)


CONFIG, WITHOUT = seen(True), seen(False)
