"""Answers in other people's tools: a plot, an xarray Dataset, a GeoDataFrame, files in a folder, HTML for a notebook.

h w pixels · m classes
"""

import html
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.answer.products import map_files, value_files
from rsfm.data.writing.atomic import written_folder
from rsfm.data.writing.palette import class_colours
from rsfm.data.writing.vectors import box_features, mask_features
from rsfm.errors import UserError
from rsfm.finite import to_text
from rsfm.quantities import unit_in_words
from rsfm.types import Answer

EXTRAS = {
    "matplotlib": "notebooks",
    "xarray": "geo",
    "rioxarray": "geo",
    "geopandas": "geo",
}  # library -> extra of rsfm
VALUE_NAMES = ("value", "low", "high")  # layers of a map of numbers: the number and both ends of its 90 % interval


def library(name: str) -> Any:
    """A library that rsfm does without, imported when it is used.

    Raises:
        UserError: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        raise UserError(f"This needs {top}, which is not installed: pip install 'rsfm[{EXTRAS[top]}]'.") from error


def plot(answer: Answer, ax: Any = None, *, picture: np.ndarray | None = None) -> Any:
    """Draws the map, the numbers of each pixel or the boxes of an answer; one in words is its title.

    Args:
        answer: what to draw.
        ax: of matplotlib; a new one if not given.
        picture: (h w 3) to draw it over.

    Returns:
        The axes.
    """
    plt = library("matplotlib.pyplot")
    ax = plt.subplots()[1] if ax is None else ax
    ax.set_title(f"{answer.question}\n{answer.text[:120]}", fontsize="medium")
    ax.set_axis_off()
    if picture is not None:
        ax.imshow(picture)
    if answer.mask is not None:
        _plot_mask(ax, answer, 1.0 if picture is None else 0.6)
    if answer.value_map is not None:
        drawn = ax.imshow(answer.value_map[..., 0], cmap="viridis", interpolation="nearest")
        ax.figure.colorbar(drawn, ax=ax, label=value_label(answer))
    if answer.boxes is not None:
        for corners, label in zip(answer.boxes.corners, answer.boxes.labels, strict=True):
            ax.fill(corners[:, 0], corners[:, 1], fill=False, edgecolor="crimson")
            ax.annotate(label, corners[0], color="crimson")
        if picture is None:
            ax.invert_yaxis()  # rows run down
            ax.set_aspect("equal")
    return ax


def _plot_mask(ax: Any, answer: Answer, alpha: float) -> None:
    patches = library("matplotlib.patches")
    assert answer.mask is not None
    index, legend = answer.mask.class_index, answer.mask.legend
    colours = np.array([*class_colours(legend), (255, 255, 255)]) / 255  # index -1 reads the last
    seen = np.where(index >= 0, alpha, 0.0)[..., None]
    ax.imshow(np.concatenate([colours[np.clip(index, -1, len(legend) - 1)], seen], axis=-1), interpolation="nearest")
    handles = [patches.Patch(color=colour, label=name) for name, colour in zip(legend, colours, strict=False)]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def value_label(answer: Answer) -> str:
    """Name and unit of the quantity whose map an answer holds."""
    if not answer.values:
        return "value"
    value = answer.values[0]
    return f"{value.name.removeprefix('mean ')} {unit_in_words(value.unit)}".rstrip()


def to_xarray(answer: Answer) -> Any:
    """An xarray Dataset with what an answer has of `mask`, `probability` and `values`, on its map grid.

    `mask` holds the index into its attribute `legend`, -1 = no class; `values` has the layers value, low and high.

    Raises:
        UserError: the answer holds no map.
    """
    xr = library("xarray")
    layers: dict[str, Any] = {}
    if answer.mask is not None:
        names: dict[str, Any] = {
            "legend": list(answer.mask.legend),
            "flag_meanings": " ".join(_joined(n) for n in answer.mask.legend),
        }
        names["flag_values"] = list(range(len(answer.mask.legend)))
        layers["mask"] = (("y", "x"), answer.mask.class_index, names)
    if answer.probability is not None and answer.mask is not None:
        layers["probability"] = (("class", "y", "x"), answer.probability, {})
    if answer.value_map is not None:
        layers["values"] = (
            ("layer", "y", "x"),
            np.moveaxis(answer.value_map, -1, 0),
            {"long_name": value_label(answer)},
        )
    if not layers:
        raise UserError(
            f"'{answer.question}' was answered in words: there is no map. Ask for one, e.g. \"Map the water.\""
        )
    coords: dict[str, Any] = {"layer": list(VALUE_NAMES)} if "values" in layers else {}
    if "probability" in layers and answer.mask is not None:
        coords["class"] = list(answer.mask.legend)
    made = xr.Dataset(layers, coords=coords, attrs={"question": answer.question, "text": answer.text})
    return _placed(made, answer)


def _placed(dataset: Any, answer: Answer) -> Any:
    """The Dataset with the coordinates and the CRS of the answer's grid, as rioxarray writes them."""
    grid = answer.grid
    if grid is None or grid.crs is None:
        return dataset
    a, b, c, d, e, f = grid.transform
    if b == d == 0:  # else rows and columns are no axes of the map
        dataset = dataset.assign_coords(
            x=c + a * (np.arange(grid.width) + 0.5), y=f + e * (np.arange(grid.height) + 0.5)
        )
    library("rioxarray")
    transform = library("rasterio").Affine(a, b, c, d, e, f)
    return dataset.rio.write_crs(grid.crs).rio.write_transform(transform)


def _joined(name: str) -> str:
    return name.replace(" ", "_")


def to_geopandas(answer: Answer) -> Any:
    """A GeoDataFrame of the polygons of a map's classes, or of the boxes, in the CRS of the answer's grid.

    Without a georeference the coordinates are pixels, x right and y down.

    Raises:
        UserError: the answer holds neither.
    """
    geopandas, shapely = library("geopandas"), importlib.import_module("shapely")
    features = [] if answer.mask is None else mask_features(answer.mask)
    features += [] if answer.boxes is None else box_features(answer.boxes)
    if answer.mask is None and answer.boxes is None:
        raise UserError(f"'{answer.question}' was answered without polygons. Ask for a map or for boxes.")
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    crs = None
    if answer.grid is not None and answer.grid.crs is not None:
        a, b, c, d, e, f = answer.grid.transform
        shapes = [shapely.affinity.affine_transform(shape, (a, b, d, e, c, f)) for shape in shapes]
        crs = answer.grid.crs
    table = [feature["properties"] for feature in features]
    return geopandas.GeoDataFrame(table, geometry=shapes, crs=crs)


def save(answer: Answer, folder: str | Path) -> list[Path]:
    """Writes answer.json and, of a map, mask.tif (COG) and mask.geojson, probability.tif or values.tif.

    Args:
        answer: what to keep.
        folder: made if it is not there; files of the same names in it are replaced, all or none.

    Returns:
        The files.
    """
    folder = Path(folder)
    with written_folder(folder) as scratch:
        entry, names = answer.to_json(), []
        if answer.mask is not None:
            names += map_files(scratch, answer, answer.grid)
        if answer.value_map is not None:
            names += value_files(scratch, answer, answer.grid)
        (scratch / "answer.json").write_text(to_text({**entry, "files": names}) + "\n", encoding="utf-8")
    return [folder / name for name in ("answer.json", *names)]


def html_of(answer: Answer) -> str:
    """A small table for notebooks: question, text, numbers with their intervals, legend with shares."""
    rows = [(html.escape(answer.question), f"<b>{html.escape(answer.text)}</b>")]
    for value in answer.values:
        interval = "" if value.low is None or value.high is None else f" [{value.low:.4g}, {value.high:.4g}]"
        rows.append((html.escape(value.name), html.escape(f"{value.value:.4g}{interval} {unit_in_words(value.unit)}")))
    if answer.mask is not None:
        colours = class_colours(answer.mask.legend)
        for name, share, colour in zip(answer.mask.legend, answer.mask.shares, colours, strict=True):
            box = f'<span style="background:rgb{colour};padding:0 .6em">&nbsp;</span>'
            rows.append((box, html.escape(f"{name} {100 * share:.1f} %")))
    rows += [("note", html.escape(note)) for note in answer.notes]
    cells = "".join(f"<tr><td>{left}</td><td style='text-align:left'>{right}</td></tr>" for left, right in rows)
    return f"<table>{cells}</table>"
