"""Samples that differ in streams, dates and heads make one batch, and what was filled in changes nothing."""

import numpy as np
import pytest

from rsfm.data.training.collate import collate
from rsfm.pytree import replace
from rsfm.types import Observation, Sample


def observation(times: int, bands: int = 3, size: int = 4) -> Observation:
    rng = np.random.default_rng(times)
    return Observation(
        values=rng.normal(size=(times, size, size, bands)).astype(np.float32),
        valid=np.ones((times, size, size), bool),
        band_valid=np.ones((times, bands), bool),
        wavelength_um=np.full(bands, 0.6, np.float32),
        bandwidth_um=np.full(bands, 0.1, np.float32),
        band_code=np.zeros(bands, np.int32),
        time_days=np.arange(times, dtype=np.float32),
        gsd_m=np.asarray(10.0, np.float32),
    )


def sample(streams: dict[str, Observation], targets: dict[str, dict[str, np.ndarray]] | None = None) -> Sample:
    return Sample(
        observations=streams,
        location_deg=np.zeros(2, np.float32),
        text_ids=np.arange(5, dtype=np.int32),
        text_valid=np.ones(5, bool),
        loss_mask=np.ones(5, bool),
        targets=targets or {},
    )


def test_missing_streams_and_dates_are_not_valid() -> None:
    batch = collate(
        [sample({"optical": observation(3), "sar": observation(1, 2)}), sample({"optical": observation(1)})]
    )
    optical, sar = batch.observations["optical"], batch.observations["sar"]
    assert optical.values.shape == (2, 3, 4, 4, 3) and sar.values.shape == (2, 1, 4, 4, 2)
    assert optical.valid[0].all() and optical.valid[1, 0].all() and not optical.valid[1, 1:].any()
    assert not sar.valid[1].any() and not sar.band_valid[1].any() and np.isnan(sar.time_days[1]).all()
    assert np.isnan(optical.time_days[1, 1:]).all() and not optical.values[1, 1:].any()


def test_a_head_without_targets_has_empty_slots() -> None:
    targets = {"mask": {"position": np.array([3, -1], np.int32), "mask": np.ones((4, 4), np.int32)}}
    batch = collate([sample({}, targets), sample({})])
    assert batch.targets["mask"]["position"].tolist() == [[3, -1], [-1, -1]]
    assert not batch.targets["mask"]["mask"][1].any()


def test_numbers_and_images_of_texts_are_filled() -> None:
    numbered = replace(sample({}), text_numbers=np.arange(5, dtype=np.float32), text_images=np.zeros(5, np.int32))
    batch = collate([sample({}), numbered])
    assert np.isnan(batch.text_numbers[0]).all() and (batch.text_images[0] == -1).all()


def test_equal_samples_are_stacked_as_they_are() -> None:
    one = sample({"optical": observation(2)})
    batch = collate([one, one])
    np.testing.assert_array_equal(batch.observations["optical"].values[1], one.observations["optical"].values)


def test_windows_of_two_sizes_are_refused() -> None:
    with pytest.raises(AssertionError, match="differ in shape"):
        collate([sample({"optical": observation(1)}), sample({"optical": observation(1, size=8)})])
