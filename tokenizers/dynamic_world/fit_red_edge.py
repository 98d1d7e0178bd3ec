"""Fits the red edge of Sentinel-2 (B05 B06 B07) from the bands that Landsat has too, for Dynamic World on Landsat and HLS.

    python tokenizers/dynamic_world/fit_red_edge.py

Least squares on the same number of pixels of each of 21 places (satclip_s2_global, terramesh; L2A), without a constant, so that
brighter light gives a brighter red edge. Prints R2 of each band on places left out in turn, and the table of
rsfm/models/published/dynamic_world.py.
"""

from collections.abc import Iterator

import numpy as np

from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.models.published.dynamic_world import BANDS, RED_EDGE_BANDS
from rsfm.sensors import SENSORS

PIXELS = 4000
SPLITS = {"satclip_s2_global": ("train", "val", "test"), "terramesh": ("train", "test")}


def places() -> Iterator[np.ndarray]:
    """Reflectance of BANDS at some pixels of each place."""
    rng, names = np.random.default_rng(0), [band.name for band in SENSORS["sentinel2_l2a"].bands]
    for dataset, splits in SPLITS.items():
        for split in splits:
            for record in DATASETS[dataset](data_root(), split):
                seen = record.observations["sentinel2_l2a"]
                values = seen.values[0][seen.valid[0]][:, [names.index(band) for band in BANDS]]
                yield values[rng.choice(len(values), min(PIXELS, len(values)), replace=False)].astype(np.float64)


def main() -> None:
    target = [BANDS.index(band) for band in RED_EDGE_BANDS]
    source = [i for i in range(len(BANDS)) if i not in target]
    every = [(place[:, source], place[:, target]) for place in places()]
    left = []
    for i, (x, y) in enumerate(every):
        others = [pair for j, pair in enumerate(every) if j != i]
        left.append((y, x @ fit(others)))
    truth, guess = (np.concatenate([pair[k] for pair in left]) for k in (0, 1))
    spread = ((truth - truth.mean(0)) ** 2).sum(0)
    error = ((truth - guess) ** 2).mean(0)
    for name, wrong, r2 in zip(RED_EDGE_BANDS, error, 1 - error * len(truth) / spread, strict=True):
        print(f"{name} on places left out: R2 {r2:.4f}, RMSE {wrong**0.5:.4f}")
    for row, name in zip(fit(every).T.round(4).tolist(), RED_EDGE_BANDS, strict=True):
        print(f'    "{name}": {tuple(row)},')


def fit(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    x, y = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    return np.linalg.lstsq(x, y, rcond=None)[0]


if __name__ == "__main__":
    main()
