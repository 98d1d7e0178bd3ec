"""PNG and JPEG pictures: three bands of 0..255, transparency as a mask, odd modes, broken files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rsfm.data.reading.picture import open_picture
from rsfm.errors import UserError


def saved(path: Path, values: np.ndarray, **options) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 9))
def test_a_png_comes_back_as_it_was(tmp_path: Path, height: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    raster = open_picture(saved(tmp_path / "x.png", values))
    numbers, valid = raster.read((0, 0, height, width))
    assert np.array_equal(numbers, values) and valid.all() and raster.header.crs is None


def test_transparency_is_a_mask(tmp_path: Path) -> None:
    values = np.full((2, 2, 4), 200, np.uint8)
    values[0, 0, 3] = 0
    numbers, valid = open_picture(saved(tmp_path / "x.png", values)).read((0, 0, 2, 2))
    assert numbers.shape == (2, 2, 3) and valid[..., 0].tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_pictures_give_three_equal_bands(tmp_path: Path, dtype: type) -> None:
    top = np.iinfo(dtype).max
    raster = open_picture(saved(tmp_path / "x.png", np.array([[0, top]], dtype)))
    numbers, _ = raster.read((0, 0, 1, 2))
    assert numbers.tolist() == [[[0, 0, 0], [255, 255, 255]]] and "grey" in raster.header.notes[0]


def test_jpeg_and_palette(tmp_path: Path) -> None:
    grey = np.full((16, 16, 3), 90, np.uint8)
    assert open_picture(saved(tmp_path / "x.jpg", grey)).read((0, 0, 16, 16))[0] == pytest.approx(90, abs=2)
    Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
    assert open_picture(tmp_path / "p.png").header.count == 3


def test_shrinking_takes_pixels_from_all_over(tmp_path: Path) -> None:
    values = np.arange(100, dtype=np.uint8).reshape(10, 10, 1).repeat(3, -1)
    numbers, _ = open_picture(saved(tmp_path / "x.png", values)).read((0, 0, 10, 10), (2, 2))
    assert numbers[..., 0].tolist() == [[22, 27], [72, 77]]


@pytest.mark.parametrize(("content", "words"), [(b"a letter", "not an image"), (None, "cut short")])
def test_a_broken_picture(tmp_path: Path, content: bytes | None, words: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = saved(tmp_path / "x.png", values)
    path.write_bytes(content or path.read_bytes()[:3000])
    with pytest.raises(UserError, match=words):
        open_picture(path)
