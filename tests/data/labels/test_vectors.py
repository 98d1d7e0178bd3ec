"""Polygons, points and lines become the classes of the right pixels, whatever file and CRS they come in."""

from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from rsfm.data.labels import LabelOptions, open_labels
from rsfm.data.labels.description import Reading
from rsfm.data.labels.gather import gather
from rsfm.data.reading.ground import PixelAreas
from rsfm.errors import UserError
from rsfm.types import GeoGrid
from tests.data.labels.own_files import (
    CRS,
    FIELD,
    NAMES,
    NORTH,
    PIXEL,
    WEST,
    fields,
    polygons,
    write_geojson,
    write_picture,
)

SIZE = 4 * FIELD
GRID = GeoGrid(crs=CRS, transform=(PIXEL, 0.0, WEST, 0.0, -PIXEL, NORTH), height=SIZE, width=SIZE)


def index_of(path: Path, **options) -> np.ndarray:
    labels = open_labels(path, LabelOptions(column="crop", **options), [Path("a.tif")])
    found = labels.class_index(GRID, Path("a.tif"))
    table = np.array([NAMES.index(name) if name in NAMES else 9 for name in labels.legend] + [-1])
    return table[found]


def test_a_pixel_is_of_the_polygon_that_holds_its_centre(tmp_path: Path) -> None:
    shapes = polygons(fields(), inset=17)
    found = index_of(write_geojson(tmp_path / "a.geojson", shapes))
    columns, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    x, y = WEST + columns * PIXEL, NORTH - rows * PIXEL
    wanted = np.full((SIZE, SIZE), -1)
    for name, shape in shapes:
        wanted[shapely.contains_xy(shape, x, y)] = NAMES.index(name)
    assert (found == wanted).all() and (found < 0).any() and set(np.unique(found)) == {-1, 0, 1, 2}


@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_every_file_says_the_same(suffix: str, tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    names, shapes = zip(*polygons(fields(), inset=13), strict=True)
    path = tmp_path / f"a{suffix}"
    geopandas.GeoDataFrame({"crop": names}, geometry=list(shapes), crs=CRS).to_crs("EPSG:3035").to_file(path)
    text = write_geojson(tmp_path / "a.geojson", list(zip(names, shapes, strict=True)))
    assert (index_of(path) == index_of(text)).all()


def test_a_buffer_is_of_metres_on_the_ground_in_any_crs(tmp_path: Path) -> None:
    middle = shapely.Point(WEST + SIZE * PIXEL / 2, NORTH - SIZE * PIXEL / 2)
    path = write_geojson(tmp_path / "a.geojson", [("maize", middle), ("wheat", shapely.Point(WEST + 5, NORTH - 5))])
    point, wide = index_of(path), index_of(path, buffer_m=150.0)
    assert (point == 0).sum() == 1 and (point == 2).sum() == 1
    assert (wide == 0).sum() * PIXEL**2 == pytest.approx(np.pi * 150**2, rel=0.02)
    x, y = pyproj.Transformer.from_crs(CRS, "EPSG:3857", always_xy=True).transform(middle.x, middle.y)
    mercator = GeoGrid(crs="EPSG:3857", transform=(15.0, 0.0, x - 600, 0.0, -15.0, y + 600), height=80, width=80)
    labels = open_labels(path, LabelOptions(column="crop", buffer_m=150.0), [])
    here = labels.class_index(mercator, Path("a.tif")) == labels.legend.index("maize")
    assert (here * PixelAreas(mercator).rows(0, 80)).sum() == pytest.approx(np.pi * 150**2, rel=0.05)


def test_a_line_is_the_pixels_it_touches(tmp_path: Path) -> None:
    line = shapely.LineString([(WEST + 5, NORTH - 25), (WEST + 595, NORTH - 25)])
    path = write_geojson(tmp_path / "a.geojson", [("maize", line), ("wheat", shapely.Point(WEST + 5, NORTH - 5))])
    found = index_of(path)
    assert (found[2, :60] == 0).all() and (found == 0).sum() == 60


def test_a_pixel_of_two_classes_has_none_and_the_background_is_a_class(tmp_path: Path) -> None:
    left, right = (
        shapely.box(WEST, NORTH - 320, WEST + 200, NORTH),
        shapely.box(WEST + 100, NORTH - 320, WEST + 300, NORTH),
    )
    path = write_geojson(tmp_path / "a.geojson", [("maize", left), ("wheat", right)])
    found = index_of(path)
    assert (found[:32, :10] == 0).all() and (found[:32, 10:20] == -1).all() and (found[:32, 20:30] == 2).all()
    assert (index_of(path, background="other")[40:] == 9).all()


def test_numbers_are_named(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "a.geojson", [(float(i + 1), s) for i, (_, s) in enumerate(polygons(fields(2)))])
    assert open_labels(path, LabelOptions(column="crop"), []).legend == ("crop 1", "crop 2", "crop 3", "crop 4")
    some = open_labels(path, LabelOptions(column="crop", classes="1=wheat;2=rye"), [])
    assert some.legend == ("rye", "wheat") and "2 of 4 features have no class" in some.notes[0]


OUTSIDE = [(name, shapely.affinity.translate(shape, 3e5, 0)) for name, shape in polygons(fields())]
MIXED = [*polygons(fields()), ("maize", shapely.Point(WEST, NORTH))]
WRONG = {
    "no label lies on the 1 images": (OUTSIDE, {}, {}),
    "Did you mean 'crop'?": (polygons(fields()), {"column": "crops"}, {}),
    "mixed geometry (16 polygons, 1 points)": (MIXED, {}, {}),
    "is empty in all": ([(None, shape) for _, shape in polygons(fields())], {}, {}),
    "one class only, maize": ([("maize", shape) for _, shape in polygons(fields())], {}, {}),
    "no feature of the class 'rye'": (polygons(fields()), {"classes": "7=rye"}, {}),
    "no CRS": (polygons(fields()), {}, {"crs": None}),
    "expected GeoJSON": (None, {}, {}),
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_wrong_is_one_line(says: str, tmp_path: Path) -> None:
    shapes, options, picture = WRONG[says]
    path = tmp_path / "a.geojson"
    path.write_text("{}") if shapes is None else write_geojson(path, shapes)
    image = write_picture(tmp_path / "a.tif", fields(), **picture)
    with pytest.raises(UserError) as error:
        gather(
            [image],
            path,
            LabelOptions(**{"column": "crop", **options}),
            reading=Reading(sensor="sentinel2_l2a"),
            edge=32,
        )
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_none_of_its_suffix_is_not_given_to_gdal(tmp_path: Path) -> None:
    for name in ("a.gpkg", "a.shp"):
        (tmp_path / name).write_text("<OGRVRTDataSource/>")
        with pytest.raises(UserError, match="by its first bytes"):
            open_labels(tmp_path / name, LabelOptions(column="crop"), [])
