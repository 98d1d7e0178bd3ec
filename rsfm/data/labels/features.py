"""Shapes with their classes out of vector files: GeoJSON as text, GeoPackage and shapefile through GDAL.  n shapes"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from jaxtyping import Shaped
from pyproj.exceptions import CRSError

from rsfm.data.reading.files import check_exists
from rsfm.data.reading.formats import beginning
from rsfm.errors import UserError, unknown

LARGEST = 1 << 30  # bytes of a GeoJSON text
TEXTS, TABLES = (".geojson", ".json"), (".gpkg", ".shp")
# First bytes of what GDAL is given: it would take files that point at others, too.
BEGINNINGS = {".gpkg": b"SQLite format 3\0", ".shp": b"\0\0\x27\x0a"}
KINDS = {"Point": "points", "LineString": "lines", "LinearRing": "lines", "Polygon": "polygons"}
LONGITUDE_LATITUDE = "OGC:CRS84"  # of a GeoJSON that names no other (RFC 7946)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """The shapes of a file.

    Attributes:
        shapes: one a feature, in `crs`.
        values: of the column; None where a feature has none.
        crs: as WKT or by name.
    """

    shapes: Shaped[np.ndarray, " n"]
    values: tuple[Any, ...]
    crs: str

    @property
    def kinds(self) -> dict[str, int]:
        """How many points, lines and polygons there are."""
        names = [KINDS.get(shape.geom_type.removeprefix("Multi"), "collections") for shape in self.shapes]
        return {name: names.count(name) for name in dict.fromkeys(names)}


def read_features(path: Path, column: str) -> Features:
    """Reads a vector file.

    Args:
        path: .geojson, .json, .gpkg or .shp.
        column: whose value each shape has; "": no value is read.

    Raises:
        UserError: not such a file, no feature, no CRS, no such column, shapes without corners.
    """
    check_exists(path)
    read = _from_text if path.suffix.lower() in TEXTS else _from_table
    features = read(path, column)
    there = [shape is not None and not shape.is_empty for shape in features.shapes]
    if not any(there):
        raise UserError(f"{path}: no feature with a shape in it. Export the layer again.")
    values = tuple(value for value, kept in zip(features.values, there, strict=True) if kept)
    return dataclasses.replace(features, shapes=shapely.make_valid(features.shapes[np.array(there)]), values=values)


def _from_text(path: Path, column: str) -> Features:
    if path.stat().st_size > LARGEST:
        raise UserError(f"{path}: a GeoJSON of more than {LARGEST >> 30} GB. Save it as GeoPackage.")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        rows = data["features"] if data["type"] == "FeatureCollection" else [data]
        shapes = [None if row.get("geometry") is None else shapely.geometry.shape(row["geometry"]) for row in rows]
        properties = [row.get("properties") or {} for row in rows]
        crs = ((data.get("crs") or {}).get("properties") or {}).get("name", LONGITUDE_LATITUDE)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, shapely.errors.ShapelyError) as error:
        raise UserError(
            f"{path}: expected GeoJSON, a FeatureCollection, found: {str(error)[:80]}. Export it again."
        ) from None
    _check_column(path, column, list(dict.fromkeys(name for row in properties for name in row)))
    values = tuple(row.get(column) for row in properties)
    return Features(shapes=_array(shapes), values=values, crs=_checked_crs(path, crs))


def _from_table(path: Path, column: str) -> Features:
    if not beginning(path, 16).startswith(BEGINNINGS[path.suffix.lower()]):
        raise UserError(f"{path}: not a {path.suffix} by its first bytes. Export the layer again.")
    if path.suffix.lower() == ".shp" and not path.with_suffix(".prj").exists():
        raise UserError(f"{path}: no CRS: {path.with_suffix('.prj').name} is missing beside it. Copy all its files.")
    try:
        import pyogrio
    except ImportError as error:
        raise UserError(f"{path}: reading it needs pyogrio: pip install 'rsfm[geo]'. Or save it as GeoJSON.") from error
    try:
        layer = _layer(path, [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None])
        _check_column(path, column, [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]])
        meta, _, shapes, fields = pyogrio.raw.read(path, layer=layer, columns=[column] if column else [])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FieldError) as error:
        raise UserError(f"{path}: cannot be read ({str(error)[:100]}). Export the layer again.") from error
    values = tuple(fields[0].tolist()) if column else (None,) * len(shapes)
    return Features(shapes=shapely.from_wkb(shapes), values=values, crs=_checked_crs(path, meta["crs"]))


def _layer(path: Path, layers: list[str]) -> str:
    if len(layers) != 1:
        raise UserError(
            f"{path}: expected one layer of shapes, found {', '.join(layers) or 'none'}. Export the one meant."
        )
    return layers[0]


def _array(shapes: list[Any]) -> Shaped[np.ndarray, " n"]:
    made = np.empty(len(shapes), object)
    made[:] = shapes
    return made


def _checked_crs(path: Path, crs: Any) -> str:
    try:
        return str(pyproj.CRS.from_user_input(crs).to_wkt())
    except CRSError:
        raise UserError(
            f"{path}: no CRS that is known, found {str(crs)[:60]!r}. Assign one and export it again."
        ) from None


def _check_column(path: Path, column: str, columns: list[str]) -> None:
    if column and column not in columns:
        raise UserError(f"{path}: {unknown('column', column, columns)} Name one with --label-column.")
