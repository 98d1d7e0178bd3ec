"""A file's instrument, bands, wavelengths and dates: as the user, the file and its product say, or refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from rsfm.answer.footprint import open_footprint
from rsfm.data.reading.scene import open_scene
from rsfm.data.reading.wavelengths import fill_widths, read_wavelengths
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from tests.data.rasters import sentinel2, write_tif

S2 = [band.name for band in SENSORS["sentinel2_l2a"].bands]
TEN = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
DATES = ("2021-04-01", "2021-06-10", "2021-08-19")


@pytest.mark.parametrize(
    ("count", "names", "sensor", "bands"),
    [
        (4, None, "planetscope", ("blue", "green", "red", "nir")),
        (4, None, "sentinel2_l2a", ("B02", "B03", "B04", "B08")),
        (10, None, "sentinel2_l2a", TEN),
        (6, None, "landsat8_oli", ("B2", "B3", "B4", "B5", "B6", "B7")),
        (4, ("B2", "B3", "B4", "B8"), "sentinel2_l2a", ("B02", "B03", "B04", "B08")),
        (5, ("B2", "B3", "B4", "B8", "NDVI"), "sentinel2_l2a", ("B02", "B03", "B04", "B08")),
        (3, ("nir", "red", "green"), "sentinel2_l2a", ("B03", "B04", "B08")),
        (3, ("Band 4 - Red", "B3 (green)", "SR_B2"), "landsat8_oli", ("B2", "B3", "B4")),
        (
            9,
            (*(f"SR_B{i}" for i in range(1, 8)), "ST_B10", "QA_PIXEL"),
            "landsat8_oli",
            tuple(f"B{i}" for i in range(1, 8)),
        ),
    ],
)
def test_fewer_bands_than_the_sensor_has(
    tmp_path: Path, count: int, names: tuple[str, ...] | None, sensor: str, bands: tuple[str, ...]
) -> None:
    values = np.random.default_rng(0).integers(9000, 9500, (8, 8, count)).astype(np.uint16)
    path = write_tif(tmp_path / "x.tif", values, descriptions=names)
    footprint = open_footprint([path], sensors=[sensor])
    assert footprint.scenes[0].bands == bands


def test_a_file_named_after_its_band(tmp_path: Path) -> None:
    radar = write_tif(tmp_path / "S1_VV.tif", np.full((8, 8, 1), -12.5, np.float32))
    assert open_scene([radar], sensor="sentinel1_rtc").bands == ("VV",)
    for name, number in (("blue", 500), ("nir", 3000)):
        write_tif(tmp_path / "one" / f"{name}.tif", np.full((8, 8, 1), number, np.uint16))
    scene = open_scene([tmp_path / "one"], sensor="sentinel2_l2a")
    assert scene.bands == ("B02", "B08")
    assert scene.read().observations["sentinel2_l2a"].values[0, 0, 0] == pytest.approx([0.05, 0.3])


def test_the_advice_of_the_error_works(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_tif(tmp_path / "x.tif", sentinel2(rng, bands=5))
    with pytest.raises(UserError, match=r'--bands B01 B02 .*bands=\("B01", "B02", \.\.\.\)'):
        open_footprint([path], sensors=["sentinel2_l2a"])
    scene = open_footprint([path], sensors=["sentinel2_l2a"], bands=["B11", "red", "B8A", "skip", "B02"]).scenes[0]
    assert scene.bands == ("B11", "B04", "B8A", "B02") and any("left out layer 4" in note for note in scene.notes)
    with pytest.raises(UserError, match="names 2 bands, the file has 5"):
        open_footprint([path], sensors=["sentinel2_l2a"], bands=["B11", "B04"])
    with pytest.raises(UserError, match="Unknown sentinel2_l2a band 'B44'"):
        open_footprint([path], sensors=["sentinel2_l2a"], bands=["B44"] * 5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_names_decide_whatever_the_order(tmp_path: Path, data: st.DataObject) -> None:
    names = data.draw(st.permutations(S2))[: data.draw(st.integers(2, 12))]
    values = np.stack([np.full((6, 6), 500 + 100 * S2.index(name), np.uint16) for name in names], -1)
    scene = open_scene([write_tif(tmp_path / "x.tif", values, descriptions=names)], sensor="sentinel2_l2a")
    seen = scene.read().observations["sentinel2_l2a"]
    assert list(scene.bands) == sorted(names, key=S2.index)
    assert seen.values[0, 0, 0] == pytest.approx([(500 + 100 * S2.index(name)) / 1e4 for name in scene.bands], abs=1e-6)


# --- dates in one file


def series() -> np.ndarray:
    """(t c) numbers of three dates and six bands, each another."""
    return (500 + 1000 * np.arange(3)[:, None] + 100 * np.arange(6)).astype(np.int16)


@pytest.mark.parametrize("layout", ["{band} {date}", "{plain}_{band}", "{band}_{plain}"])
def test_layers_named_by_band_and_date(tmp_path: Path, layout: str) -> None:
    bands = [band.name for band in SENSORS["hls"].bands]
    names = [layout.format(band=b, date=d, plain=d.replace("-", "")) for d in DATES for b in bands]
    values = np.broadcast_to(series().ravel(), (5, 6, 18))
    scene = open_scene([write_tif(tmp_path / "x.tif", values, descriptions=names)], sensor="hls")
    assert scene.time_days == pytest.approx([days_since_2000(date) for date in DATES])
    assert scene.read().observations["hls"].values[:, 2, 3] == pytest.approx(series() / 1e4, abs=1e-6)


@pytest.mark.parametrize("by_date", [True, False])
def test_unnamed_layers_of_several_dates_are_the_users_to_name(tmp_path: Path, by_date: bool) -> None:
    bands = [band.name for band in SENSORS["hls"].bands]
    numbers = series() if by_date else series().T
    path = write_tif(tmp_path / "x.tif", np.broadcast_to(numbers.ravel(), (5, 6, 18)))
    with pytest.raises(UserError, match="3 dates of 6 bands, name its 18 layers"):
        open_scene([path], sensor="hls", dates=DATES)
    names = bands * 3 if by_date else [band for band in bands for _ in range(3)]
    seen = open_scene([path], sensor="hls", dates=DATES, bands=names).read().observations["hls"]
    assert seen.values[:, 2, 3] == pytest.approx(series() / 1e4, abs=1e-6)


@pytest.mark.parametrize("axes", [(0, 2, 3, 1), (0, 1, 2, 3), (1, 0, 2, 3)])
def test_arrays_of_dates_in_any_order_of_axes(tmp_path: Path, axes: tuple[int, ...]) -> None:
    cube = np.broadcast_to(series()[..., None, None], (3, 6, 8, 9))
    np.save(tmp_path / "x.npy", cube.transpose(axes))
    seen = open_scene([tmp_path / "x.npy"], sensor="hls", dates=DATES).read().observations["hls"]
    assert seen.values[:, 4, 5] == pytest.approx(series() / 1e4, abs=1e-6)


# --- Sentinel-2 products


def safe(folder: Path, *, baseline: str, name: bool, metadata: str = "", raised: bool, fill: int = 0) -> Path:
    """A .SAFE folder of two bands with a reflectance of 0.1."""
    product = f"S2B_MSIL2A_20190520T104629_N{baseline}_R051_T30UYV_20230520T152439.SAFE" if name else "scene"
    inner = folder / product / "GRANULE" / "L2A_T30UYV" / "IMG_DATA" / "R10m"
    for band in ("B03", "B04"):
        values = np.full((20, 20, 1), 2000 if raised else 1000, np.uint16)
        values[:fill] = 0
        write_tif(inner / f"T30UYV_20190520T104629_{band}_10m.tif", values)
    if metadata:
        (folder / product / "MTD_MSIL2A.xml").write_text(metadata, encoding="utf-8")
    return folder / product


@pytest.mark.parametrize(
    ("baseline", "metadata", "raised"),
    [
        ("0509", "", True),
        ("0500", "", True),  # Collection 1: sensed in 2019 all the same
        ("0208", "", False),
        (
            "0500",
            "<PROCESSING_BASELINE>05.00</PROCESSING_BASELINE><BOA_ADD_OFFSET band_id='0'>-1000</BOA_ADD_OFFSET>",
            True,
        ),
        ("0208", "<PROCESSING_BASELINE>02.08</PROCESSING_BASELINE>", False),
    ],
)
@pytest.mark.parametrize("part", ["", "GRANULE/L2A_T30UYV/IMG_DATA/R10m"])
def test_the_baseline_of_a_safe(tmp_path: Path, baseline: str, metadata: str, raised: bool, part: str) -> None:
    folder = safe(tmp_path, baseline=baseline, name=True, metadata=metadata, raised=raised, fill=7) / part
    seen = open_scene([folder], sensor="sentinel2_l2a").read().observations["sentinel2_l2a"]
    assert seen.values[seen.cells] == pytest.approx(0.1, abs=1e-6)
    assert not seen.valid[0, :7].any() and seen.valid[0, 7:].all()


def test_statements_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    other = "<PROCESSING_BASELINE>02.08</PROCESSING_BASELINE>"
    folder = safe(tmp_path, baseline="0509", name=True, metadata=other, raised=True)
    with pytest.raises(UserError, match='contradict each other. Set unit="dn_offset"'):
        open_scene([folder], sensor="sentinel2_l2a")
    assert (
        open_scene([folder], sensor="sentinel2_l2a", unit="dn_offset").read().observations["sentinel2_l2a"].valid.all()
    )
    dark = np.full((20, 20, 12), 300, np.uint16)
    path = write_tif(tmp_path / "S2B_MSIL2A_20230520T104629_N0509_R051_T30UYV.tif", dark)
    with pytest.raises(UserError, match="the offset may be off already"):
        open_scene([path])


def test_the_scale_of_landsat_is_that_of_its_metadata(tmp_path: Path) -> None:
    name = "LC08_L2SP_044034_20210508_20210517_02_T1"
    for i in range(1, 8):
        write_tif(tmp_path / name / f"{name}_SR_B{i}.TIF", np.full((6, 6, 1), 10000, np.uint16))
    scene = open_scene([tmp_path / name])
    assert scene.sensor.name == "landsat8_oli" and scene.time_days[0] == days_since_2000("2021-05-08")
    assert scene.read().observations["landsat8_oli"].values == pytest.approx(0.075, abs=1e-6)
    lines = [f"    REFLECTANCE_MULT_BAND_{i} = 1e-05\n    REFLECTANCE_ADD_BAND_{i} = -0.05\n" for i in range(1, 8)]
    (tmp_path / name / f"{name}_MTL.txt").write_text("".join(lines), encoding="utf-8")
    assert open_scene([tmp_path / name]).read().observations["landsat8_oli"].values == pytest.approx(0.05, abs=1e-6)
    older = write_tif(
        tmp_path / "LC08_L1TP_044034_20180508_20180510_01_T1_sr_band.tif", np.full((6, 6, 7), 1000, np.uint16)
    )
    assert any("Level 1" in note or "Collection 1" in note for note in open_scene([older]).notes)


# --- wavelengths


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wavelengths_of_headers_decide(tmp_path: Path, data: st.DataObject) -> None:
    count = data.draw(st.integers(5, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    centers = np.sort(rng.uniform(400, 2400, count)).round(1)
    cube = rng.uniform(0.05, 0.5, (6, 7, count)).astype(np.float32)
    kind = data.draw(st.sampled_from(["tags", "imagery", "mat", "user", "envi"]))
    path, how = tmp_path / "cube.tif", {}
    if kind == "envi":
        envi = pytest.importorskip("spectral.io.envi", reason="spectral is in the extra geo")
        path = tmp_path / "cube.hdr"
        bad = rng.random(count) < 0.2
        bad[0] = False
        fields = {"wavelength": list(centers), "wavelength units": "Nanometers", "bbl": [int(not flag) for flag in bad]}
        envi.save_image(str(path), cube, force=True, metadata=fields)
        cube, centers = cube[..., ~bad], centers[~bad]
    elif kind == "mat":
        path = tmp_path / "cube.mat"
        savemat(path, {"cube": cube, "wavelengths": centers})
    else:
        write_tif(path, cube)
        if kind == "user":
            how = {"wavelengths_um": centers / 1000}
        else:
            _tag(path, centers, imagery=kind == "imagery")
    scene = open_scene([path], **how)
    seen = scene.read().observations[scene.sensor.name]
    assert seen.wavelength_um == pytest.approx(centers / 1000, abs=1e-6) and (seen.bandwidth_um > 0).all()
    assert seen.values[0] == pytest.approx(cube, abs=1e-6) and scene.sensor.family in ("optical", "hyperspectral")


def _tag(path: Path, centers: np.ndarray, *, imagery: bool) -> None:
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        for i, center in enumerate(centers, start=1):
            if imagery:
                dataset.update_tags(i, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=f"{center / 1000:.6f}", FWHM_UM="0.01")
            else:
                dataset.update_tags(i, wavelength=f"{center}", wavelength_units="nm")


def test_a_count_does_not_overrule_wavelengths(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "x.tif", np.full((5, 5, 224), 0.2, np.float32))
    _tag(path, np.linspace(400, 1000, 224).round(2), imagery=False)
    assert open_scene([path]).sensor.name.startswith("spectrum_224_"), "as many bands as EnMAP, at other wavelengths"
    with pytest.raises(UserError, match="not those of enmap"):
        open_scene([path], sensor="enmap")


def test_integers_without_a_scale_are_refused(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "x.tif", np.full((5, 5, 30), 2000, np.uint16))
    centers = np.linspace(0.4, 2.4, 30)
    with pytest.raises(UserError, match="Set --scale"):
        open_scene([path], wavelengths_um=centers)
    scene = open_scene([path], wavelengths_um=centers, scale=1e-4, offset=-0.1)
    assert scene.read().observations[scene.sensor.name].values == pytest.approx(0.1, abs=1e-6)
    with pytest.raises(UserError, match="29 wavelengths, the file has 30 bands"):
        open_scene([path], wavelengths_um=centers[:29])


@pytest.mark.parametrize(
    ("name", "text", "centers", "widths"),
    [
        ("a.txt", "480\n560\n660\n", (0.48, 0.56, 0.66), (0, 0, 0)),
        ("b.csv", "band,wavelength_nm,fwhm\n1,480,60\n2,560,50\n", (0.48, 0.56), (0.06, 0.05)),
        ("c.txt", "0.48 0.06\n0.56 0.05\n", (0.48, 0.56), (0.06, 0.05)),
        ("d.json", '{"wavelengths": [480, 560], "fwhm": [60, 50], "units": "nm"}', (0.48, 0.56), (0.06, 0.05)),
    ],
)
def test_files_of_wavelengths(tmp_path: Path, name: str, text: str, centers: tuple, widths: tuple) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_wavelengths(tmp_path / name)
    assert found[0] == pytest.approx(centers) and found[1] == pytest.approx(widths)


@pytest.mark.parametrize("text", ["", "blue\ngreen\n", "1,2\n3\n", "-480\n"])
def test_files_that_hold_no_wavelengths(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.txt: .*one band a line"):
        read_wavelengths(tmp_path / "x.txt")


def test_unknown_widths_reach_to_the_nearest_band() -> None:
    assert fill_widths([0.5, 0.6, 0.6, 2.0], [0.0, 0.0, 0.01, 0.0]) == pytest.approx((0.05, 0.06, 0.01, 0.2))
    assert fill_widths([0.5, 0.51, 0.9], [0.0, 0.0, 0.0]) == pytest.approx((0.01, 0.01, 0.09))


def test_a_file_of_endless_wavelengths_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("1.5\n" * 5_000)
    assert len(read_wavelengths(tmp_path / "many.txt")[0]) == 5_000
    (tmp_path / "more.txt").write_text("1.5\n" * 200_000)
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("more.txt", "pipe.txt"):
        with pytest.raises(UserError, match="more than 256 kB"):
            read_wavelengths(tmp_path / name)
