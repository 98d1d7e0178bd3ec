"""Every instrument in the table: facts in range, names and units that the rest of the house knows."""

import numpy as np
import pytest

from rsfm.sensors import SENSORS
from rsfm.sensors.infer import infer_sensor
from rsfm.sensors.names import band_name
from rsfm.types import BAND_CODES, Sensor

COUNTS = {
    "sentinel1_grd": 2,
    "sentinel2_l1c": 13,
    "sentinel2_l2a": 12,
    "landsat5_tm": 6,
    "landsat8_oli": 7,
    "naip": 4,
    "aerial_rgb": 3,
    "planetscope": 8,
    "aviris_indian_pines": 200,
    "enmap": 224,
    "prisma": 234,
    "emit": 285,
    "palsar2": 2,
    "fuel_moisture_table": 18,
    "ndvi_series": 1,
}


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_is_whole(name: str) -> None:
    sensor = SENSORS[name]
    assert sensor.name == name and sensor.title and len(sensor.source) > 20
    assert sensor.family in ("optical", "hyperspectral", "sar", "elevation", "weather", "mixed")
    names = [band.name for band in sensor.bands]
    assert len(set(names)) == len(names)
    for band in sensor.bands:
        assert band.code in BAND_CODES and band.gsd_m > 0
        assert band.unit in ("reflectance", "dB", "K", "m", "degree", "display", "1")
        assert (band.code != "") or 0.35 < band.center_um < 2.6, f"{band.name}: told by its wavelength, so it has one"
        assert 0 <= band.width_um < max(band.center_um, 1e-9) or band.center_um == 0
    assert len(names) == COUNTS.get(name, len(names))


def test_radar_carries_its_true_wavelength() -> None:
    assert SENSORS["sentinel1_rtc"].bands[0].center_um == pytest.approx(55465.8, abs=0.1)
    assert SENSORS["palsar2"].bands[0].center_um == pytest.approx(238403.5, abs=0.5)
    assert [band.code for band in SENSORS["palsar2"].bands] == ["HH", "HV"]


def test_spectrometers_hit_published_channels() -> None:
    def centers(sensor: Sensor) -> np.ndarray:
        return np.array([band.center_um for band in sensor.bands]) * 1000

    aviris, enmap, emit = (centers(SENSORS[name]) for name in ("aviris_indian_pines", "enmap", "emit"))
    # AVIRIS channels 1, 31, 32, 96 of the 1992 calibration; EnMAP bands 50, 120, 200; EMIT bands 11, 101, 251.
    assert aviris[[0, 30, 31, 95]] == pytest.approx([400.02, 696.50, 686.91, 1282.96], abs=0.02)
    assert enmap[[49, 119, 199]] == pytest.approx([679.691, 1211.05, 2257.61], abs=1.0)
    assert emit[[10, 100, 250]] == pytest.approx([455.17, 1126.196, 2241.527], abs=1.0)
    assert aviris[-1] == pytest.approx(2489.1, abs=1) and np.all(np.diff(emit) > 0)


def test_corrected_indian_pines_leaves_out_the_water_bands() -> None:
    centers = np.array([band.center_um for band in SENSORS["aviris_indian_pines"].bands])
    assert not ((centers > 1.36) & (centers < 1.40)).any() and not ((centers > 1.83) & (centers < 1.94)).any()


@pytest.mark.parametrize(
    ("sensor", "told", "product", "name"),
    [
        ("sentinel2_l2a", "b1", "", "B01"),
        ("sentinel2_l2a", "B8A", "", "B8A"),
        ("sentinel2_l2a", "B8", "", "B08"),
        ("sentinel2_l2a", "TCI", "", None),
        ("sentinel2_l2a", "B10", "", None),
        ("landsat8_oli", "SR_B4", "", "B4"),
        ("hls", "B05", "HLS.L30.T10", "nir_narrow"),
        ("hls", "B8A", "HLS.S30.T10", "nir_narrow"),
        ("hls", "NIR_NARROW", "", "nir_narrow"),
        ("sentinel1_grd", "vh", "", "VH"),
    ],
)
def test_bands_are_known_by_the_names_files_use(sensor: str, told: str, product: str, name: str | None) -> None:
    assert band_name(SENSORS[sensor], told, product) == name


@pytest.mark.parametrize(
    ("count", "dtype", "product", "name"),
    [
        (3, "uint8", "photo.tif", "aerial_rgb"),
        (4, "uint8", "photo.tif", "naip"),
        (12, "uint16", "x.tif", "sentinel2_l2a"),
        (13, "int16", "x.tif", "sentinel2_l1c"),
        (2, "float32", "S1A_IW_GRDH_1SDV_20170613/x.tif", "sentinel1_grd"),
        (2, "float64", "examples/S1RTC/x.tif", "sentinel1_rtc"),
        (7, "uint16", "LC08_L2SP_044034_20210508.tif", "landsat8_oli"),
        (6, "uint16", "LE07_L2SP_044034_20010508.tif", "landsat7_etm"),
        (1, "int16", "cop_dem.tif", "elevation"),
        (200, "uint16", "x.npy", "aviris_indian_pines"),
    ],
)
def test_a_sensor_is_told_where_that_is_plain(count: int, dtype: str, product: str, name: str) -> None:
    sensor, note = infer_sensor(product, count=count, dtype=np.dtype(dtype), product=product)
    assert sensor.name == name and note.startswith(f"sensor {name}: ")
