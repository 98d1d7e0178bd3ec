"""What is minimised: for each head the sum of its losses over a batch, and the count that sum is a mean over.

b batch · s text · v values · m masks · h w pixels
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsfm.nn.losses import gaussian_nll, huber, mask_cross_entropy, token_cross_entropy
from rsfm.types import Predictions, Sample


def _weights() -> dict[str, float]:
    return {"text": 1.0, "value": 1.0, "mask": 1.0, "balance": 0.01, "z_loss": 0.001}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Attributes:
    weights: factor of each head's mean loss ("text", "value", "mask") and of the model's aux terms by name or ending
        ("balance" weighs "encoder_balance" too); an aux term that is not named is logged and not trained on.
    beta: of the value head's beta-NLL, see rsfm.nn.losses.gaussian_nll.
    huber_delta: where the error of a value, in standard deviations, begins to count linearly.
    """

    weights: dict[str, float] = dataclasses.field(default_factory=_weights)
    beta: float = 0.5
    huber_delta: float = 1.0


def target_masks(sample: Sample) -> dict[str, Bool[Array, "..."]]:
    """Which tokens, values and pixels have a target, by head; the first token of a text never has."""
    masks = {"text": jnp.asarray(sample.loss_mask)[:, 1:]}
    if "value" in sample.targets:
        masks["value"] = jnp.asarray(sample.targets["value_position"]) >= 0
    if "mask" in sample.targets:
        asked = (jnp.asarray(sample.targets["mask_position"]) >= 0).any(-1)
        masks["mask"] = (jnp.asarray(sample.targets["mask"]) >= 0) & asked[:, None, None]
    return masks


def count_units(config: LossConfig, sample: Sample) -> dict[str, Float[Array, ""]]:
    """How many targets each head has. Known before the model has run."""
    return {name: mask.sum(dtype=jnp.float32) for name, mask in target_masks(sample).items()}


def loss_sums(config: LossConfig, predictions: Predictions, sample: Sample) -> dict[str, Float[Array, ""]]:
    """Each head's loss summed over its targets: cross entropy; beta-NLL plus Huber; cross entropy over the slots."""
    masks = target_masks(sample)
    outputs, targets = ({name: jnp.asarray(x) for name, x in d.items()} for d in (predictions.outputs, sample.targets))
    # The token at i is told by what is known at i - 1.
    logits, following = jnp.asarray(predictions.text_logits)[:, :-1], jnp.asarray(sample.text_ids)[:, 1:]
    losses = {"text": token_cross_entropy(logits, following, masks["text"])}
    if "value" in masks:
        mean, scale = outputs["value_mean"], outputs["value_scale"]
        spread = gaussian_nll(mean, scale, targets["value"], masks["value"], beta=config.beta)
        losses["value"] = spread + huber(mean, targets["value"], masks["value"], delta=config.huber_delta)
    if "mask" in masks:
        asked = targets["mask_position"] >= 0
        losses["mask"] = mask_cross_entropy(outputs["mask_logits"], targets["mask"], masks["mask"], slot_valid=asked)
    return {name: loss * masks[name].sum(dtype=jnp.float32) for name, loss in losses.items()}
