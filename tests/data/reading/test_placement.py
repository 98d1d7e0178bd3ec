"""Places from beside the file and from points: every pixel lies where the points say, and a broken sidecar is one line."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from rsfm.data.reading.ground import WGS84
from rsfm.data.reading.placement import metric_crs
from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from tests.data.rasters import UTM, write_tif

LAMBERT = Affine(0.2, 0, 892600.0, 0, -0.2, 6249800.0)
WORLD = "0.2\n0\n0\n-0.2\n892600.1\n6249799.9\n"
AUX = (
    "<PAMDataset><SRS>EPSG:2154</SRS><GeoTransform>892600.0, 0.2, 0.0, 6249800.0, 0.0, -0.2</GeoTransform></PAMDataset>"
)
PRJ = CRS.from_epsg(2154).to_wkt(version="WKT1_ESRI")


def picture(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(30, 220, (40, 60, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "beside", "crs"),
    [
        ("a.jpg", {"a.jgw": WORLD}, None),
        ("a.jpg", {"a.jpgw": WORLD, "a.prj": PRJ}, "EPSG:2154"),
        ("a.jpeg", {"a.jgw": WORLD.replace(".", ","), "a.prj": "EPSG:2154"}, "EPSG:2154"),
        ("a.JPG", {"a.JGW": WORLD}, None),
        ("a.png", {"a.pgw": WORLD, "a.png.aux.xml": "<PAMDataset><SRS>EPSG:2154</SRS></PAMDataset>"}, "EPSG:2154"),
        ("a.png", {"a.pngw": WORLD}, None),
        ("a.png", {"a.wld": WORLD}, None),
        ("a.png", {"a.png.aux.xml": AUX, "a.wld": "9\n0\n0\n-9\n5\n5\n"}, "EPSG:2154"),
        ("a.png", {"a.aux.xml": AUX}, "EPSG:2154"),
    ],
)
def test_a_picture_lies_where_the_files_beside_it_say(
    tmp_path: Path, name: str, beside: dict[str, str], crs: str | None
) -> None:
    path = picture(tmp_path / name)
    for other, text in beside.items():
        (tmp_path / other).write_text(text, encoding="utf-8")
    scene = open_scene([path], sensor="aerial_rgb")
    assert scene.grid.crs == crs and scene.grid.transform == pytest.approx(tuple(LAMBERT)[:6])
    assert scene.gsd_m == pytest.approx(0.2, rel=2e-3) and any("georeference from" in note for note in scene.notes)
    assert not any("no georeference" in note for note in scene.notes) and (scene.location_deg is not None) == bool(crs)


@pytest.mark.parametrize(
    "beside", [{"a.tfw": WORLD, "a.prj": PRJ}, {"a.wld": WORLD, "a.prj": PRJ}, {"a.tif.aux.xml": AUX}]
)
def test_so_does_a_tiff(tmp_path: Path, beside: dict[str, str]) -> None:
    values = np.random.default_rng(0).integers(30, 220, (40, 60, 3), np.uint8)
    path = write_tif(tmp_path / "a.tif", values, crs=None)
    for other, text in beside.items():
        (tmp_path / other).write_text(text, encoding="utf-8")
    scene = open_scene([path], sensor="aerial_rgb")
    assert scene.grid.crs == "EPSG:2154" and scene.grid.transform == pytest.approx(tuple(LAMBERT)[:6])
    np.testing.assert_allclose(scene.read().observations["aerial_rgb"].values[0] * 255, values, atol=0.01)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.pgw", "0.2\n0\nnot a number\n", "six numbers of a world file"),
        ("a.pgw", "0\n0\n0\n0\n1\n2\n", "six numbers"),
        ("a.pgw", "nan\n0\n0\nnan\n1\n2\n", "six numbers"),
        ("a.pgw", "1\n" * 9000, "larger than"),
        ("a.png.aux.xml", "<PAMDataset><SRS>", "no XML that can be read"),
        ("a.png.aux.xml", '<!DOCTYPE x [<!ENTITY e "boom">]><PAMDataset><SRS>&e;</SRS></PAMDataset>', "document type"),
        ("a.png.aux.xml", "<PAMDataset><SRS>http://127.0.0.1/crs</SRS></PAMDataset>", "no coordinate reference system"),
        ("a.png.aux.xml", "<PAMDataset><SRS>/etc/passwd</SRS></PAMDataset>", "no coordinate reference system"),
        ("a.png.aux.xml", AUX.replace("0.2,", "x,"), "a number of its georeference is none"),
        ("a.png.aux.xml", AUX.replace("0.2", "0"), "places no pixel"),
    ],
)
def test_a_broken_file_beside_is_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = picture(tmp_path / "a.png")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        open_scene([path], sensor="aerial_rgb")
    assert name in str(caught.value) and "\n" not in str(caught.value)


def askew(path: Path, values: np.ndarray, crs: str, to_map: Affine) -> Path:
    """Placed by nine points and nothing else."""
    height, width, count = values.shape
    places = [(r, c, *(to_map @ (c, r))) for r in (0, height / 2, height) for c in (0, width / 2, width)]
    points = [GroundControlPoint(row=r, col=c, x=x, y=y) for r, c, x, y in places]
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, gcps=points, crs=CRS.from_user_input(crs)) as file:
        file.write(np.moveaxis(values, -1, 0))
    return path


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(longitude=st.floats(-170, 170), latitude=st.floats(-75, 75), lean=st.floats(-0.3, 0.3))
def test_control_points_bring_each_pixel_to_its_place(
    tmp_path: Path, longitude: float, latitude: float, lean: float
) -> None:
    """A bright spot in an askew picture is found at its longitude and latitude; what is around the picture is not valid."""
    values = np.full((120, 160, 2), -15, np.float32)
    values[30:36, 100:106] = -2
    east = 9e-5 / np.cos(np.radians(latitude))
    to_map = Affine(east, lean * east, longitude, lean * 9e-5, -9e-5, latitude)
    scene = open_scene([askew(tmp_path / "s1_dB.tif", values, "EPSG:4326", to_map)], sensor="sentinel1_grd", unit="dB")
    assert any("placed by 9 ground control points" in note for note in scene.notes)
    seen = scene.read().observations["sentinel1_grd"]
    rows, columns = np.nonzero(seen.valid[0] & (seen.values[0, :, :, 0] > -8))
    part = scene.read((int(rows.mean()), int(columns.mean()), 1, 1)).location_deg
    assert part is not None
    assert WGS84.inv(*part, *(to_map @ (103.0, 33.0)))[2] < 1.5 * scene.gsd_m
    assert scene.gsd_m == pytest.approx(10, rel=0.2)
    assert 0.3 < seen.valid.mean() <= 1
    assert (seen.values[0][seen.valid[0]] > -15.5).all()


def test_points_in_metres_stay_in_their_crs(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(30, 220, (40, 60, 3), np.uint8)
    scene = open_scene([askew(tmp_path / "a.tif", values, "EPSG:32633", UTM)], sensor="aerial_rgb")
    assert scene.grid.crs == "EPSG:32633" and scene.grid.transform == pytest.approx(tuple(UTM)[:6])
    np.testing.assert_allclose(scene.read().observations["aerial_rgb"].values[0] * 255, values, atol=0.6)


def test_points_across_the_antimeridian_are_said_not_to_be_used(tmp_path: Path) -> None:
    values = np.full((40, 60, 3), 100, np.uint8)
    path, profile = tmp_path / "a.tif", {"driver": "GTiff", "height": 40, "width": 60, "count": 3, "dtype": "uint8"}
    places = [(r, c, (179.99 + c * 1e-3 + 180) % 360 - 180, 10 - r * 1e-3) for r in (0, 20, 40) for c in (0, 30, 60)]
    points = [GroundControlPoint(row=r, col=c, x=x, y=y) for r, c, x, y in places]
    with rasterio.open(path, "w", **profile, gcps=points, crs=CRS.from_epsg(4326)) as file:
        file.write(np.moveaxis(values, -1, 0))
    scene = open_scene([path], sensor="aerial_rgb")
    assert any("cross the antimeridian" in note for note in scene.notes) and scene.location_deg is None


def test_rational_polynomials_place_a_picture(tmp_path: Path) -> None:
    one, along, down = [1.0] + [0.0] * 19, [0.0, 1.0] + [0.0] * 18, [0.0, 0.0, -1.0] + [0.0] * 17
    rpcs = RPC(
        height_off=200.0, height_scale=100.0, lat_off=48.0, lat_scale=0.01, line_off=100.0, line_scale=100.0,
        long_off=14.0, long_scale=0.01, samp_off=150.0, samp_scale=150.0, line_den_coeff=one, line_num_coeff=down,
        samp_den_coeff=one, samp_num_coeff=along, err_bias=0.0, err_rand=0.0,
    )  # fmt: skip
    values = np.full((200, 300, 3), 60, np.uint8)
    values[50:60, 200:210] = 250
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", driver="GTiff", height=200, width=300, count=3, dtype="uint8", rpcs=rpcs) as file:
        file.write(np.moveaxis(values, -1, 0))
    scene = open_scene([path], sensor="aerial_rgb")
    assert any("rational polynomial coefficients for ground at 200 m" in note for note in scene.notes)
    seen = scene.read().observations["aerial_rgb"]
    rows, columns = np.nonzero(seen.valid[0] & (seen.values[0, :, :, 0] > 0.8))
    place = scene.read((int(rows.mean()), int(columns.mean()), 1, 1)).location_deg
    assert place == pytest.approx((14 + 0.01 * 55 / 150, 48 + 0.01 * 45 / 100), abs=2e-4)


def test_the_metric_crs_of_a_place() -> None:
    assert [metric_crs(*place) for place in ((15.0, 48.0), (-179.9, -20.0), (180.0, 1.0), (10.0, 85.0), (10.0, -85.0))] == [
        "EPSG:32633", "EPSG:32701", "EPSG:32601", "EPSG:5041", "EPSG:5042",
    ]  # fmt: skip
