"""Shapes on the map: boxes and the regions of a mask as GeoJSON features (RFC 7946).  n boxes"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.features import shapes
from rasterio.warp import transform as warp_points

from rsfm.data.writing.atomic import write_json
from rsfm.types import Boxes, GeoGrid, Mask

Feature = dict[str, Any]  # {"geometry": GeoJSON geometry in pixels (x right, y down), "properties": {...}}
_DIGITS = 7  # a centimetre


def box_features(boxes: Boxes) -> list[Feature]:
    """One polygon a box, with its label."""
    rings = np.concatenate([boxes.corners, boxes.corners[:, :1]], axis=1)
    return [
        {"geometry": {"type": "Polygon", "coordinates": [ring.tolist()]}, "properties": {"label": label}}
        for ring, label in zip(rings, boxes.labels, strict=True)
    ]


def mask_features(mask: Mask, *, min_pixels: int = 1) -> list[Feature]:
    """One polygon a connected region of a class, with the class and its size in pixels.

    Args:
        mask: class of each pixel; unlabelled pixels make no region.
        min_pixels: smaller regions are left out.
    """
    features = []
    for geometry, value in shapes(mask.class_index.astype(np.int32), mask=mask.class_index >= 0):
        pixels = round(
            sum(abs(_doubled_area(ring)) * (1 if i == 0 else -1) for i, ring in enumerate(geometry["coordinates"])) / 2
        )
        if pixels >= min_pixels:
            features.append({"geometry": geometry, "properties": {"class": mask.legend[int(value)], "pixels": pixels}})
    return features


def write_geojson(path: str | Path, features: Sequence[Feature], grid: GeoGrid | None) -> None:
    """Writes features in longitude and latitude; in pixels, and saying so, where the grid has no CRS.

    Args:
        path: the file to write.
        features: geometries in pixels of `grid`, as `box_features` and `mask_features` give them.
        grid: the map grid; None is one without CRS.
    """
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    placed = grid is not None and grid.crs is not None
    if not placed:
        collection["coordinates"] = "pixels of the image, x right and y down: it has no CRS"
    geometries = [feature["geometry"] for feature in features]
    if grid is not None and placed:
        geometries = _on_earth(geometries, grid)
    collection["features"] = [
        {"type": "Feature", "geometry": _wound(geometry), "properties": feature.get("properties", {})}
        for geometry, feature in zip(geometries, features, strict=True)
    ]
    write_json(path, collection)


def _on_earth(geometries: Sequence[dict[str, Any]], grid: GeoGrid) -> list[dict[str, Any]]:
    """Pixels to longitude and latitude, all points in one call: one for each polygon takes minutes for a large mask."""
    points: list[Sequence[float]] = []
    _each_point(geometries, lambda point: points.append(point))
    if not points:
        return list(geometries)
    a, b, c, d, e, f = grid.transform
    x, y = np.asarray(points, float)[:, :2].T
    source, target = CRS.from_user_input(grid.crs), CRS.from_epsg(4326)
    longitude, latitude = warp_points(source, target, a * x + b * y + c, d * x + e * y + f)
    moved = iter(np.round(np.stack([longitude, latitude], -1), _DIGITS).tolist())
    return [
        {"type": geometry["type"], "coordinates": _each_point([geometry], lambda _: next(moved))[0]}
        for geometry in geometries
    ]


def _each_point(geometries: Sequence[dict[str, Any]], change: Callable[[Sequence[float]], Any]) -> list[Any]:
    def walk(part: Any) -> Any:
        return change(part) if isinstance(part[0], (int, float)) else [walk(inner) for inner in part]

    return [walk(geometry["coordinates"]) for geometry in geometries]


def _wound(geometry: dict[str, Any]) -> dict[str, Any]:
    """Outer rings counterclockwise and holes clockwise, as the standard wants."""
    if geometry["type"] == "MultiPolygon":
        return {"type": "MultiPolygon", "coordinates": [_wind(rings) for rings in geometry["coordinates"]]}
    if geometry["type"] == "Polygon":
        return {"type": "Polygon", "coordinates": _wind(geometry["coordinates"])}
    return {"type": geometry["type"], "coordinates": geometry["coordinates"]}


def _wind(rings: Sequence[Any]) -> list[Any]:
    return [list(ring) if (_doubled_area(ring) > 0) == (i == 0) else list(ring)[::-1] for i, ring in enumerate(rings)]


def _doubled_area(ring: Any) -> float:
    x, y = np.asarray(ring, float)[:, :2].T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
