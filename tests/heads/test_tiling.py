"""Windows cover every pixel, their weights sum to one, and blending gives back what was cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.heads.scene import StripBlender, Tiling, blend_weights, window_starts

LENGTHS = st.integers(1, 300)
SIZES = st.integers(1, 64)
OVERLAPS = st.floats(0, 0.9)


def blend(tiling: Tiling, image: np.ndarray) -> np.ndarray:
    """Cuts `image` [m h w] into the tiling's windows (zeros outside) and blends them again."""
    blender, out = StripBlender(tiling, len(image)), []
    padded = np.zeros((len(image), tiling.height + tiling.size, tiling.width + tiling.size), np.float32)
    padded[:, : tiling.height, : tiling.width] = image
    for i, top in enumerate(tiling.rows):
        for j, left in enumerate(tiling.columns):
            blender.add(i, j, padded[:, top : top + tiling.size, left : left + tiling.size])
        first, rows = blender.finish(i)
        assert first == sum(part.shape[1] for part in out)
        out.append(rows)
    return np.concatenate(out, axis=1)


@given(LENGTHS, SIZES, OVERLAPS)
def test_windows_cover_and_overlap(length: int, size: int, overlap: float) -> None:
    starts = window_starts(length, size, overlap)
    assert starts[0] == 0 and starts[-1] + size >= length
    if length > size:
        assert starts[-1] + size == length
        shared = size - np.diff(starts)
        assert (shared >= min(size - 1, np.floor(size * overlap))).all()


@given(LENGTHS, SIZES, OVERLAPS)
def test_weights_sum_to_one(length: int, size: int, overlap: float) -> None:
    starts = window_starts(length, size, overlap)
    total = np.zeros(starts[-1] + size)
    for start, weight in zip(starts, blend_weights(starts, size), strict=True):
        assert (weight >= 0).all()
        total[start : start + size] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(2, 40), st.floats(0, 0.7))
def test_blending_gives_back_the_picture(height: int, width: int, size: int, overlap: float) -> None:
    image = np.random.default_rng(0).normal(size=(2, height, width)).astype(np.float32)
    tiling = Tiling(height=height, width=width, size=size, overlap=overlap)
    np.testing.assert_allclose(blend(tiling, image), image, atol=1e-5)


def test_one_window_keeps_every_bit() -> None:
    image = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    np.testing.assert_array_equal(blend(Tiling(height=32, width=32, size=32), image), image)


def test_weights_leave_no_step_at_seams() -> None:
    """Windows that disagree by one everywhere: the blend passes from one to the other in small steps."""
    tiling = Tiling(height=16, width=100, size=16, overlap=0.5)
    blender = StripBlender(tiling, 1)
    for j in range(len(tiling.columns)):
        blender.add(0, j, np.full((1, 16, 16), j % 2, np.float32))
    row = blender.finish(0)[1][0, 0]
    assert np.abs(np.diff(row)).max() < 0.25


@given(st.integers(1, 500), st.integers(1, 32))
def test_batches_hold_every_window_once(width: int, most: int) -> None:
    tiling = Tiling(height=70, width=width, size=32)
    batches = list(tiling.batches(most))
    assert sorted((i, j) for i, columns in batches for j in columns) == [
        (i, j) for i in range(len(tiling.rows)) for j in range(len(tiling.columns))
    ]
    assert max(len(columns) for _, columns in batches) == tiling.batch_size(most) <= most


def test_overlap_out_of_range_is_told() -> None:
    with pytest.raises(UserError, match="overlap.*0.25"):
        window_starts(100, 32, 1.0)
