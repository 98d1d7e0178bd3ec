"""NetCDF and HDF5 products: EMIT and PRISMA in the layout they are distributed in, and variables by their names."""

from pathlib import Path

import numpy as np
import pytest

from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from rsfm.types import Observation

h5py = pytest.importorskip("h5py", reason="h5py is in the extra geo")


def seen(scene: Scene, window: tuple[int, int, int, int] | None = None) -> Observation:
    return scene.read(window).observations[scene.sensor.name]


def emit(path: Path) -> np.ndarray:
    """A swath of 12 x 15 pixels turned by its look-up table onto a grid of 20 x 25, from row 3 and column 5 on."""
    rng = np.random.default_rng(0)
    data = rng.uniform(0.05, 0.4, (12, 15, 285)).astype(np.float32)
    data[0] = -9999
    with h5py.File(path, "w") as file:
        file["reflectance"] = data
        file["reflectance"].attrs["_FillValue"] = np.float32(-9999)
        group = file.create_group("sensor_band_parameters")
        group["wavelengths"] = [band.center_um * 1000 + 0.4 for band in SENSORS["emit"].bands]
        group["fwhm"] = np.full(285, 8.6)
        group["good_wavelengths"] = np.where((np.arange(285) > 129) & (np.arange(285) < 140), 0, 1).astype(np.uint8)
        rows, columns = np.mgrid[:12, :15] + 1
        for name, numbers in (("glt_x", columns), ("glt_y", rows)):
            table = np.zeros((20, 25), np.int32)
            table[3:15, 5:20] = numbers[::-1]  # upside down, as a look-up table may
            file[f"location/{name}"] = table
        file.attrs["geotransform"] = [10.0, 5e-4, 0, 45.0, 0, -5e-4]
        file.attrs["time_coverage_start"] = "2022-09-03T16:31:29+0000"
    return data


def test_emit(tmp_path: Path) -> None:
    data = emit(tmp_path / "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc")
    scene = open_scene([tmp_path / "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc"])
    assert scene.sensor.name == "emit" and (scene.height, scene.width) == (20, 25)
    assert scene.time_days[0] == days_since_2000("2022-09-03T16:31:29Z") and scene.grid.crs == "EPSG:4326"
    assert scene.location_deg == pytest.approx((10.00625, 44.995))
    observation = seen(scene)
    good = [i for i in range(285) if not 129 < i < 140]
    assert observation.values[0, 3:14, 5:20] == pytest.approx(data[:0:-1][..., good])
    assert observation.valid[0].sum() == 11 * 15, "neither the fill nor what lies outside the swath"
    wavelengths = np.array([band.center_um for band in SENSORS["emit"].bands])[good] + 0.0004
    assert observation.wavelength_um == pytest.approx(wavelengths, abs=1e-6)
    part = seen(scene, (4, 6, 5, 7))
    assert np.array_equal(part.values[0], observation.values[0, 4:9, 6:13])


def prisma(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    visible, infrared = (rng.integers(5000, 20000, (9, bands, 8)).astype(np.uint16) for bands in (66, 173))
    visible[:2], infrared[:2] = 0, 0
    with h5py.File(path, "w") as file:
        fields = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
        file[f"{fields}/VNIR_Cube"], file[f"{fields}/SWIR_Cube"] = visible, infrared
        centers = np.r_[0, 0, 0, np.linspace(977.4, 407, 63)], np.r_[np.linspace(2497, 943.4, 171), 0, 0]
        for part, center in zip(("Vnir", "Swir"), centers, strict=True):
            file.attrs[f"List_Cw_{part}"], file.attrs[f"List_Fwhm_{part}"] = center, np.full(len(center), 11.0)
            file.attrs[f"L2Scale{part}Min"], file.attrs[f"L2Scale{part}Max"] = np.float32(0.01), np.float32(1.2)
        file.attrs["Epsg_Code"], file.attrs["Product_StartTime"] = 32633, b"2021-05-13T10:20:23.5"
        file.attrs["Product_ULcorner_easting"], file.attrs["Product_ULcorner_northing"] = 500015.0, 4999985.0
        file.attrs["Product_LRcorner_easting"] = 500015.0 + 7 * 30
        file.attrs["Product_LRcorner_northing"] = 4999985.0 - 8 * 30
    return visible, infrared


def test_prisma(tmp_path: Path) -> None:
    path = tmp_path / "PRS_L2D_STD_20210513102023_20210513102027_0001.he5"
    visible, infrared = prisma(path)
    scene = open_scene([path])
    assert scene.sensor.name == "prisma" and len(scene.bands) == 234
    assert (scene.grid.crs, scene.grid.transform) == ("EPSG:32633", (30.0, 0.0, 500000.0, 0.0, -30.0, 5000000.0))
    observation = seen(scene)
    assert observation.values[0, 5, 4, 0] == pytest.approx(0.01 + visible[5, 65, 4] * 1.19 / 65535)
    assert observation.values[0, 5, 4, -1] == pytest.approx(0.01 + infrared[5, 0, 4] * 1.19 / 65535)
    assert np.all(np.diff(observation.wavelength_um[:63]) > 0) and np.all(np.diff(observation.wavelength_um[63:]) > 0)
    assert not observation.valid[0, :2].any() and observation.valid[0, 2:].all()


def write(path: Path, scales: dict, variables: dict) -> Path:
    with h5py.File(path, "w") as file:
        for name, (numbers, attributes) in scales.items():
            file[name] = numbers
            file[name].make_scale(name)
            file[name].attrs.update(attributes)
        for name, (numbers, axes) in variables.items():
            file[name] = numbers
            for i, axis in enumerate(axes):
                file[name].dims[i].attach_scale(file[axis])
    return path


def axes() -> dict:
    days = np.array([0.0, 31.0]), {"units": "days since 2021-05-01"}
    return {"time": days, "y": (5e6 - 10 * np.arange(6.0), {}), "x": (5e5 + 10 * np.arange(7.0), {})}


def test_variables_are_bands_and_their_time_axis_dates(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).uniform(0.05, 0.4, (4, 2, 6, 7)).astype(np.float32)
    variables = {name: (cube[i], ("time", "y", "x")) for i, name in enumerate(("nir", "blue", "red", "green"))}
    scene = open_scene([write(tmp_path / "x.nc", axes(), variables)], sensor="sentinel2_l2a")
    assert scene.bands == ("B02", "B03", "B04", "B08")
    assert scene.time_days.tolist() == [days_since_2000("2021-05-01"), days_since_2000("2021-06-01")]
    assert seen(scene).values == pytest.approx(np.moveaxis(cube[[1, 3, 2, 0]], 0, -1))
    assert scene.grid.transform == (10.0, 0.0, 499995.0, 0.0, -10.0, 5000005.0)


def test_a_cube_with_a_wavelength_axis(tmp_path: Path) -> None:
    cube = np.random.default_rng(0).uniform(0.05, 0.4, (8, 6, 7)).astype(np.float32)
    spectral = {**axes(), "wavelength": (np.linspace(450, 900, 8), {"units": "nm"})}
    scene = open_scene([write(tmp_path / "x.nc", spectral, {"rfl": (cube, ("wavelength", "y", "x"))})])
    assert seen(scene).wavelength_um == pytest.approx(np.linspace(0.45, 0.9, 8), abs=1e-6)
    assert seen(scene).values[0] == pytest.approx(np.moveaxis(cube, 0, -1))


def test_what_is_no_cube_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["numbers"] = np.zeros(5)
    with pytest.raises(UserError, match=r"x\.h5: holds no cube .*numbers \(5,\)"):
        open_scene([tmp_path / "x.h5"])
