"""Does a patch that is hidden in part teach more about small things than one that is hidden whole?

Source:    RingMo, Sun et al. 2022, doi:10.1109/TGRS.2022.3194732.
Mechanism: patch-incomplete masking: three quarters of the pixels of a hidden patch are hidden, so that its token is seen in part and
           an object smaller than a patch does not vanish.
Differs:   2 million pictures and a Swin there; 7,946 of AID and a plain stack of two layers here, from nothing; the target is the
           frozen random projection of a patch (OlmoEarth), not its pixels.
WITHOUT:   the same two stages with whole patches hidden.
Command:   rsfm train systems/ringmo --out runs/ringmo
           rsfm train systems/ringmo:WITHOUT --out runs/ringmo_without
Minutes:   4 each
Expected:  accuracy above the most frequent class (.04), and above WITHOUT by a little.
Reached:   not run yet
Published: AID scene accuracy 96.90 / 98.34 (20 / 50 % training), another protocol.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.heads import HeadConfig, ReconstructionConfig
from rsfm.training.experiment import ExperimentConfig, Stage, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "scene", "metric": "accuracy"}
HEAD = ReconstructionConfig(outputs={"tokens": 0}, width=64, depth=1, heads=4)


def hiding(pixels: float) -> ExperimentConfig:
    """Both stages, with this share of the pixels of a hidden patch hidden."""
    objectives = {"masked": {"hiding": {"places": 0.6, "edge": 8, "pixels": pixels}}}
    pictures = Source(dataset="aid_rsicd", objectives=("masked",), batch_size=32, text_length=16)
    return dataclasses.replace(
        SMALL.CONFIG,
        name="ringmo",
        model=dataclasses.replace(
            SMALL.CONFIG.model,
            streams={"optical": SMALL.optical(size=64, patch=8, pyramid=False)},
            heads={"reconstruction": HeadConfig(options=HEAD)},
        ),
        stages=(
            Stage(name="masked", data=(pictures,), train=SMALL.trained(250, objectives=objectives, teacher_decay=1.0)),
            Stage(name="scenes", data=(SMALL.SCENES,), train=SMALL.trained(250)),
        ),
        init_parts={},
    )


CONFIG = hiding(0.75)
WITHOUT = hiding(1.0)
