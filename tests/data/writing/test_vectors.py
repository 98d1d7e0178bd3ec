"""Shapes on Earth after RFC 7946: longitudes -180..180, cut at the antimeridian and around poles, of the ground of their pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from rsfm.data.reading.ground import WGS84, PixelAreas
from rsfm.data.writing.vectors import box_features, mask_features, write_geojson
from rsfm.types import Boxes, GeoGrid, Mask

LEGEND = ("land", "water")


def grid_of(crs: str, *transform: float, size: tuple[int, int]) -> GeoGrid:
    a, b, c, d, e, f = map(float, transform)
    return GeoGrid(crs=crs, transform=(a, b, c, d, e, f), height=size[0], width=size[1])


def written(path: Path, features: list[dict[str, Any]], grid: GeoGrid | None) -> list[dict[str, Any]]:
    """The features, each checked against the standard."""
    write_geojson(path, features, grid)
    found = json.loads(path.read_text(encoding="utf-8"))["features"]
    for feature in found:
        geometry = shape(feature["geometry"])
        assert geometry.is_valid, geometry
        west, south, east, north = geometry.bounds
        assert -180 <= west <= east <= 180 and -90 <= south <= north <= 90
        for part in getattr(geometry, "geoms", [geometry]):
            assert part.exterior.is_ccw and not any(ring.is_ccw for ring in part.interiors)
    return found


def ground_m2(feature: dict[str, Any]) -> float:
    """Of a feature whose rings have points close enough."""
    geometry = shape(feature["geometry"]).segmentize(0.25)
    total = 0.0
    for part in getattr(geometry, "geoms", [geometry]):
        for sign, ring in ((1, part.exterior), *((-1, inner) for inner in part.interiors)):
            total += sign * abs(WGS84.polygon_area_perimeter(*np.asarray(ring.coords).T)[0])
    return total


WORLD = (  # scenes across the antimeridian, around poles, with other meridians, mirrored, far north
    grid_of("EPSG:4326", 0.05, 0, 179.0, 0, -0.05, 10.0, size=(30, 40)),
    grid_of("EPSG:4326", 0.05, 0, 359.0, 0, -0.05, 10.0, size=(30, 40)),
    grid_of("EPSG:4326", 0.05, 0, 180.0, 0, -0.05, 10.0, size=(30, 40)),
    grid_of("EPSG:4326", 0.05, 0, -181.5, 0, -0.05, 10.0, size=(30, 40)),
    grid_of("EPSG:4326", 0.05, 0, 181.0, 0, 0.05, 60.0, size=(30, 40)),
    grid_of("EPSG:3857", 5000, 0, 20037508 - 90000, 0, -5000, 7e6, size=(30, 40)),
    grid_of("EPSG:32601", 5000, 0, 150000, 0, -5000, 7e6, size=(30, 40)),
    grid_of("EPSG:3832", 5000, 500, 3100000, 500, -5000, 1e6, size=(30, 40)),
    grid_of("EPSG:3413", 20000, 0, -400000, 0, -20000, 300000, size=(30, 40)),
    grid_of("EPSG:3413", 20000, 0, -410000, 0, -20000, 310000, size=(30, 40)),
    grid_of("EPSG:3031", 20000, 3000, -410000, 3000, -20000, 310000, size=(30, 40)),
    grid_of("EPSG:4807", 0.05, 0, -203.0, 0, -0.05, 10.0, size=(30, 40)),
    grid_of("EPSG:32633", 5000, 0, 500000, 0, -5000, 5e6, size=(30, 40)),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=st.sampled_from(WORLD), seed=st.integers(0, 1000), blocks=st.sampled_from((5, 10, 30)))
def test_regions_cover_the_ground_of_their_pixels(tmp_path: Path, grid: GeoGrid, seed: int, blocks: int) -> None:
    height, width = grid.height, grid.width
    coarse = np.random.default_rng(seed).integers(0, 2, (-(-height // blocks), -(-width // blocks)))
    index = np.kron(coarse, np.ones((blocks, blocks), int))[:height, :width]
    features = written(tmp_path / "a.geojson", mask_features(Mask(class_index=index, legend=LEGEND)), grid)
    areas = PixelAreas(grid).rows(0, height)
    for i, name in enumerate(LEGEND):
        covered = sum(ground_m2(each) for each in features if each["properties"]["class"] == name)
        assert covered == pytest.approx(areas[index == i].sum(), rel=2e-3, abs=2e-3 * areas.sum()), name


def test_the_whole_world_is_one_polygon(tmp_path: Path) -> None:
    for west in (-180.0, 0.0):
        grid = grid_of("EPSG:4326", 1, 0, west, 0, -1, 90, size=(180, 360))
        index = np.zeros((180, 360), int)
        features = written(tmp_path / "w.geojson", mask_features(Mask(class_index=index, legend=LEGEND)), grid)
        assert sum(shape(each["geometry"]).area for each in features) == pytest.approx(360 * 180)


def test_boxes_across_the_antimeridian_are_cut(tmp_path: Path) -> None:
    grid = grid_of("EPSG:4326", 0.01, 0, 179.5, 0, -0.01, 10, size=(100, 100))
    corners = np.array([[[40, 10], [60, 10], [60, 20], [40, 20]], [[10, 10], [20, 10], [20, 20], [10, 20]]], float)
    across, west = written(tmp_path / "b.geojson", box_features(Boxes(corners=corners, labels=("ship", "ship"))), grid)
    assert across["geometry"]["type"] == "MultiPolygon" and west["geometry"]["type"] == "Polygon"
    assert sorted(part.bounds for part in shape(across["geometry"]).geoms) == [
        pytest.approx((-180, 9.8, -179.9, 9.9)),
        pytest.approx((179.9, 9.8, 180, 9.9)),
    ]


def test_long_edges_follow_the_map(tmp_path: Path) -> None:
    """The middle of the upper edge of a Sentinel-2 tile lies 240 m off the straight line between its corners."""
    grid = grid_of("EPSG:32633", 10, 0, 399960, 0, -10, 5500020, size=(10980, 10980))
    corners = np.array([[[0, 0], [10980, 0], [10980, 10980], [0, 10980]]], float)
    (tile,) = written(tmp_path / "t.geojson", box_features(Boxes(corners=corners, labels=("tile",))), grid)
    middle = pyproj.Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True).transform(399960 + 54900, 5500020)
    ring = shape(tile["geometry"]).exterior.segmentize(1e-4)
    nearest = min(np.asarray(ring.coords), key=lambda point: abs(point[0] - middle[0]) + abs(point[1] - middle[1]))
    assert WGS84.inv(*middle, *nearest)[2] < 10


@pytest.mark.parametrize("crs", ["EPSG:5773", 'LOCAL_CS["site",UNIT["metre",1]]', "ESRI:104903"])
def test_without_a_place_shapes_are_in_pixels(tmp_path: Path, crs: str) -> None:
    grid = grid_of(crs, 1, 0, 0, 0, -1, 0, size=(4, 4))
    write_geojson(tmp_path / "p.geojson", mask_features(Mask(class_index=np.zeros((4, 4), int), legend=LEGEND)), grid)
    told = json.loads((tmp_path / "p.geojson").read_text(encoding="utf-8"))
    assert "no longitude and latitude" in told["coordinates"]
    assert shape(told["features"][0]["geometry"]).bounds == (0, 0, 4, 4)


def test_what_lies_off_the_earth_is_left_out(tmp_path: Path) -> None:
    disk = grid_of("+proj=geos +h=35785831 +lon_0=0 +sweep=y", 3e5, 0, -6e6, 0, -3e5, 6e6, size=(40, 40))
    corners = np.array([[[0, 0], [2, 0], [2, 2], [0, 2]], [[18, 18], [20, 18], [20, 20], [18, 20]]], float)
    features = written(tmp_path / "d.geojson", box_features(Boxes(corners=corners, labels=("space", "gulf"))), disk)
    assert [each["properties"]["label"] for each in features] == ["gulf"]
