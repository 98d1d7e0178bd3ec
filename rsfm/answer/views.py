"""Answers in other people's tools: a plot, an xarray Dataset, a GeoDataFrame, files in a folder, HTML for a notebook.

Each kind of head gives its part.   h w pixels
"""

import html
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.answer.products import answer_files, kinds
from rsfm.data.writing.atomic import written_folder
from rsfm.data.writing.vectors import box_features
from rsfm.errors import UserError
from rsfm.finite import to_text
from rsfm.types import Answer

EXTRAS = {
    "matplotlib": "notebooks",
    "xarray": "geo",
    "rioxarray": "geo",
    "geopandas": "geo",
}  # library -> extra of rsfm


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


def to_json(answer: Answer) -> dict[str, Any]:
    """What answer.json says: text, what each kind of head made, how sure it is, notes."""
    out: dict[str, Any] = {"question": answer.question, "text": answer.text}
    for kind in kinds().values():
        out |= kind.to_json(answer)
    if answer.confidence is not None:
        out["confidence"] = round(answer.confidence, 4)
    if answer.declined:
        out["declined"] = True
    if answer.notes:
        out["notes"] = list(answer.notes)
    return out


def plot(answer: Answer, ax: Any = None, *, picture: np.ndarray | None = None) -> Any:
    """Draws what the heads made of an answer: a map, the numbers of each pixel, boxes; one in words is its title.

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
    for kind in kinds().values():
        kind.draw(answer, ax, alpha=1.0 if picture is None else 0.6)
    if answer.boxes is not None:
        for corners, label in zip(answer.boxes.corners, answer.boxes.labels, strict=True):
            ax.fill(corners[:, 0], corners[:, 1], fill=False, edgecolor="crimson")
            ax.annotate(label, corners[0], color="crimson")
    if ax.has_data() and not ax.yaxis_inverted():  # shapes alone: rows run down
        ax.invert_yaxis()
        ax.set_aspect("equal")
    return ax


def to_xarray(answer: Answer) -> Any:
    """An xarray Dataset with what an answer has on its map grid: `mask`, `probability`, `values`, ...

    Raises:
        UserError: the answer holds no map.
    """
    xr = library("xarray")
    layers: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for kind in kinds().values():
        layers |= kind.layers(answer)
        coordinates |= kind.coordinates(answer)
    if not layers:
        raise UserError(
            f"'{answer.question}' was answered in words: there is no map. Ask for one, e.g. \"Map the water.\""
        )
    made = xr.Dataset(layers, coords=coordinates, attrs={"question": answer.question, "text": answer.text})
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


def to_geopandas(answer: Answer) -> Any:
    """A GeoDataFrame of an answer's shapes, polygons of a map's classes or boxes, in the CRS of the answer's grid.

    Without a georeference the coordinates are pixels, x right and y down.

    Raises:
        UserError: the answer holds none.
    """
    geopandas, shapely = library("geopandas"), importlib.import_module("shapely")
    parts = [part for kind in kinds().values() if (part := kind.features(answer)) is not None]
    parts += [] if answer.boxes is None else [box_features(answer.boxes)]
    if not parts:
        raise UserError(f"'{answer.question}' was answered without polygons. Ask for a map or for boxes.")
    features = [feature for part in parts for feature in part]
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    crs = None
    if answer.grid is not None and answer.grid.crs is not None:
        a, b, c, d, e, f = answer.grid.transform
        shapes = [shapely.affinity.affine_transform(shape, (a, b, d, e, c, f)) for shape in shapes]
        crs = answer.grid.crs
    table = [feature["properties"] for feature in features]
    return geopandas.GeoDataFrame(table, geometry=shapes, crs=crs)


def save(answer: Answer, folder: str | Path) -> list[Path]:
    """Writes answer.json and the files of each kind of head: of a map mask.tif (COG) and mask.geojson, or values.tif.

    Args:
        answer: what to keep.
        folder: made if it is not there; files of the same names in it are replaced, all or none.

    Returns:
        The files.
    """
    folder = Path(folder)
    with written_folder(folder) as scratch:
        names = answer_files(scratch, answer, "")
        (scratch / "answer.json").write_text(to_text({**answer.to_json(), "files": names}) + "\n", encoding="utf-8")
    return [folder / name for name in ("answer.json", *names)]


def html_of(answer: Answer) -> str:
    """A small table for notebooks: question, text, and the rows of each kind of head, as numbers with their intervals."""
    rows = [(html.escape(answer.question), f"<b>{html.escape(answer.text)}</b>")]
    rows += [row for kind in kinds().values() for row in kind.rows(answer)]
    rows += [("note", html.escape(note)) for note in answer.notes]
    cells = "".join(f"<tr><td>{left}</td><td style='text-align:left'>{right}</td></tr>" for left, right in rows)
    return f"<table>{cells}</table>"
