"""Do the windows that a scene is mapped by show in the map?

Command:  python -m experiments.seams
Data:     real scenes larger than a window: the Landsat 7 scene and three aerial pictures of the data folder.
Expected: the mean step in class probability between neighbouring pixels is no larger at a window's edge than elsewhere.
Result:   LOG.md. Intervals redraw the edges.

m classes · h w pixels
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float

from rsfm.answer.footprint import Footprint, open_footprint
from rsfm.answer.maps import map_rows
from rsfm.data.root import data_root
from rsfm.heads.scene import Tiling
from rsfm.metrics import bootstrap_interval
from rsfm.pretrained import Pretrained, load_foundation
from rsfm.processor.plan import legend_plan

LEGEND = ("water", "trees", "crops", "built area")
SCENES = {
    "landsat7_stars/L7_ETMs.tif": "landsat7_etm",
    "geochat_demo/demo_images/04444.png": "aerial_rgb",
    "geochat_demo/demo_images/church_183.png": "aerial_rgb",
    "geochat_demo/demo_images/train_2956_0001.png": "aerial_rgb",
}


def probabilities(loaded: Pretrained, footprint: Footprint) -> Float[np.ndarray, "m h w"]:
    """Class probabilities of a whole scene, made of windows."""
    plan = legend_plan(loaded.processor.config, LEGEND)
    rows = map_rows(loaded.model, loaded.processor, footprint, plan, batch_size=1)
    return np.concatenate([part.probability for part in rows], axis=1)


def edges(length: int, size: int) -> list[int]:
    """Steps between neighbouring pixels that lie at the edge of a window."""
    starts = Tiling(height=length, width=length, size=size).rows
    return sorted({edge - 1 for start in starts for edge in (start, start + size) if 0 < edge < length})


def steps(probability: Float[np.ndarray, "m h w"]) -> list[Float[np.ndarray, " n"]]:
    """Mean step between neighbouring rows, and between neighbouring columns."""
    return [np.abs(np.diff(probability, axis=axis)).mean((0, 3 - axis)) for axis in (1, 2)]


def at_and_elsewhere(
    probability: Float[np.ndarray, "m h w"], size: int
) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " b"]]:
    """The mean step of each line at a window's edge, and of each other line."""
    pairs = list(zip(steps(probability), (edges(n, size) for n in probability.shape[1:]), strict=True))
    at = np.concatenate([step[lines] for step, lines in pairs])
    return at, np.concatenate([np.delete(step, lines) for step, lines in pairs])


def main(checkpoint: str = "nano", data: Path | None = None, scenes: Sequence[str] = tuple(SCENES)) -> None:
    """Prints the mean steps of each scene.

    Args:
        checkpoint: name or folder.
        data: data folder.
        scenes: keys of SCENES.
    """
    loaded = load_foundation(checkpoint)
    size = loaded.config.streams["optical"].spec.size
    for name in scenes:
        footprint = open_footprint([(data or data_root()) / name], sensors=[SCENES[name]])
        at, elsewhere = at_and_elsewhere(probabilities(loaded, footprint), size)
        low, high = bootstrap_interval(at[:, None], lambda lines: float(lines.mean()))
        told = f"{at.mean():.5f} [{low:.5f}, {high:.5f}] at {len(at)} edges, {elsewhere.mean():.5f} elsewhere"
        print(f"{name}: {told}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
