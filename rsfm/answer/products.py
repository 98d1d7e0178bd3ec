"""The files answers leave: answer.json, and of a map COG, GeoJSON and a picture.  h w pixels"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsfm.answer.footprint import Footprint
from rsfm.data.resample import nearest
from rsfm.data.writing.overlay import write_overlay
from rsfm.data.writing.quicklook import quicklook
from rsfm.data.writing.rasters import write_image, write_mask
from rsfm.data.writing.vectors import mask_features, write_geojson
from rsfm.finite import to_text
from rsfm.quantities import unit_in_words
from rsfm.types import Answer, GeoGrid, Mask

OVERLAY_EDGE = 1024  # longest edge of overlay.png's pictures in pixels
POLYGON_PIXELS = 4_000_000  # a larger map is thinned before polygons are drawn: their number grows with its noise


def write_products(
    folder: Path, answers: Sequence[Answer], footprint: Footprint, *, about: dict[str, Any]
) -> list[str]:
    """Writes answer.json and the files of every map; those of the second map are named mask_2.tif, and so on.

    A map of numbers is a float COG of three bands: the value and both ends of its 90 % interval, NaN without data.

    Args:
        folder: existing folder to write to.
        answers: in the order asked.
        footprint: what they are about.
        about: what answer.json says beside them: scenes, sensors, checkpoint.

    Returns:
        The names of the files.
    """
    names, told, maps = ["answer.json"], [], 0
    for answer in answers:
        entry = answer.to_json()
        if answer.mask is not None:
            maps += 1
            entry["files"] = write_map(folder, answer, footprint, "" if maps == 1 else f"_{maps}")
            names += entry["files"]
        if answer.value_map is not None:
            maps += 1
            entry["files"] = value_files(folder, answer, footprint.grid, "" if maps == 1 else f"_{maps}")
            names += entry["files"]
        told.append(entry)
    (folder / "answer.json").write_text(to_text({**about, "answers": told}) + "\n", encoding="utf-8")
    return names


def write_map(folder: Path, answer: Answer, footprint: Footprint, suffix: str = "") -> list[str]:
    """Writes the mask of an answer as COG, GeoJSON and PNG, and its probabilities as a float COG where it has them.

    Returns:
        The names of the files.
    """
    mask = answer.mask
    assert mask is not None
    names = map_files(folder, answer, footprint.grid, suffix)
    rgb = quicklook(footprint.overview(OVERLAY_EDGE))
    overlay = f"overlay{suffix}.png"
    write_overlay(folder / overlay, rgb, resampled(mask, *rgb.shape[:2]), title=answer.question)
    return [*names[:2], overlay, *names[2:]]


def map_files(folder: Path, answer: Answer, grid: GeoGrid | None, suffix: str = "") -> list[str]:
    """Writes what of a map needs no picture: the mask as COG and GeoJSON, its probabilities where the answer has them."""
    mask = answer.mask
    assert mask is not None
    names = [f"mask{suffix}.tif", f"mask{suffix}.geojson"]
    write_mask(folder / names[0], mask, grid)
    coarse, coarse_grid = thinned(mask, grid, POLYGON_PIXELS)
    write_geojson(folder / names[1], mask_features(coarse), coarse_grid)
    if answer.probability is not None:
        names.append(f"probability{suffix}.tif")
        write_image(folder / names[-1], answer.probability.transpose(1, 2, 0), grid, mask.legend)
    return names


def value_files(folder: Path, answer: Answer, grid: GeoGrid | None, suffix: str = "") -> list[str]:
    """Writes a map of numbers as a float COG of three bands: the value and both ends of its 90 % interval."""
    value, name = answer.values[0], f"values{suffix}.tif"
    assert answer.value_map is not None
    named = f"{value.name.removeprefix('mean ')} {unit_in_words(value.unit)}".rstrip()
    write_image(folder / name, answer.value_map, grid, (named, f"{named}, 5 %", f"{named}, 95 %"))
    return [name]


def thinned(mask: Mask, grid: GeoGrid | None, most_pixels: int) -> tuple[Mask, GeoGrid | None]:
    """Every n-th pixel of a mask that has more than `most_pixels`, with the grid that belongs to it."""
    step = 1
    while mask.class_index.size / step**2 > most_pixels:
        step += 1
    index = mask.class_index[::step, ::step]
    if grid is not None:
        a, b, c, d, e, f = grid.transform
        transform = (a * step, b * step, c, d * step, e * step, f)
        grid = dataclasses.replace(grid, transform=transform, height=index.shape[0], width=index.shape[1])
    return Mask(class_index=index, legend=mask.legend), grid


def resampled(mask: Mask, height: int, width: int) -> Mask:
    """The mask at another size by nearest neighbour."""
    return Mask(class_index=nearest(mask.class_index, height, width), legend=mask.legend)
