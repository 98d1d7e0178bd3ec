"""Learning to match pictures and texts: each picks its partner among all of the batch.   b batch · s text · e joint width"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from rsfm.errors import UserError, lookup
from rsfm.nn.losses.contrast import info_nce, same_texts, sigmoid_contrast
from rsfm.objectives.base import Objective, Reading, Terms


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """Attributes:
    loss: "softmax" (InfoNCE) or "sigmoid" (SigLIP). The wrong answers are the rest of the batch, over all devices; with
        train.accumulate, of the microbatch.
    head: name of the model's head that has the joint space.
    """

    loss: str = "softmax"
    head: str = "contrastive"


class Contrast(Objective):
    """Pictures against the texts that end in the retrieval token; texts that say the same are not each other's wrong answers."""

    config_type = ContrastConfig

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "contrast": the loss of the pairs of this batch."""
        config, sample, model = self.config, student.sample, student.model
        softmax = lookup({"softmax": True, "sigmoid": False}, "loss of contrast", config.loss)
        if config.head not in model.heads:
            raise UserError(
                f"objective contrast: the model has no head '{config.head}'. Add one of kind 'contrastive' to model.heads."
            )
        head = model.heads[config.head].head
        hidden, ids, valid = model.read_words(sample)
        place = head.place(ids, valid)
        pictures, texts = head.pictures(student.tokens), head.texts(hidden, place)
        mask, learned = place >= 0, jnp.asarray(sample.loss_mask) & jnp.asarray(sample.text_valid)
        same = same_texts(jnp.asarray(sample.text_ids), learned, device_axis=student.device_axis)
        options: dict[str, Any] = {"same": same, "device_axis": student.device_axis}
        if softmax:
            mean = info_nce(pictures, texts, head.scale(), mask, **options)
        else:
            mean = sigmoid_contrast(pictures, texts, head.scale(), head.bias[...], mask, **options)
        units = mask.sum(dtype=jnp.float32)
        return Terms(losses={"contrast": (mean * units, units)})
