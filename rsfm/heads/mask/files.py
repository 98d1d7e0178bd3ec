"""The map of an answer as files, pictures, layers and shapes.   h w pixels · m classes"""

import dataclasses
import html
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from rsfm.data.resample import nearest
from rsfm.data.writing.overlay import write_overlay
from rsfm.data.writing.palette import class_colours
from rsfm.data.writing.rasters import write_image, write_mask
from rsfm.data.writing.vectors import Feature, mask_features, write_geojson
from rsfm.types import Answer, GeoGrid, Mask

POLYGON_PIXELS = 4_000_000  # a larger map is thinned before polygons are drawn: their number grows with its noise


def map_files(folder: Path, answer: Answer, suffix: str) -> list[str]:
    """Writes the mask as COG and GeoJSON, and its probabilities as a float COG where the answer has them."""
    mask, grid = answer.mask, answer.grid
    if mask is None:
        return []
    names = [f"mask{suffix}.tif", f"mask{suffix}.geojson"]
    write_mask(folder / names[0], mask, grid)
    coarse, coarse_grid = thinned(mask, grid, POLYGON_PIXELS)
    write_geojson(folder / names[1], mask_features(coarse), coarse_grid)
    if answer.probability is not None:
        names.append(f"probability{suffix}.tif")
        write_image(folder / names[-1], answer.probability.transpose(1, 2, 0), grid, mask.legend)
    return names


def map_overlay(path: Path, answer: Answer, picture: Shaped[np.ndarray, "h w 3"]) -> bool:
    """Writes the mask over a picture, with its legend, as PNG; False where the answer has no mask."""
    if answer.mask is None:
        return False
    write_overlay(path, picture, resampled(answer.mask, *picture.shape[:2]), title=answer.question)
    return True


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


def draw_map(ax: Any, mask: Mask, alpha: float) -> None:
    """Draws the classes in their colours, and a legend beside them."""
    from matplotlib.patches import Patch

    index, legend = mask.class_index, mask.legend
    colours = np.array([*class_colours(legend), (255, 255, 255)]) / 255  # index -1 reads the last
    seen = np.where(index >= 0, alpha, 0.0)[..., None]
    ax.imshow(np.concatenate([colours[np.clip(index, -1, len(legend) - 1)], seen], axis=-1), interpolation="nearest")
    handles = [Patch(color=colour, label=name) for name, colour in zip(legend, colours, strict=False)]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def map_layers(answer: Answer) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """`mask`, the index into its attribute `legend`, -1 = no class; and `probability` where the answer has it."""
    if answer.mask is None:
        return {}
    legend = answer.mask.legend
    named = {
        "legend": list(legend),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in legend),
        "flag_values": list(range(len(legend))),
    }
    layers: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {}
    layers["mask"] = (("y", "x"), answer.mask.class_index, named)
    if answer.probability is not None:
        layers["probability"] = (("class", "y", "x"), answer.probability, {})
    return layers


def map_features(answer: Answer) -> list[Feature] | None:
    """The polygons of the classes."""
    return None if answer.mask is None else mask_features(answer.mask)


def map_rows_of_html(answer: Answer) -> list[tuple[str, str]]:
    """Each class with its colour and its share."""
    if answer.mask is None:
        return []
    rows = []
    for name, share, colour in zip(
        answer.mask.legend, answer.mask.shares, class_colours(answer.mask.legend), strict=True
    ):
        box = f'<span style="background:rgb{colour};padding:0 .6em">&nbsp;</span>'
        rows.append((box, html.escape(f"{name} {100 * share:.1f} %")))
    return rows
