"""Stored numbers to physical units: scale, offset, the Sentinel-2 offset once and only once, and what is refused."""

import numpy as np
import pytest

from rsfm.data.reading.units import Calibration, calibrate, check_range
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000

S2 = SENSORS["sentinel2_l2a"]
BASELINE_START_DAYS = days_since_2000("2022-01-25")
U16, F32 = np.dtype("uint16"), np.dtype("float32")
DARK = np.full((50, 12), 300)
RAISED = np.full((50, 12), 1300)


def s2(**arguments) -> Calibration:
    sensor = arguments.pop("sensor", S2)
    return calibrate(
        sensor, sensor.bands, where="x.tif", dtype=arguments.pop("dtype", U16), **{"unit": None, **arguments}
    )


@pytest.mark.parametrize(
    ("arguments", "offset"),
    [
        ({"sample": DARK}, 0.0),
        ({"tags": {"PROCESSING_BASELINE": "04.00"}, "sample": RAISED}, -0.1),
        ({"tags": {"PROCESSING_BASELINE": "02.14"}, "sample": RAISED}, 0.0),
        ({"tags": {"s2:processing_baseline": "05.10"}}, -0.1),
        ({"tags": {"BOA_ADD_OFFSET": "-1000"}}, -0.1),
        ({"tags": {"BOA_ADD_OFFSET": "0"}, "time_days": BASELINE_START_DAYS + 9, "sample": RAISED}, 0.0),
        ({"tags": {"earthsearch:boa_offset_applied": "true"}, "time_days": BASELINE_START_DAYS + 9}, 0.0),
        ({"product": "S2A_MSIL2A_20220613T101031_N0400_R022_T33UUP.SAFE/x.tif"}, -0.1),
        ({"product": "S2A_MSIL2A_20170613T101031_N0500_R022_T33UUP.SAFE/x.tif"}, -0.1),
        ({"product": "S2A_MSIL2A_20170613T101031_N0205_R022_T33UUP.SAFE/x.tif", "sample": RAISED}, 0.0),
        ({"product": "S2_harmonized/x.tif", "time_days": BASELINE_START_DAYS + 9, "sample": RAISED}, 0.0),
        ({"time_days": BASELINE_START_DAYS + 9, "sample": RAISED}, -0.1),
        ({"time_days": BASELINE_START_DAYS + 9, "sample": DARK}, 0.0),
        ({"time_days": BASELINE_START_DAYS - 9, "sample": RAISED}, 0.0),
        ({"unit": "dn_offset", "sample": DARK}, -0.1),
        ({"unit": "dn_no_offset", "tags": {"BOA_ADD_OFFSET": "-1000"}}, 0.0),
    ],
)
def test_the_sentinel2_offset(arguments: dict, offset: float) -> None:
    calibration = s2(**arguments)
    assert calibration.offset == pytest.approx(offset) and calibration.scale == pytest.approx(1e-4)


def test_the_cirrus_band_tells_the_offset_of_l1c() -> None:
    sensor = SENSORS["sentinel2_l1c"]
    bright = np.full((50, 13), 2500)
    assert s2(sensor=sensor, sample=bright).offset[0] == pytest.approx(-0.1)
    bright[:, 10] = 12
    assert s2(sensor=sensor, sample=bright).offset[0] == 0


def test_the_files_own_scale_comes_first_and_is_never_added_to() -> None:
    calibration = s2(scales=[1e-4] * 12, offsets=[-0.1] * 12, tags={"PROCESSING_BASELINE": "05.00"})
    assert calibration.apply(np.full((1, 12), 2000))[0] == pytest.approx(0.1)


def test_floats_are_physical_unless_said_to_be_numbers() -> None:
    assert s2(dtype=F32).scale == pytest.approx(1) and s2(dtype=F32, unit="dn").scale == pytest.approx(1e-4)


def test_pictures_and_bytes() -> None:
    rgb = SENSORS["aerial_rgb"]
    assert s2(sensor=rgb, dtype=np.dtype("uint8")).apply(np.array([[0, 51, 255]]))[0] == pytest.approx([0, 0.2, 1])
    assert s2(sensor=rgb, dtype=U16).apply(np.array([[65535] * 3]))[0] == pytest.approx(1)
    landsat = s2(sensor=SENSORS["landsat7_etm"], dtype=np.dtype("uint8"))
    assert landsat.scale[0] == pytest.approx(1 / 255) and "not calibrated" in landsat.notes[0]


def test_landsat_collection_2() -> None:
    calibration = s2(sensor=SENSORS["landsat8_oli"])
    assert calibration.apply(np.full((1, 7), 10000))[0] == pytest.approx(0.075)


def test_radar_power_amplitude_and_palsar_numbers() -> None:
    rtc, palsar = SENSORS["sentinel1_rtc"], SENSORS["palsar2"]
    assert s2(sensor=rtc, dtype=F32, unit="linear").apply(np.array([[0.1, 1.0]]))[0] == pytest.approx([-10, 0])
    assert s2(sensor=rtc, dtype=F32, unit="amplitude").apply(np.array([[0.1, 1.0]]))[0] == pytest.approx([-20, 0])
    assert np.isnan(s2(sensor=rtc, dtype=F32, unit="linear").apply(np.array([[0.0, -1.0]]))).all()
    assert s2(sensor=palsar).apply(np.array([[7943, 7943]]))[0] == pytest.approx(-5.0, abs=0.01)
    with pytest.raises(UserError, match="uncalibrated amplitudes"):
        s2(sensor=rtc)


def test_an_unknown_unit() -> None:
    with pytest.raises(UserError, match="Did you mean 'reflectance'"):
        s2(unit="reflectence")


@pytest.mark.parametrize(
    ("sensor", "value", "words"),
    [
        ("sentinel2_l2a", 2168.0, ["reflectance", "2168", 'unit="dn"']),
        ("sentinel2_l2a", -0.5, ["reflectance"]),
        ("aerial_rgb", 128.0, ["display", 'unit="dn"']),
        ("sentinel1_grd", 300.0, ["dB", 'unit="linear"']),
        ("sentinel1_grd", -9999.0, ["dB", "nodata"]),
        ("sentinel1_grd", 0.08, ["linear power", 'unit="linear"']),
        ("elevation", 32767.0, ["cannot be m"]),
        ("ndvi_series", 8000.0, ["cannot be 1"]),
    ],
)
def test_values_that_cannot_be_the_unit(sensor: str, value: float, words: list[str]) -> None:
    bands = SENSORS[sensor].bands
    with pytest.raises(UserError) as caught:
        check_range("x.tif", bands, np.full((100, len(bands)), value, np.float32), converted=False)
    assert str(caught.value).startswith("x.tif: ") and all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("sensor", "value"),
    [
        ("sentinel2_l2a", 0.3),
        ("sentinel2_l2a", 1.2),
        ("aerial_rgb", 1.0),
        ("sentinel1_grd", -14.0),
        ("elevation", 30.0),
    ],
)
def test_plausible_values_pass(sensor: str, value: float) -> None:
    bands = SENSORS[sensor].bands
    check_range("x.tif", bands, np.full((100, len(bands)), value, np.float32), converted=False)
    check_range("x.tif", bands, np.full((100, len(bands)), np.nan, np.float32), converted=False)


@pytest.mark.parametrize(
    ("numbers", "scale", "refused"),
    [
        ((0.02, 0.4), 1e-4, True),  # reflectance already, the tag left over
        ((200.0, 4000.0), 1e-4, False),
        ((0.02, 0.4), 1.0, False),
        ((0.002, 0.04), 0.5, False),  # dark after all
    ],
)
def test_a_scale_that_was_applied_already_is_refused(numbers: tuple[float, float], scale: float, refused: bool) -> None:
    sensor = SENSORS["sentinel2_l2a"]
    sample = np.random.default_rng(0).uniform(*numbers, (100, len(sensor.bands))).astype(np.float32)
    how = {"where": "a.tif", "dtype": np.dtype(np.float32), "unit": None, "sample": sample}
    options = {"scales": [scale] * len(sensor.bands), **how}
    if refused:
        with pytest.raises(UserError, match="applied already. Set --scale 1"):
            calibrate(sensor, sensor.bands, **options)
        assert (calibrate(sensor, sensor.bands, **options | {"scale": 1.0}).scale == 1).all()
    else:
        assert calibrate(sensor, sensor.bands, **options).scale[0] == np.float32(scale)
