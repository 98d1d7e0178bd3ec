"""Samples side by side in a batch, where they differ in streams, dates and heads: what one lacks is there and not valid.

b batch · t acquisitions
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rsfm.pytree import replace
from rsfm.types import Observation, Sample


def collate(samples: Sequence[Sample]) -> Sample:
    """One Sample with a leading batch axis.

    A stream that some samples lack, and dates beyond a sample's own, are filled with zeros that are nowhere valid; a head
    that some have no targets for gets empty slots; shorter texts are padded to the longest.
    """
    streams = sorted({name for sample in samples for name in sample.observations})
    models = {name: _largest([s.observations[name] for s in samples if name in s.observations]) for name in streams}
    heads = {name: targets for sample in samples for name, targets in sample.targets.items()}
    numbered = any(sample.text_numbers is not None for sample in samples)
    pictured = any(sample.text_images is not None for sample in samples)

    longest = max(np.shape(sample.text_ids)[-1] for sample in samples)

    def completed(sample: Sample) -> Sample:
        seen = {name: _filled(sample.observations.get(name), like) for name, like in models.items()}
        targets = {name: sample.targets.get(name) or _empty(like) for name, like in heads.items()}
        numbers, images = sample.text_numbers, sample.text_images
        if numbered and numbers is None:
            numbers = np.full(np.shape(sample.text_ids), np.nan, np.float32)
        if pictured and images is None:
            images = np.full(np.shape(sample.text_ids), -1, np.int32)
        more = (0, longest - np.shape(sample.text_ids)[-1])
        texts: dict[str, Any] = {
            name: np.pad(getattr(sample, name), more) for name in ("text_ids", "text_valid", "loss_mask")
        }
        texts["text_numbers"] = None if numbers is None else np.pad(numbers, more, constant_values=np.nan)
        texts["text_images"] = None if images is None else np.pad(images, more, constant_values=-1)
        return replace(sample, observations=seen, targets=targets, **texts)

    whole = [completed(sample) for sample in samples]
    shapes = [jax.tree.map(np.shape, sample) for sample in whole]
    for other in shapes[1:]:
        assert other == shapes[0], f"samples of one batch differ in shape:\n{shapes[0]}\n{other}"
    return jax.tree.map(lambda *leaves: np.stack(leaves), *whole)


def _largest(observations: Sequence[Observation]) -> Observation:
    """The one with the most dates."""
    return max(observations, key=lambda observation: np.shape(observation.time_days)[-1])


def _filled(observation: Observation | None, like: Observation) -> Observation:
    """The observation with as many dates as `like` has; without one, the same shapes and nothing valid."""
    if observation is None:
        blank = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), np.asarray(leaf).dtype), like)
        undated = np.full(np.shape(like.time_days), np.nan, np.float32)
        return replace(blank, time_days=undated, gsd_m=np.asarray(like.gsd_m))
    more = np.shape(like.time_days)[-1] - np.shape(observation.time_days)[-1]
    if not more:
        return observation

    def longer(leaf: np.ndarray, fill: float = 0) -> np.ndarray:
        return np.pad(leaf, [(0, more)] + [(0, 0)] * (np.ndim(leaf) - 1), constant_values=fill)

    return replace(
        observation,
        values=longer(observation.values),
        valid=longer(observation.valid),
        band_valid=longer(observation.band_valid),
        time_days=longer(observation.time_days, np.nan),
    )


def _empty(like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    blank = {name: np.zeros(np.shape(leaf), np.asarray(leaf).dtype) for name, leaf in like.items()}
    return blank | {"position": np.full(np.shape(like["position"]), -1, np.int32)}
