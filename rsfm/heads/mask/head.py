"""A mask at each <mask> token: its embedding against the features of the pixels that a neck makes.

b batch · m masks · h w pixels · d text width · k pixel width
`<mask>` token against pixels as in LISA (arXiv:2308.00692).
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from rsfm.errors import lookup
from rsfm.heads.base import Head
from rsfm.heads.mask import files
from rsfm.heads.mask.scene import SceneMap, class_probabilities, collected, map_rows, placed_map
from rsfm.heads.mask.targets import fit_mask, possible_slots
from rsfm.heads.scene import Canvas, Window
from rsfm.heads.spans import Fit, Spans, Terms, Widths
from rsfm.heads.value.scene import placed_values, value_map
from rsfm.nn.losses.masks import MASK_LOSSES, balancing_weight
from rsfm.nn.mlp import MLP
from rsfm.types import Answer, Memory, Record, Region


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
    token, slots, span, dense, named = "<mask>", 16, Region, True, True
    slots_before = "max_masks"

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

    @classmethod
    def decode(cls, outputs: Mapping[str, Array], spans: int) -> list[Float[np.ndarray, "_ h w"]]:
        """Probabilities of "none of the classes asked for" and of each of them."""
        return list(np.asarray(class_probabilities(outputs["logits"][:, :spans])))

    @classmethod
    def join(cls, windows: Iterator[Window], canvas: Canvas) -> "SceneMap | Float[np.ndarray, 'h w 3']":
        """The one map of the scene; of classes between the edges of a quantity a map of numbers."""
        if canvas.quantity is not None:
            return value_map(windows, canvas)
        return collected(map_rows(windows, canvas), canvas)

    @classmethod
    def placed(cls, answer: Answer, joined: Any, canvas: Canvas, subjects: Sequence[str]) -> Answer:
        """The mask of the classes asked for; without words, those that are there, largest share first."""
        if canvas.quantity is not None:
            return placed_values(answer, joined, canvas.quantity)
        return placed_map(answer, joined, subjects or canvas.subjects)

    @classmethod
    def to_json(cls, answer: Answer) -> dict[str, Any]:
        """Share of the whole picture by class."""
        if answer.mask is None:
            return {}
        named = zip(answer.mask.legend, answer.mask.shares, strict=True)
        return {"mask": {name: round(share, 4) for name, share in named}}

    @classmethod
    def write(cls, answer: Answer, folder: Path, suffix: str) -> list[str]:
        """mask.tif, mask.geojson, and probability.tif where the probabilities were kept."""
        return files.map_files(folder, answer, suffix)

    @classmethod
    def overlay(cls, answer: Answer, picture: Shaped[np.ndarray, "h w 3"], path: Path) -> bool:
        """The classes in their colours, translucent, with a legend."""
        return files.map_overlay(path, answer, picture)

    @classmethod
    def draw(cls, answer: Answer, ax: Any, *, alpha: float) -> None:
        """The classes in their colours and a legend beside them."""
        if answer.mask is not None:
            files.draw_map(ax, answer.mask, alpha)

    @classmethod
    def layers(cls, answer: Answer) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
        """`mask` and `probability`."""
        return files.map_layers(answer)

    @classmethod
    def coordinates(cls, answer: Answer) -> dict[str, list[str]]:
        """The classes of `probability`."""
        return {"class": list(answer.mask.legend)} if answer.mask and answer.probability is not None else {}

    @classmethod
    def features(cls, answer: Answer) -> list[dict[str, Any]] | None:
        """A polygon for each connected region of a class."""
        return files.map_features(answer)

    @classmethod
    def rows(cls, answer: Answer) -> list[tuple[str, str]]:
        """Each class with its colour and its share."""
        return files.map_rows_of_html(answer)
