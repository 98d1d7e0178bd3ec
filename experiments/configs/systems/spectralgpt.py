"""Do hidden cubes of bands and pixels teach an encoder of spectra what helps it map land cover?

Source:    SpectralGPT, Hong et al. 2024, arXiv:2311.07113.
Mechanism: cubes of 8 x 8 pixels and one band are hidden each by itself, nine in ten of them; targets are the pixels of hidden cubes
           and the sum of a place's cubes over the spectrum.
Differs:   a million 12-band Sentinel-2 pictures and 3 bands a cube there; here 192 patches of seven bands (HLS), one band a cube,
           two layers, 250 steps.
WITHOUT:   the second stage alone, from nothing.
Command:   rsfm train systems/spectralgpt --out runs/spectralgpt
           rsfm train systems/spectralgpt:WITHOUT --out runs/spectralgpt_without
Minutes:   5 and 3
Expected:  mIoU on places left out above WITHOUT; a random forest on a pixel has .265 there (common legend, another protocol).
Reached:   not run yet
Published: EuroSAT 99.21, BigEarthNet mAP 88.22; other data.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig, ReconstructionConfig
from rsfm.processor import HeadSlots
from rsfm.training.experiment import Stage, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "hls_optical", "split": "val", "task": "segmentation", "metric": "miou"}
DATASETS = {"hls_optical": SMALL.HlsOptical}
SIZE, EDGE, BANDS = 64, 8, 7
HEAD = ReconstructionConfig(outputs={"cubes": EDGE**2 * BANDS}, width=64, depth=1, heads=4)
WINDOW = AugmentConfig(crop=SIZE, location_drop=1.0, time_drop=1.0)
PLACES = Source(dataset="hls_optical", batch_size=16, text_length=128, augment=WINDOW)
PICTURES = dataclasses.replace(PLACES, objectives=("cubes",), text_length=16)
MAPS = dataclasses.replace(PLACES, tasks=("segmentation",), batch_size=8)

LAND = dataclasses.replace(
    SMALL.CONFIG,
    name="spectralgpt",
    model=dataclasses.replace(
        SMALL.CONFIG.model,
        streams={"optical": SMALL.optical(size=SIZE, patch=EDGE, bands=BANDS, pyramid=False)},
        heads={"mask": HeadConfig(), "reconstruction": HeadConfig(options=HEAD)},
    ),
    processor=dataclasses.replace(
        SMALL.CONFIG.processor, heads={"mask": HeadSlots(slots=11)}, map_streams=("optical",)
    ),
    init_parts={},
)
HIDDEN = SMALL.trained(250, objectives={"cubes": {"bands": 1}})
CONFIG = dataclasses.replace(
    LAND,
    stages=(
        Stage(name="cubes", data=(PICTURES,), train=HIDDEN),
        Stage(name="maps", data=(MAPS,), train=SMALL.trained(250)),
    ),
)
WITHOUT = dataclasses.replace(LAND, data=(MAPS,), train=SMALL.trained(250))
