"""Small pictures with fields of known classes, and their labels in every layout.  Tests alone use it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from rasterio.transform import from_origin

WEST, NORTH, PIXEL, FIELD = 404_400.0, 5_342_400.0, 10.0, 16  # of the first picture; a field's edge in pixels
CRS = "EPSG:32633"
NAMES = ("maize", "water", "wheat")


def fields(side: int = 4, seed: int = 0) -> np.ndarray:
    """The class of each field; every class is there."""
    classes = np.random.default_rng(seed).integers(0, len(NAMES), (side, side))
    classes.flat[: len(NAMES)] = range(len(NAMES))
    return classes


def write_picture(
    path: Path, classes: np.ndarray, *, crs: str | None = CRS, west: float = WEST, dates: int = 1
) -> Path:
    """A Sentinel-2 picture whose bands tell the classes."""
    rng, index = np.random.default_rng(1), np.kron(classes, np.ones((FIELD, FIELD), int))
    levels = np.linspace(400, 3000, len(NAMES))[index]
    values = (levels + rng.normal(0, 30, (12, *index.shape))).clip(1, 9999).astype("uint16")
    place: dict[str, Any] = {"transform": from_origin(west, NORTH, PIXEL, PIXEL), "crs": crs} if crs else {}
    size = {"height": index.shape[0], "width": index.shape[1], "count": 12, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **size, **place) as dataset:
        dataset.write(values)
    return path


def polygons(classes: np.ndarray, *, west: float = WEST, inset: float = 0.0) -> list[tuple[str, shapely.Polygon]]:
    """The fields in the first picture's CRS, `inset` metres smaller at each edge."""
    edge = FIELD * PIXEL
    return [
        (
            NAMES[classes[row, column]],
            shapely.box(
                west + column * edge + inset,
                NORTH - (row + 1) * edge + inset,
                west + (column + 1) * edge - inset,
                NORTH - row * edge - inset,
            ),
        )
        for row, column in np.ndindex(*classes.shape)
    ]


def in_degrees(shape: Any) -> Any:
    """A shape in longitude and latitude."""
    way = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return shapely.transform(shape, lambda p: np.stack(way.transform(p[:, 0], p[:, 1]), -1))


def write_geojson(path: Path, shapes: list[tuple[Any, Any]], column: str = "crop") -> Path:
    """Shapes of the first picture's CRS as GeoJSON."""
    features = [
        {"type": "Feature", "properties": {column: value}, "geometry": shapely.geometry.mapping(in_degrees(shape))}
        for value, shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
