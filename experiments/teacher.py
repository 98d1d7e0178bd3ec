"""Writes windows of a Sentinel-2 scene with Dynamic World's classes, where it is sure of them, as a folder to train on.

Command:  python -m experiments.teacher SCENE... --out teacher --sensor sentinel2_l1c
          (then a config with the folder as a source: experiments/configs/nano_teacher.py)
Expected: a few dozen windows; fields, towns and water of a scene that nobody has labelled.
Result:   labels.jsonl with images/ and masks/ beside it, classes in the common legend; LOG.md says what nano gained.

A series is labelled by the mean over its dates, and each date is a window of its own. A pixel whose likeliest class has a chance
below --least is unlabelled. The published model is the teacher: its errors are learnt, too.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rasterio
import tyro

from rsfm.answer.footprint import Footprint, open_source
from rsfm.answer.land_cover import LandCover
from rsfm.data.landcover import COVER, DYNAMIC_WORLD
from rsfm.data.writing.rasters import write_image
from rsfm.pretrained import load
from rsfm.sensors import SENSORS
from rsfm.types import GeoGrid

UNLABELLED = 255


def main(
    scene: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Annotated[Path, tyro.conf.arg(help_behavior_hint="required")],
    sensor: str = "sentinel2_l1c",
    size: int = 192,
    least: float = 0.5,
    labelled: float = 0.3,
) -> None:
    """Cuts the scene into windows side by side and writes those that the teacher knows.

    Args:
        scene: the files of one scene.
        out: folder to make.
        sensor: key of SENSORS.
        size: edge of a window in pixels.
        least: chance of the likeliest class below which a pixel is unlabelled.
        labelled: share of labelled pixels that a window must have.
    """
    teacher = load("dynamic_world")
    assert isinstance(teacher, LandCover)
    footprint = open_source([str(path) for path in scene], sensor=sensor)
    answer = teacher.predict([str(path) for path in scene], "Map the land cover.", sensor=sensor, probability=True)
    assert answer.mask is not None and answer.probability is not None and footprint.grid is not None
    names = np.array([COVER.index(DYNAMIC_WORLD[name][0]) for name in answer.mask.legend] + [UNLABELLED])
    sure = answer.probability.max(0) >= least
    classes = np.where(sure, names[answer.mask.class_index], UNLABELLED).astype(np.uint8)
    bands = band_names(footprint, sensor)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True)
    legend = {str(i): name for i, name in enumerate(COVER)}
    with (out / "labels.jsonl").open("w", encoding="utf-8") as table:
        for top in range(0, footprint.height - size + 1, size):
            for left in range(0, footprint.width - size + 1, size):
                part = classes[top : top + size, left : left + size]
                if (part != UNLABELLED).mean() < labelled:
                    continue
                move = rasterio.Affine(*footprint.grid.transform) * rasterio.Affine.translation(left, top)
                mask = f"masks/{top}_{left}.tif"
                write(
                    out / mask,
                    np.where(part == UNLABELLED, np.nan, part).astype(np.float32)[None],
                    footprint.grid.crs,
                    move,
                )
                (seen,) = footprint.read((top, left, size, size)).observations.values()
                for k, values in enumerate(np.where(seen.cells, seen.values, np.nan)):
                    image = f"images/{top}_{left}_{k}.tif"
                    write(out / image, np.moveaxis(values, -1, 0), footprint.grid.crs, move, bands=bands)
                    row = {"images": [image], "mask": mask, "legend": legend, "sensor": sensor, "unit": "reflectance"}
                    table.write(json.dumps(row | {"split": "train"}) + "\n")
    print(f"{out}: {len((out / 'labels.jsonl').read_text(encoding='utf-8').splitlines())} windows")


def band_names(footprint: Footprint, sensor: str) -> list[str]:
    """Names of the scene's bands, by their wavelengths."""
    (seen,) = footprint.read((0, 0, 1, 1)).observations.values()
    table = {np.float32(band.center_um): band.name for band in SENSORS[sensor].bands}
    return [table[np.float32(center)] for center in np.asarray(seen.wavelength_um)]


def write(path: Path, values: np.ndarray, crs: str | None, move: Any, bands: Sequence[str] = ()) -> None:
    """A GeoTIFF of bands `[c h w]`."""
    count, height, width = values.shape
    grid = GeoGrid(crs=crs, transform=tuple(move)[:6], height=height, width=width)
    write_image(path, np.moveaxis(values, 0, -1), grid, tuple(bands) or ("class",))


if __name__ == "__main__":
    tyro.cli(main)
