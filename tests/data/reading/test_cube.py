"""Cubes of .npy, .mat and ENVI files come back as they were; pickles are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from rsfm.data.reading.cube import open_cube
from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from tests.data.rasters import write_tif


def whole(path: Path, bands: int | None = None) -> list[np.ndarray]:
    rasters = open_cube(path, bands)
    return [raster.read((0, 0, raster.header.height, raster.header.width))[0] for raster in rasters]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_of_npy_and_mat_are_slices(tmp_path: Path, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(2, 12)) for _ in range(3))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]))
    cube = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 99, shape).astype(dtype)
    np.save(tmp_path / "x.npy", cube)
    savemat(tmp_path / "x.mat", {"cube": cube, "label": "text"})
    row, column = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    window = (row, column, shape[0] - row, shape[1] - column)
    for name in ("x.npy", "x.mat"):
        numbers, valid = open_cube(tmp_path / name)[0].read(window)
        assert np.array_equal(numbers, cube[row:, column:]) and valid.all()


def test_band_axis_and_dates(tmp_path: Path) -> None:
    np.save(tmp_path / "chw.npy", np.zeros((13, 5, 6)))
    np.save(tmp_path / "thwc.npy", np.arange(2 * 5 * 6 * 3).reshape(2, 5, 6, 3))
    np.save(tmp_path / "hw.npy", np.zeros((5, 6)))
    assert [cube.shape for cube in whole(tmp_path / "chw.npy", 13)] == [(5, 6, 13)]
    assert [cube.shape for cube in whole(tmp_path / "thwc.npy")] == [(5, 6, 3)] * 2
    assert whole(tmp_path / "thwc.npy")[1][0, 0, 0] == 90
    assert [cube.shape for cube in whole(tmp_path / "hw.npy")] == [(5, 6, 1)]


def test_matlab_7_3(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is in the extra geo")
    cube = np.arange(60).reshape(3, 4, 5)
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["cube"] = cube.T
    with open(tmp_path / "x.mat", "r+b") as file:  # what MATLAB writes in front is what scipy tells the version by
        content = file.read()
    header = b"MATLAB 7.3 MAT-file".ljust(116) + b"\x00" * 8 + b"\x00\x02IM"
    (tmp_path / "y.mat").write_bytes(header.ljust(512, b"\x00") + content)
    assert np.array_equal(whole(tmp_path / "y.mat")[0], cube)


@pytest.mark.parametrize("interleave", ["bip", "bil", "bsq"])
def test_envi(tmp_path: Path, interleave: str) -> None:
    envi = pytest.importorskip("spectral.io.envi", reason="spectral is in the extra geo")
    cube = np.random.default_rng(0).integers(1, 9999, (6, 7, 5)).astype(np.uint16)
    cube[0, 0] = 0
    metadata = {"reflectance scale factor": 10000, "data ignore value": 0, "band names": list("abcde")}
    envi.save_image(str(tmp_path / "x.hdr"), cube, metadata=metadata, interleave=interleave, dtype=np.uint16)
    (raster,) = open_cube(tmp_path / "x.hdr")
    numbers, valid = raster.read((0, 0, 4, 7))
    assert np.array_equal(numbers, cube[:4]) and not valid[0, 0].any() and valid[1:].all()
    assert raster.header.scales == pytest.approx([1e-4] * 5) and raster.header.descriptions == tuple("abcde")


def test_envi_with_a_map(tmp_path: Path) -> None:
    pytest.importorskip("spectral", reason="spectral is in the extra geo")
    values = np.ones((4, 5, 3), np.uint16)
    write_tif(tmp_path / "x.img", values, driver="ENVI")
    header = open_cube(tmp_path / "x.hdr")[0].header
    assert header.crs == "EPSG:32633" and header.transform[:3] == (10.0, 0.0, 404400.0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pickle.npy", np.array([{}], object), "never read"),
        ("text.npy", np.array(["a"]), "numbers expected"),
        ("line.npy", np.zeros(5), "expected an array"),
        ("bad.npy", b"nothing", "cut short|pickled"),
        ("bad.mat", b"nothing at all, and long enough to be looked at", "not a .mat file"),
        ("flat.mat", {"x": np.zeros((3, 3))}, "expected a numeric array"),
        ("bad.hdr", b"ENVI\nsamples = 3\n", r"not an ENVI image|pip install 'rsfm\[geo\]'"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: object, words: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        savemat(path, content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=words):
        open_cube(path)


def test_a_cut_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((9, 9, 9)))
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:1000])
    with pytest.raises(UserError, match="cut short"):
        open_cube(tmp_path / "x.npy")


def test_true_and_false_are_no_measurements(tmp_path: Path) -> None:
    np.save(tmp_path / "flags.npy", np.ones((4, 5, 3), bool))
    with pytest.raises(UserError, match="flags.npy: true and false are no measurements"):
        open_scene([tmp_path / "flags.npy"], sensor="aerial_rgb")
