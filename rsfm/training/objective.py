"""What is minimised: for each head the sum of its losses over a batch, and the count that sum is a mean over.

b batch · s text · v values · m masks · h w pixels
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from rsfm.types import Predictions, Sample


def count_units(sample: Sample) -> dict[str, Float[Array, ""]]:
    """How many tokens, values and pixels have a target, by head. Known before the model has run."""
    masks = {"text": text_mask(sample)}
    if "value_position" in sample.targets:
        masks["value"] = sample.targets["value_position"] >= 0
    if "mask_position" in sample.targets:
        masks["mask"] = sample.targets["mask"] >= 0
    return {name: mask.sum(dtype=jnp.float32) for name, mask in masks.items()}


def text_mask(sample: Sample):
    return sample.loss_mask[:, 1:]


def loss_sums(predictions: Predictions, sample: Sample) -> dict[str, Float[Array, ""]]:
    logits = predictions.text_logits[:, :-1].astype(jnp.float32)
    nll = optax.softmax_cross_entropy_with_integer_labels(logits, sample.text_ids[:, 1:])
    out = {"text": jnp.where(text_mask(sample), nll, 0).sum()}
    if "value_mean" in predictions.outputs:
        z = (sample.targets["value"] - predictions.outputs["value_mean"]) / predictions.outputs["value_scale"]
        v = 0.5 * z**2 + jnp.log(predictions.outputs["value_scale"])
        out["value"] = jnp.where(sample.targets["value_position"] >= 0, v, 0).sum()
    return out
