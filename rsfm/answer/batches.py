"""Samples run through the model together: stacked, padded to one length, compiled once a structure."""

import jax
import numpy as np
from flax import nnx

from rsfm.models.foundation import FoundationModel
from rsfm.pytree import replace
from rsfm.types import Predictions, Sample


@nnx.jit
def forward(model: FoundationModel, sample: Sample) -> Predictions:
    """The jitted forward pass of a batch."""
    return model(sample)


def stack(samples: list[Sample]) -> Sample:
    """A batch of samples of the same streams; shorter texts are padded to the longest."""
    length = max(sample.text_ids.shape[0] for sample in samples)

    def lengthened(sample: Sample) -> Sample:
        pad = (0, length - sample.text_ids.shape[0])
        texts = {name: np.pad(getattr(sample, name), pad) for name in ("text_ids", "text_valid", "loss_mask")}
        if sample.text_numbers is not None:
            texts["text_numbers"] = np.pad(sample.text_numbers, pad, constant_values=np.nan)
        if sample.text_images is not None:
            texts["text_images"] = np.pad(sample.text_images, pad, constant_values=-1)
        return replace(sample, **texts)

    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(lengthened, samples))
