"""Ground: pixels against geodesic polygons in any CRS, unit and latitude; longitudes that wrap; CRSs without a place on Earth."""

import math
import warnings

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj.database import query_crs_info
from pyproj.enums import PJType
from pyproj.exceptions import ProjError

from rsfm.data.reading.grids import ground_edge, location, moved, pixel_areas, pixel_size
from rsfm.data.reading.ground import LONGITUDE_LATITUDE, WGS84, PixelAreas, degrees
from rsfm.types import GeoGrid

CODES = [info for info in query_crs_info("EPSG", [PJType.PROJECTED_CRS, PJType.GEOGRAPHIC_2D_CRS]) if info.area_of_use]
MAPS = (  # name, unit in metres or degrees, latitudes to try
    ("EPSG:3857", 1.0, (-80.0, 80.0)),
    ("EPSG:4326", 0.0, (-89.0, 89.0)),
    ("EPSG:32633", 1.0, (0.0, 84.0)),
    ("EPSG:3413", 1.0, (45.0, 89.9)),
    ("EPSG:3031", 1.0, (-89.9, -50.0)),
    ("EPSG:8857", 1.0, (-80.0, 80.0)),
    ("ESRI:54009", 1.0, (-80.0, 80.0)),
    ("EPSG:6933", 1.0, (-80.0, 80.0)),
    ("+proj=merc +units=km", 1000.0, (-80.0, 80.0)),
    ("+proj=eqc +lat_ts=40 +units=us-ft", 0.3048006, (-80.0, 80.0)),
    ("+proj=laea +lat_0=50 +lon_0=10 +units=ft", 0.3048, (20.0, 80.0)),
    ("+proj=sinu +R=6371007.181", 1.0, (-50.0, 50.0)),
)


def grid_of(crs: str | None, *transform: float, size: tuple[int, int] = (20, 20)) -> GeoGrid:
    a, b, c, d, e, f = map(float, transform)
    return GeoGrid(crs=crs, transform=(a, b, c, d, e, f), height=size[0], width=size[1])


def geodesic_m2(grid: GeoGrid, crs: str, column: float, row: float) -> float:
    """Of the polygon of one pixel, each edge in eight parts."""
    t = np.linspace(0, 1, 8, endpoint=False)
    right = np.concatenate([t, np.ones(8), 1 - t, np.zeros(8)]) + column - 0.5
    down = np.concatenate([np.zeros(8), t, np.ones(8), 1 - t]) + row - 0.5
    a, b, c, d, e, f = grid.transform
    to_degrees = pyproj.Transformer.from_crs(pyproj.CRS(crs), LONGITUDE_LATITUDE, always_xy=True)
    return abs(
        WGS84.polygon_area_perimeter(*to_degrees.transform(a * right + b * down + c, d * right + e * down + f))[0]
    )


def grid_at(crs: str, unit_m: float, place: tuple[float, float], edge_m: float, turn: float, shear: float) -> GeoGrid:
    to_map = pyproj.Transformer.from_crs(LONGITUDE_LATITUDE, pyproj.CRS(crs), always_xy=True)
    x, y = to_map.transform(*place)
    edge = edge_m / (unit_m or 111_320)
    cosine, sine = edge * math.cos(turn), edge * math.sin(turn)
    transform = (cosine, sine + shear * cosine, x, sine, shear * sine - cosine, y)
    return GeoGrid(crs=pyproj.CRS(crs).to_wkt(), transform=transform, height=40, width=30)


@settings(deadline=None, max_examples=40)
@given(
    map_=st.sampled_from(MAPS),
    at=st.floats(0, 1),
    longitude=st.floats(-170, 170),
    edge_m=st.sampled_from((0.2, 10.0, 30.0, 500.0)),
    turn=st.floats(-3.1, 3.1),
    shear=st.floats(-0.5, 0.5),
)
def test_a_pixel_has_its_geodesic_area(
    map_: tuple[str, float, tuple[float, float]], at: float, longitude: float, edge_m: float, turn: float, shear: float
) -> None:
    crs, unit_m, (south, north) = map_
    longitude = longitude if unit_m == 0 or "merc" in crs or crs == "EPSG:3857" else 10 + longitude / 60
    grid = grid_at(crs, unit_m, (longitude, south + at * (north - south)), edge_m, turn, shear)
    areas = PixelAreas(grid)
    assert areas.complete
    for row, column in ((0, 0), (17, 11), (39, 29)):
        truth = geodesic_m2(grid, crs, column + 0.5, row + 0.5)
        assert areas.rows(row, 1)[0, column] == pytest.approx(truth, rel=5e-3), crs
    edge = ground_edge(grid)
    assert edge is not None and edge**2 == pytest.approx(areas.middle_m2)


@settings(deadline=None, max_examples=40)
@given(info=st.sampled_from(CODES), u=st.floats(0.1, 0.9), v=st.floats(0.1, 0.9))
def test_every_crs_of_the_register_gives_its_area_or_no_place(info, u: float, v: float) -> None:  # type: ignore[no-untyped-def]
    west, south, east, north = info.area_of_use.bounds
    longitude, latitude = west + u * ((east - west) % 360 or 360), south + v * (north - south)
    crs = f"EPSG:{info.code}"
    try:
        axis = pyproj.CRS(crs).axis_info[0]
        unit_m = 0.0 if pyproj.CRS(crs).is_geographic else axis.unit_conversion_factor
        grid = grid_at(crs, unit_m, (longitude, latitude), 20, 0.3, 0.1)
    except ProjError:
        return
    if not np.isfinite(grid.transform).all():
        return
    place = location(grid)
    assert place is not None and -180 <= place[0] <= 180, crs
    assert WGS84.inv(longitude, latitude, *place)[2] < 20 * 60, crs
    assert PixelAreas(grid).middle_m2 == pytest.approx(geodesic_m2(grid, crs, 15, 20), rel=5e-3), crs


@pytest.mark.parametrize(("latitude", "factor"), [(0.0, 1.0), (45.0, 0.5), (61.0, 0.235)])
def test_a_web_map_is_no_ground(latitude: float, factor: float) -> None:
    grid = grid_at("EPSG:3857", 1.0, (25.0, latitude), 10, 0.0, 0.0)
    assert PixelAreas(grid).middle_m2 == pytest.approx(100 * factor, rel=0.02)


@settings(deadline=None, max_examples=30)
@given(south=st.floats(-85, 60), height=st.integers(1, 2000), width=st.integers(1, 400), edge=st.floats(1e-4, 0.01))
def test_the_ground_of_a_scene_is_the_sum_of_its_pixels(south: float, height: int, width: int, edge: float) -> None:
    """In degrees a scene is a box of the ellipsoid; rows count with their own width wherever the strips are cut."""
    grid = grid_of("EPSG:4326", edge, 0, 11.0, 0, -edge, south + height * edge, size=(height, width))
    areas = PixelAreas(grid)
    cut = height // 3
    total = sum(areas.rows(first, count).sum() for first, count in ((0, cut), (cut, height - cut)) if count)
    sides = np.linspace(0, 1, 200)
    right = np.concatenate([sides, np.ones(200), 1 - sides, np.zeros(200)]) * width
    down = np.concatenate([np.zeros(200), sides, np.ones(200), 1 - sides]) * height
    truth = abs(WGS84.polygon_area_perimeter(*degrees(grid, right, down).T)[0])
    assert total == pytest.approx(truth, rel=1e-3)


def test_all_pixels_of_the_world_are_the_earth() -> None:
    """Grids of centres reach half a pixel past the poles, and web maps to 85 degrees."""
    earth_m2 = 510.0656e12
    whole = grid_of("EPSG:4326", 0.25, 0, -0.125, 0, -0.25, 90.125, size=(721, 1440))
    assert PixelAreas(whole).rows(0, 721).sum() == pytest.approx(earth_m2, rel=1e-3)
    half = 20037508.34
    web = grid_of("EPSG:3857", half / 250, 0, -half, 0, -half / 250, half, size=(500, 500))
    assert PixelAreas(web).rows(0, 500).sum() == pytest.approx(earth_m2 * 0.9963, rel=1e-3)
    disk = "+proj=geos +h=35785831 +lon_0=0 +sweep=y"
    seen = PixelAreas(grid_of(disk, 6e4, 0, -5.58e6, 0, -6e4, 5.58e6, size=(186, 186)))
    assert not seen.complete and seen.rows(0, 1).sum() == 0
    assert 0.3 < seen.rows(0, 186).sum() / earth_m2 < 0.45


@settings(deadline=None, max_examples=50)
@given(turns=st.integers(-1, 1), longitude=st.floats(-179.9, 179.9), latitude=st.floats(-80, 80))
def test_longitudes_wrap(turns: int, longitude: float, latitude: float) -> None:
    grid = grid_of("EPSG:4326", 1e-4, 0, longitude - 1e-4 + 360 * turns, 0, -1e-4, latitude + 1e-4, size=(2, 2))
    assert location(grid) == pytest.approx((longitude, latitude), abs=1e-7)
    half = 20037508.342789244
    x, y = pyproj.Transformer.from_crs(LONGITUDE_LATITUDE, "EPSG:3857", always_xy=True).transform(longitude, latitude)
    web = grid_of("EPSG:3857", 10, 0, x - 10 + 2 * half * turns, 0, -10, y + 10, size=(2, 2))
    assert location(web) == pytest.approx((longitude, latitude), abs=1e-7)


@pytest.mark.parametrize(
    ("crs", "x", "y", "truth"),
    [
        ("EPSG:4807", 2.0, 54.0, (2.33722917 + 1.8, 48.6)),  # Paris, in grads
        ("EPSG:4805", 31.0, 48.0, (31 - 17.66666667, 48.0)),  # Ferro
        ("EPSG:4807", -200.5, 54.0, (2.33722917 - 180.45, 48.6)),
    ],
)
def test_other_meridians_and_angles(crs: str, x: float, y: float, truth: tuple[float, float]) -> None:
    grid = grid_of(crs, 1e-4, 0, x - 1e-4, 0, -1e-4, y + 1e-4, size=(2, 2))
    assert location(grid) == pytest.approx(truth, abs=0.01)


NOWHERE = [
    ("EPSG:5773", (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), 10.0),  # heights only
    ('LOCAL_CS["site",UNIT["metre",1]]', (2.0, 0.0, 0.0, 0.0, -2.0, 0.0), 2.0),
    ("EPSG:32633", (10.0, 0.0, 5e9, 0.0, -10.0, 5e6), 10.0),  # far outside
    ("EPSG:4326", (0.01, 0.0, 30.0, 0.0, -0.01, 95.0), 7.0),  # past the pole: the sensor's own
    ("EPSG:4326", (0.01, 0.0, 3000.0, 0.0, -0.01, 50.0), 7.0),
    ("EPSG:4978", (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), 10.0),  # geocentric
    ("no CRS at all", (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), 7.0),
    ("EPSG:32633", (10.0, 0.0, math.nan, 0.0, -10.0, 5e6), 10.0),
    ("EPSG:32633", (0.0, 0.0, 5e5, 0.0, 0.0, 5e6), 7.0),
]


@pytest.mark.parametrize(("crs", "transform", "edge"), NOWHERE)
def test_without_ground_there_is_no_place_and_a_note(
    crs: str, transform: tuple[float, float, float, float, float, float], edge: float
) -> None:
    grid = GeoGrid(crs=crs, transform=transform, height=20, width=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        size, notes = pixel_size(grid, 7.0)
        assert pixel_areas(grid, (20, 20)) is None and ground_edge(grid) is None
    assert size == pytest.approx(edge) and len(notes) == 1 and "not on Earth" in notes[0]
    assert location(grid) is None or edge == 7.0


def test_the_moon_has_metres_and_no_place() -> None:
    grid = grid_of("ESRI:104903", 0.01, 0, 30, 0, -0.01, 0.1, size=(20, 20))
    size, notes = pixel_size(grid, 7.0)
    assert location(grid) is None and "no longitude and latitude" in notes[0]
    assert size == pytest.approx(math.radians(0.01) * 1737400, rel=1e-3)


def test_degrees_without_a_crs_are_no_metres() -> None:
    plain = grid_of(None, 9e-5, 0, 13.0, 0, -9e-5, 50.0, size=(20, 20))
    size, notes = pixel_size(plain, 10.0)
    assert size == 10.0 and "no metres" in notes[0]


def test_a_window_is_as_large_as_its_own_ground() -> None:
    grid = grid_of("EPSG:3857", 1000, 0, 0, 0, -1000, 8.4e6, size=(8000, 10))
    north, south = (ground_edge(moved(grid, row, 0, 10, 10)) for row in (0, 7990))
    assert north is not None and south is not None
    assert north == pytest.approx(1000 * math.cos(math.radians(60)), rel=0.01) and south > 990
