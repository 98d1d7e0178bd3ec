"""Masks as people have them: the class of a pixel does not depend on the type, bands or nodata of the file."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.data.datasets.legends import joined_legend, read_legend
from rsfm.data.datasets.masks import read_mask
from rsfm.errors import UserError
from rsfm.types import GeoGrid
from tests.data.layouts import write_raster

N = 16
TRUTH = np.zeros((N, N), int)
TRUTH[:, 8:] = 1
TRUTH[:3] = -1  # unlabelled
GRID = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 5e5, 0.0, -10.0, 5e6), height=N, width=N)
NOTES: list[str] = []  # of the mask read last


def numbers(zero: float, one: float, none: float, dtype: object) -> np.ndarray:
    return np.select([TRUTH == 0, TRUTH == 1], [zero, one], none).astype(dtype)


def tif(path: Path, bands: np.ndarray, nodata: float | None = None, alpha: bool = False) -> None:
    bands = bands if bands.ndim == 3 else bands[None]
    profile = {"driver": "GTiff", "height": N, "width": N, "count": len(bands), "dtype": bands.dtype, "nodata": nodata}
    profile |= {"alpha": "YES"} if alpha else {}
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6)) as file:
        file.write(bands)


def read(path: Path, legend: str) -> np.ndarray:
    known = read_legend("row 2", legend)
    index, notes = read_mask(path, known, joined_legend([known]), GRID)
    NOTES[:] = notes
    return index


@pytest.mark.parametrize(
    ("zero", "one", "none", "dtype", "nodata"),
    [
        (0, 1, 255, np.uint8, None),
        (0, 1, 255, np.uint8, 255),
        (0, 1, 255, np.uint8, 0),  # the legend is stronger than what the file calls nodata
        (5, 1, 0, np.uint8, 1),
        (0, 1, -100, np.int16, None),
        (-2, 1, -1, np.int16, -1),
        (0, 1, np.nan, np.float32, None),
        (0, 1, np.inf, np.float64, None),
        (0, 255, 7, np.uint8, None),
        (0, 1, 65535, np.uint16, None),
        (2**24 + 1, 2**24 + 3, 2**24 + 2, np.int32, None),
        (2**31 + 1, 2**31 + 3, 0, np.uint32, None),
    ],
)
def test_classes_are_read_in_any_type(
    zero: int, one: int, none: float, dtype: type, nodata: float, tmp_path: Path
) -> None:
    tif(tmp_path / "m.tif", numbers(zero, one, none, dtype), nodata)
    np.testing.assert_array_equal(read(tmp_path / "m.tif", f"{zero}=other;{one}=field"), TRUTH)


def test_what_is_transparent_is_unlabelled(tmp_path: Path) -> None:
    alpha = np.where(TRUTH < 0, 0, 255).astype(np.uint8)
    grey = numbers(0, 1, 0, np.uint8)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "m.png")
    tif(tmp_path / "m.tif", np.stack([grey, alpha]), alpha=True)
    for name in ("m.png", "m.tif"):
        np.testing.assert_array_equal(read(tmp_path / name, "0=other;1=field"), TRUTH)


def test_colours_are_classes_where_the_legend_has_colours(tmp_path: Path) -> None:
    colours = np.array([[255, 0, 0], [0, 128, 255], [9, 9, 9]], np.uint8)[TRUTH]
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([colours, np.full((N, N), 255, np.uint8)])).save(tmp_path / "rgba.png")
    palette = Image.fromarray(numbers(3, 4, 0, np.uint8), "P")
    palette.putpalette([9] * 9 + [255, 0, 0, 0, 128, 255] + [0] * 753)
    palette.save(tmp_path / "palette.png")
    for name in ("rgb.png", "rgba.png", "palette.png"):
        np.testing.assert_array_equal(read(tmp_path / name, "#FF0000=other;#0080ff=field"), TRUTH)
    with pytest.raises(UserError, match="rgb.png has 3 bands, expected one of class numbers.*a legend of colours"):
        read(tmp_path / "rgb.png", "0=other;1=field")


@pytest.mark.parametrize("bands", [1, 3])
def test_a_grey_picture_may_have_three_like_bands(bands: int, tmp_path: Path) -> None:
    grey = numbers(0, 255, 9, np.uint8)
    Image.fromarray(grey if bands == 1 else np.dstack([grey] * 3)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read(tmp_path / "m.png", "0=other;255=field"), TRUTH)


def test_several_numbers_may_be_one_class(tmp_path: Path) -> None:
    tif(tmp_path / "m.tif", numbers(4, 7, 0, np.uint8))
    np.testing.assert_array_equal(read(tmp_path / "m.tif", "4=crop;7=Crop;9=water"), np.where(TRUTH < 0, -1, 0))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("m.jpg", np.zeros((N, N), np.uint8), "JPEG blurs class numbers"),
        ("m.tif", np.linspace(0, 1, N * N).reshape(N, N).astype(np.float32), "found fractions such as 0.0039"),
        ("m.tif", np.zeros((2, N, N), np.uint8), "has 2 bands, expected one of class numbers"),
        ("m.tif", np.zeros((N, N), np.complex64), "expected class numbers, found complex"),
    ],
)
def test_what_is_no_mask_is_refused(name: str, array: np.ndarray, message: str, tmp_path: Path) -> None:
    if name.endswith("jpg"):
        Image.fromarray(array).save(tmp_path / name)
    else:
        tif(tmp_path / name, array)
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, "0=other;1=field")


def test_a_mask_of_0_and_255_under_a_legend_of_0_and_1_is_told(tmp_path: Path) -> None:
    tif(tmp_path / "m.tif", np.where(TRUTH == 1, 255, 0).astype(np.uint8))
    read(tmp_path / "m.tif", "0=other;1=field")
    assert "of the mask is 255, which the legend lacks" in NOTES[0]
    tif(tmp_path / "m.tif", np.where(TRUTH == 1, 1, 2).astype(np.uint8))
    read(tmp_path / "m.tif", "0=other;1=field")
    assert "is 2, which the legend lacks" in NOTES[0]


@pytest.mark.parametrize("cell", ["water", "1=", "1.5=water", "1=water;#00ff00=trees", "1=water;1=trees", "=water"])
def test_a_legend_that_cannot_be_read(cell: str) -> None:
    with pytest.raises(UserError, match="row 2, column 'legend'"):
        read_legend("row 2", cell)


def test_rows_with_other_legends_share_one(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", np.full((12, N, N), 900, np.uint16))
    for name, array in {"m1": numbers(1, 2, 0, np.uint8), "m2": numbers(2, 3, 0, np.uint8)}.items():
        tif(tmp_path / f"{name}.tif", array)
    (tmp_path / "labels.csv").write_text(
        "id,image,sensor,split,mask,legend\n"
        "a,a.tif,sentinel2_l2a,train,m1.tif,1=water;2=trees\n"
        "b,a.tif,sentinel2_l2a,train,m2.tif,3=crops;2=Trees\n"
    )
    first, second = GeoTiffFolder(tmp_path, "train")
    assert first.mask.legend == second.mask.legend == ("water", "trees", "crops")
    np.testing.assert_array_equal(first.mask.class_index, TRUTH)
    np.testing.assert_array_equal(second.mask.class_index, np.where(TRUTH < 0, -1, TRUTH + 1))
