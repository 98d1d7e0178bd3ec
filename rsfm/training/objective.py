"""What is minimised: for each head the sum of its losses over a batch, and the count that sum is a mean over.

b batch · s text · v values · m masks · h w pixels
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError, lookup
from rsfm.heads.value import distribution
from rsfm.nn.losses.contrast import info_nce, same_texts, sigmoid_contrast
from rsfm.nn.losses.masked import (
    gaussian_nll,
    huber,
    mask_cross_entropy,
    negative_log_likelihood,
    pinball,
    ranked_probability,
    token_cross_entropy,
)
from rsfm.types import Predictions, Sample


def _weights() -> dict[str, float]:
    return {"text": 1.0, "value": 1.0, "mask": 1.0, "contrast": 1.0, "balance": 0.01, "z_loss": 0.001}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Attributes:
    weights: factor of each head's mean loss ("text", "value", "mask", "contrast") and of the model's aux terms by name or ending
        ("balance" weighs "encoder_balance" too); an aux term that is not named is logged and not trained on.
    value: a key of VALUE_LOSSES; "" = each kind of value head its own: "gaussian" of mean and deviation, "nll" of
        mixture and bins, "pinball" of quantiles, "huber" of a number alone.
    beta: of the value head's beta-NLL, see rsfm.nn.losses.masked.gaussian_nll.
    huber_delta: where the error of a value, in standard deviations, begins to count linearly.
    contrast: between pictures and texts: "softmax" (InfoNCE), "sigmoid" (SigLIP), "" = none. The wrong answers are
        the rest of the batch, over all devices; with train.accumulate, of the microbatch.
    ret_id: the token at which a text is compared, as in the model's ContrastiveConfig.
    """

    weights: dict[str, float] = dataclasses.field(default_factory=_weights)
    value: str = ""
    beta: float = 0.5
    huber_delta: float = 1.0
    contrast: str = ""
    ret_id: int = 9


def target_masks(sample: Sample) -> dict[str, Bool[Array, "..."]]:
    """Which tokens, values and pixels have a target, by head; the first token of a text never has."""
    masks = {"text": jnp.asarray(sample.loss_mask)[:, 1:]}
    if "value" in sample.targets:
        masks["value"] = jnp.asarray(sample.targets["value_position"]) >= 0
    if "mask" in sample.targets:
        asked = (jnp.asarray(sample.targets["mask_position"]) >= 0).any(-1)
        masks["mask"] = (jnp.asarray(sample.targets["mask"]) != 0) & asked[:, None, None]
    return masks


def count_units(config: LossConfig, sample: Sample) -> dict[str, Float[Array, ""]]:
    """How many targets each head has. Known before the model has run."""
    return {name: mask.sum(dtype=jnp.float32) for name, mask in _all_masks(config, sample).items()}


def _all_masks(config: LossConfig, sample: Sample) -> dict[str, Bool[Array, "..."]]:
    masks = target_masks(sample)
    if config.contrast:
        text = jnp.asarray(sample.text_ids) == config.ret_id
        masks["contrast"] = (text & jnp.asarray(sample.text_valid)).any(-1)
    return masks


def loss_sums(
    config: LossConfig, predictions: Predictions, sample: Sample, *, device_axis: str | None = None
) -> dict[str, Float[Array, ""]]:
    """Each head's loss summed over its targets: cross entropy; the value head's; cross entropy over the slots; the pairs'.

    `device_axis` is the mapped axis under `jax.pmap`, over which pairs are compared.
    """
    masks = _all_masks(config, sample)
    outputs, targets = ({name: jnp.asarray(x) for name, x in d.items()} for d in (predictions.outputs, sample.targets))
    # The token at i is told by what is known at i - 1.
    logits, following = jnp.asarray(predictions.text_logits)[:, :-1], jnp.asarray(sample.text_ids)[:, 1:]
    losses = {"text": token_cross_entropy(logits, following, masks["text"])}
    if "value" in masks:
        losses["value"] = value_loss(config, outputs, targets["value"], masks["value"])
    if "mask" in masks:
        asked = targets["mask_position"] >= 0
        losses["mask"] = mask_cross_entropy(outputs["mask_logits"], targets["mask"], masks["mask"], slot_valid=asked)
    if "contrast" in masks:
        losses["contrast"] = contrast_loss(config, outputs, sample, masks["contrast"], device_axis)
    return {name: loss * masks[name].sum(dtype=jnp.float32) for name, loss in losses.items()}


Outputs = Mapping[str, Array]


def contrast_loss(
    config: LossConfig, outputs: Outputs, sample: Sample, mask: Bool[Array, " b"], device_axis: str | None = None
) -> Float[Array, ""]:
    """The loss of the contrastive head's pairs; texts that say the same are not each other's wrong answers."""
    kind = lookup({"softmax": True, "sigmoid": False}, "contrast", config.contrast)
    if "picture_embedding" not in outputs:
        raise UserError(
            f"train.loss.contrast is '{config.contrast}', but the model has no head for it. Set model.contrastive."
        )
    pictures, texts, scale = (outputs[name] for name in ("picture_embedding", "text_embedding", "contrast_scale"))
    said = jnp.asarray(sample.loss_mask) & jnp.asarray(sample.text_valid)
    same = same_texts(jnp.asarray(sample.text_ids), said, device_axis=device_axis)
    if not kind:
        bias = outputs["contrast_bias"][0]
        return sigmoid_contrast(pictures, texts, scale[0], bias, mask, same=same, device_axis=device_axis)
    queues = {"left_queue": outputs.get("picture_queue"), "right_queue": outputs.get("text_queue")}
    return info_nce(pictures, texts, scale[0], mask, same=same, device_axis=device_axis, **queues)


def _gaussian(config: LossConfig, outputs: Outputs, target: Array, mask: Array) -> Array:
    """beta-NLL for the spread, Huber for the mean."""
    mean = outputs["value_mean"]
    spread = gaussian_nll(mean, distribution(outputs).scale(), target, mask, beta=config.beta)
    return spread + huber(mean, target, mask, delta=config.huber_delta)


def _huber(config: LossConfig, outputs: Outputs, target: Array, mask: Array) -> Array:
    return huber(outputs["value_mean"], target, mask, delta=config.huber_delta)


def _nll(config: LossConfig, outputs: Outputs, target: Array, mask: Array) -> Array:
    return negative_log_likelihood(distribution(outputs), target, mask)


def _pinball(config: LossConfig, outputs: Outputs, target: Array, mask: Array) -> Array:
    if "value_quantiles" in outputs:
        return pinball(outputs["value_quantiles"], outputs["value_levels"], target, mask)
    predicted = distribution(outputs)
    deciles = [i / 10 for i in range(1, 10)]
    found = jnp.stack([predicted.quantile(level) for level in deciles], axis=-1)
    return pinball(found, jnp.broadcast_to(jnp.asarray(deciles), found.shape), target, mask)


def _crps(config: LossConfig, outputs: Outputs, target: Array, mask: Array) -> Array:
    return ranked_probability(distribution(outputs), target, mask)


VALUE_LOSSES: dict[str, Callable[[LossConfig, Outputs, Array, Array], Array]] = {
    "gaussian": _gaussian,
    "huber": _huber,
    "nll": _nll,
    "pinball": _pinball,
    "crps": _crps,
}


def value_loss(
    config: LossConfig, outputs: Outputs, target: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """Mean loss of the numbers under `config.value`, or under the loss of their own head's kind."""
    if "value_scale" in outputs:
        own = "gaussian"
    elif "value_quantiles" in outputs:
        own = "pinball"
    else:
        own = "nll" if {"value_weight", "value_probability"} & set(outputs) else "huber"
    return lookup(VALUE_LOSSES, "value loss", config.value or own)(config, outputs, target, mask)
