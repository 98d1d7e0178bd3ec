"""Shapes on the map: boxes and the regions of a mask as GeoJSON features (RFC 7946).  n boxes"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float
from rasterio.features import shapes
from shapely.affinity import translate

from rsfm.data.reading.grids import ground_edge, on_earth
from rsfm.data.reading.ground import degrees, wrapped
from rsfm.data.writing.atomic import write_json
from rsfm.types import Boxes, GeoGrid, Mask

Feature = dict[str, Any]  # {"geometry": GeoJSON geometry in pixels (x right, y down), "properties": {...}}
Geometry = dict[str, Any]  # of GeoJSON
Path2 = Float[np.ndarray, "_ 2"]
EARTH_RADIUS_M = 6371008.8
RINGS = ("Polygon", "MultiPolygon")
_DIGITS = 7  # a centimetre
_LEAST_STRAIGHT, _MOST_STRAIGHT = 0.25, 512  # pixels of an edge without a point between
_FEWEST = 3  # points of a ring
_POLE = 90 - 1e-9


def box_features(boxes: Boxes) -> list[Feature]:
    """One polygon a box, with its label; of a predicted one also its score, length, width and angle.

    `angle_deg` is that of the longer side, 0 to 180 clockwise from the right on the picture; `length_px` and `width_px` are
    the sides in pixels.
    """
    rings = np.concatenate([boxes.corners, boxes.corners[:, :1]], axis=1)
    features = []
    for i, (ring, label) in enumerate(zip(rings, boxes.labels, strict=True)):
        properties: dict[str, Any] = {"label": label}
        if boxes.scores is not None:
            properties |= {"score": round(boxes.scores[i], 4), **_sides(ring)}
        features.append({"geometry": {"type": "Polygon", "coordinates": [ring.tolist()]}, "properties": properties})
    return features


def _sides(ring: Path2) -> dict[str, float]:
    """Length, width and angle of a rectangle."""
    first, second = ring[1] - ring[0], ring[2] - ring[1]
    long, short = sorted((first, second), key=lambda side: -float(np.hypot(*side)))
    angle = float(np.degrees(np.arctan2(long[1], long[0])) % 180)
    sizes = (round(float(np.hypot(*side)), 2) for side in (long, short))
    return dict(zip(("length_px", "width_px"), sizes, strict=True)) | {"angle_deg": round(angle, 1) % 180}


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
    """Writes features in longitude and latitude; in pixels, and saying so, where the grid has no place on Earth.

    Longitudes are -180..180: what crosses the antimeridian is cut there (RFC 7946, 3.1.9). Parts of a scene that its CRS
    cannot place are left out.

    Args:
        path: the file to write.
        features: geometries in pixels of `grid`, as `box_features` and `mask_features` give them.
        grid: the map grid; None is one without CRS.
    """
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    geometries: list[Geometry | None] = [feature["geometry"] for feature in features]
    if grid is not None and on_earth(grid):
        geometries = _on_earth([feature["geometry"] for feature in features], grid)
    else:
        why = "no CRS" if grid is None or grid.crs is None else "no longitude and latitude"
        collection["coordinates"] = f"pixels of the image, x right and y down: it has {why}"
    collection["features"] = [
        {"type": "Feature", "geometry": _wound(geometry), "properties": feature.get("properties", {})}
        for geometry, feature in zip(geometries, features, strict=True)
        if geometry is not None
    ]
    write_json(path, collection)


def _on_earth(geometries: Sequence[Geometry], grid: GeoGrid) -> list[Geometry | None]:
    """Pixels to longitude and latitude, all points in one call: one for each polygon takes minutes for a large mask.

    A polygon across the antimeridian or around a pole is cut there. None: a shape that lies at no place on Earth.
    """
    step = _longest_straight(grid)
    turned = _mirrored(grid)
    paths: list[Path2] = []
    for geometry in geometries:
        paths += [_dense(path, step) for path in _paths(geometry, turned)]
    if not paths:
        return [None] * len(geometries)
    points = np.concatenate(paths)
    ends = np.cumsum([len(path) for path in paths])
    placed = iter(np.split(np.round(degrees(grid, points[:, 0], points[:, 1]), _DIGITS), ends[:-1]))
    return [_rebuilt(geometry, [next(placed) for _ in _paths(geometry, turned)]) for geometry in geometries]


def _longest_straight(grid: GeoGrid) -> float:
    """Pixels over which an edge may be drawn straight in degrees: it strays from the map's by a fiftieth of a pixel at most.

    A straight line of length s bends by s^2 / 8 r against the parallels, at a distance r from the pole along the ground.
    """
    edge_m = ground_edge(grid) or 1.0
    right, down = np.meshgrid(np.linspace(0, grid.width, 5), np.linspace(0, grid.height, 5))
    north = np.nanmax(np.abs(degrees(grid, right.ravel(), down.ravel())[:, 1]))
    between_m = edge_m * np.hypot(grid.width, grid.height) / 8  # from such a point to what lies furthest from all
    pole_m = max(np.radians(90 - north) * EARTH_RADIUS_M - between_m, edge_m / 8)
    return float(np.clip(np.sqrt(0.16 * pole_m / edge_m), _LEAST_STRAIGHT, _MOST_STRAIGHT))


def _mirrored(grid: GeoGrid) -> bool:
    """Whether what turns counterclockwise on the map turns clockwise in pixels with y down, as where north is up."""
    middle = np.array([grid.width / 2, grid.height / 2])
    (x0, y0), (x1, y1), (x2, y2) = degrees(grid, *(middle + np.array([[0, 0], [1e-3, 0], [0, 1e-3]])).T)
    east, south = wrapped(np.array([x1 - x0, x2 - x0])), (y1 - y0, y2 - y0)
    around = east[0] * south[1] - east[1] * south[0]
    a, b, _, d, e, _ = grid.transform
    return bool((around if np.isfinite(around) else a * e - b * d) < 0)


def _paths(geometry: Geometry, mirrored: bool) -> list[Path2]:
    """The paths of a geometry in pixels; rings run so that the inside is on the left of them on Earth."""
    if geometry["type"] not in RINGS:
        return [np.atleast_2d(np.asarray(path, float))[:, :2] for path in _flat(geometry["coordinates"])]
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    paths = []
    for rings in polygons:
        for i, ring in enumerate(rings):
            left = (_doubled_area(ring) > 0) != mirrored
            path = np.asarray(ring, float)[:, :2]
            paths.append(path if left == (i == 0) else path[::-1])
    return paths


def _flat(part: Any) -> list[Any]:
    """Lists of positions, however deep they are; a single position is one of them."""
    single = isinstance(part[0], (int, float))
    return (
        [part] if single or isinstance(part[0][0], (int, float)) else [path for inner in part for path in _flat(inner)]
    )


def _dense(path: Path2, step: float) -> Path2:
    """The path with points between those that are further apart than `step`."""
    pieces = np.ceil(np.abs(np.diff(path, axis=0)).max(-1, initial=0) / step).astype(int)
    if pieces.max(initial=1) <= 1:
        return path
    at = np.concatenate([i + np.arange(max(n, 1)) / max(n, 1) for i, n in enumerate(pieces)] + [[len(pieces)]])
    index = np.arange(len(path))
    return np.stack([np.interp(at, index, path[:, 0]), np.interp(at, index, path[:, 1])], -1)


def _rebuilt(geometry: Geometry, paths: list[Path2]) -> Geometry | None:
    """The geometry in degrees, without the points that have no place."""
    kind, paths = geometry["type"], [path[np.isfinite(path).all(-1)] for path in paths]
    if kind not in RINGS:
        shapes_ = [path.tolist() for path in paths if len(path)]
        if not shapes_:
            return None
        single = {"Point": shapes_[0][0], "MultiPoint": shapes_[0], "LineString": shapes_[0]}
        return {"type": kind, "coordinates": single.get(kind, shapes_)}
    polygons = geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]
    left, parts = iter(paths), []
    for polygon in polygons:
        outer, *holes = [next(left) for _ in polygon]
        if len(outer) >= _FEWEST:
            parts += _cut([_closed(ring) for ring in (outer, *holes) if len(ring) >= _FEWEST])
    if not parts:
        return None
    if len(parts) == 1 and kind == "Polygon":
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _closed(ring: Path2) -> Path2:
    return ring if (ring[0] == ring[-1]).all() else np.concatenate([ring, ring[:1]])


def _cut(rings: list[Path2]) -> list[list[Any]]:
    """The polygons one polygon becomes when it is cut at the antimeridian."""
    rings = [_past_poles(ring) for ring in rings]
    if max(float(np.abs(np.diff(ring[:, 0])).max()) for ring in rings) <= 180:
        return [[ring.tolist() for ring in rings]]
    outer, *holes = rings
    hollow = shapely.union_all([_in_one_turn(hole[::-1]) for hole in holes])
    region = _in_one_turn(outer).difference(hollow, grid_size=10.0**-_DIGITS)
    return [
        [np.round(np.asarray(ring.coords), _DIGITS).tolist() for ring in (part.exterior, *part.interiors)]
        for part in _surfaces(region)
    ]


def _surfaces(region: Any) -> list[Any]:
    """Its polygons, without the lines and points along which two regions touch."""
    return [part for part in shapely.get_parts(shapely.get_parts(region)) if part.geom_type == "Polygon"]


def _in_one_turn(ring: Path2) -> Any:
    """The region to the left of a ring, in longitudes -180..180.

    Along the ring longitudes run on without a jump; a ring around a pole ends a turn further on, and goes by the pole.
    """
    longitude = np.unwrap(ring[:, 0], period=360)
    turn = float(longitude[-1] - longitude[0])
    pole = float(np.copysign(90, turn))
    if abs(turn) > 180:  # from the point next to the pole on no path to the pole meets the ring again
        ring = np.roll(ring[:-1], -int(np.argmax(ring[:-1, 1] * pole)), axis=0)
        ring = np.concatenate([ring, ring[:1]])
    longitude, latitude = np.unwrap(ring[:, 0], period=360), ring[:, 1]
    if abs(turn) > 180:
        longitude, latitude = np.append(longitude, longitude[[-1, 0]]), np.append(latitude, [pole, pole])
    region = shapely.make_valid(shapely.Polygon(np.stack([longitude, latitude], -1)))
    first, last = (int(np.floor((edge + 180) / 360)) for edge in (longitude.min(), longitude.max()))
    turns = [
        translate(part, xoff=-360 * k)
        for k in range(first, last + 1)
        for part in _surfaces(region.intersection(shapely.box(360 * k - 180, -90, 360 * k + 180, 90)))
    ]
    return shapely.union_all(turns, grid_size=10.0**-_DIGITS)  # the seam of a turn closes in whole digits only


def _past_poles(ring: Path2) -> Path2:
    """A point at a pole has no longitude: it gets that of its neighbours, both; an edge over a pole gets such points."""
    out: list[Any] = []
    start = int(np.argmax(np.abs(ring[:, 1]) < _POLE))
    ring = np.roll(ring[:-1], -start, axis=0)
    for here, after in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        at_pole = abs(here[1]) >= _POLE
        if at_pole and out:
            out += [[out[-1][0], here[1]], [after[0], here[1]]]
        else:
            out.append(here.tolist())
        over = abs(abs(after[0] - here[0]) - 180) < 1e-6 and min(abs(here[1]), abs(after[1])) > 45
        if over and not at_pole and abs(after[1]) < _POLE:
            pole = float(np.copysign(90, here[1]))
            out += [[float(here[0]), pole], [float(after[0]), pole]]
    return np.array([*out, out[0]])


def _wound(geometry: Geometry) -> Geometry:
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
