"""A mask at each <mask> token: its embedding against the features of the pixels that a neck makes.

b batch · m masks · h w pixels · d text width · k pixel width
`<mask>` token against pixels as in LISA (arXiv:2308.00692).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import lookup
from rsfm.heads.base import Fit, Head, Spans, Terms, Widths
from rsfm.heads.mask.targets import fit_mask, possible_slots
from rsfm.nn.losses.masks import MASK_LOSSES, balancing_weight
from rsfm.nn.mlp import MLP
from rsfm.types import Memory, Record, Region


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How masks are learned; what the head looks at is the neck's matter.

    Attributes:
        losses: keys of MASK_LOSSES, added up; the first is the term "mask", another, as "dice", is "mask_dice", which
            `train.loss.weights` may weigh.
        balance: pixels are weighed by their class's share of the sample to the power of minus this: 0 all alike, 1 all
            classes alike.
    """

    losses: tuple[str, ...] = ("cross_entropy",)
    balance: float = 0.0


class MaskHead(Head):
    """Logits over the pixels for every span, each read by itself; they depend on no invalid pixel and no masked token."""

    config_type = MaskConfig
    token, slots, span, dense = "<mask>", 16, Region, True

    def __init__(self, config: MaskConfig, widths: Widths, *, rngs: nnx.Rngs):
        self.config = config
        out = widths.pixel + 1  # a direction and a bias
        self.embed = MLP(widths.text, widths.text, out=out, gated=False, activation="gelu_tanh", bias=True, rngs=rngs)

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> dict[str, Float[Array, "b m h w"]]:
        """ "logits" of each mask at each pixel, float32; those of an invalid pixel come from what its neighbours show."""
        features, embedding = memory.pixels[neck].features, self.embed(spans.hidden)
        direction, bias = embedding[..., :-1] / math.sqrt(features.shape[-1]), embedding[..., -1:]
        logits = jnp.einsum("bmk,bhwk->bmhw", direction, features, preferred_element_type=jnp.float32)
        return {"logits": logits + bias[..., None].astype(jnp.float32)}

    def loss(self, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Terms:
        """The config's losses over the slots and "none of them"."""
        asked, target = jnp.asarray(targets["position"]) >= 0, jnp.asarray(targets["mask"])
        labelled = (target != 0) & asked.any(-1)[:, None, None]
        units = labelled.sum(dtype=jnp.float32)
        weight = None
        if self.config.balance:
            weight = balancing_weight(target, labelled, asked.shape[-1] + 1, self.config.balance)
        terms = {}
        for i, name in enumerate(self.config.losses):
            loss = lookup(MASK_LOSSES, "mask loss", name)
            value = loss(outputs["logits"], target, labelled, slot_valid=asked, weight=weight)
            terms[name if i else ""] = (value * units, units)
        return terms

    @classmethod
    def targets(cls, spans: Sequence[Region], record: Record, fit: Fit, slots: int) -> dict[str, np.ndarray]:
        """ "mask" (h w): bit i = 1..m set: the pixel may be of slot i; bit 0: of none asked; no bit: unlabelled."""
        if spans:
            return {"mask": fit_mask(possible_slots(spans[0].mask), fit.size)}
        labelled = record.mask is not None or record.value_map is not None
        return {"mask": np.zeros((fit.size, fit.size), np.int32)} if labelled else {}
