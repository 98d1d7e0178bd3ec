"""Does nano, which describes pictures, also find them, once its decoder's `<ret>` state is pulled towards the encoder's?

Command:   rsfm train experiments/configs/contrastive_nano.py --out runs/contrastive_nano
           python -m experiments.retrieval runs/contrastive_nano
Expected:  mR well above contrastive_aid, which starts from nothing but ImageNet's features.
Result:    it is not: 150 steps, val mR 10.59 [9.60, 11.60] against 12.28 of contrastive_aid after 200 at twice the learning rate;
           scene by its name .752 [.724, .777] against .781. What nano's encoder and decoder know does not shorten the way.

As contrastive_aid, with nano's weights under the new head. nano was taught the scenes' names on the same training pictures, so
its scene accuracy here is not zero-shot; that number is contrastive_aid's.
"""

import dataclasses

from rsfm.training.experiment import find_config, load_config, load_module

NANO = "rsfm/checkpoints/nano"
FIRST = load_config("contrastive_aid")
DATASETS = load_module(find_config("contrastive_aid")).DATASETS

CONFIG = dataclasses.replace(
    FIRST,
    name="contrastive_nano",
    train=dataclasses.replace(
        FIRST.train, steps=150, optimizer=dataclasses.replace(FIRST.train.optimizer, learning_rate=5e-4)
    ),
    init_parts={part: NANO for part in ("tokenizers.optical", "location", "encoder", "connector", "decoder")},
)
