"""Learning where a picture was taken: it finds its own coordinates among those of the batch and a queue of others.

b batch · k coordinates of the queue · e joint width
GeoCLIP (Vivanco Cepeda et al. 2023, arXiv:2309.16020): the queue holds coordinates, not embeddings, so it is never out of date.
Here it is filled anew at each step with the batch's own places moved by noise of several widths.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.errors import UserError
from rsfm.nn.losses.contrast import NEVER
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.types import Sample, Tokens, concatenate

WIDTHS_DEG = (0.5, 2.0, 8.0, 32.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaceConfig:
    """Attributes:
    queue: copies of every place of the batch, moved by noise of each of WIDTHS_DEG in turn; 0 = the batch alone.
    head: name of the model's head of kind "contrastive", which has the joint space and the temperature.
    """

    queue: int = 8
    head: str = "contrastive"


class Place(Objective):
    """Pictures against the model's own location tokens; the location itself is kept from the encoder."""

    config_type = PlaceConfig
    labels = False

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "place": cross entropy of the own coordinates, over the records whose place is known."""
        model, sample, config = student.model, student.sample, self.config
        if config.head not in model.heads:
            raise UserError(
                f"objective place: the model has no head '{config.head}'. Add one of kind 'contrastive' to model.heads."
            )
        head, own = model.heads[config.head].head, jnp.asarray(sample.location_deg)
        known = ~jnp.isnan(own).any(-1)
        pictures = head.pictures(seen_without_place(model, sample))
        places = jnp.concatenate([own, moved(own, config.queue, key)])
        logits = head.scale() * pictures @ head.pictures(model.location(places)).T
        logits = jnp.where(~jnp.isnan(places).any(-1)[None], logits, NEVER)
        # The same place twice is nobody's wrong answer.
        same = (own[:, None] == own[None]).all(-1) & ~jnp.eye(len(own), dtype=bool)
        logits = logits.at[:, : len(own)].set(jnp.where(same, NEVER, logits[:, : len(own)]))
        loss = jax.nn.logsumexp(logits, axis=-1) - jnp.diagonal(logits)
        return Terms(losses={"place": (jnp.where(known, loss, 0).sum(), known.sum(dtype=jnp.float32))})


def seen_without_place(model: Any, sample: Sample) -> Tokens:
    """Encoded tokens of the streams, with the location not told."""
    nowhere = jnp.full_like(jnp.asarray(sample.location_deg), jnp.nan)
    encoded, _ = model.encode(sample.observations, nowhere)
    return concatenate([tokens for name, tokens in encoded.items() if name != "location"])


def moved(places: Float[Array, "b 2"], copies: int, key: Array) -> Float[Array, "k 2"]:
    """Each place `copies` times, moved in longitude and latitude; poles and the date line are kept to."""
    widths = jnp.asarray([WIDTHS_DEG[i % len(WIDTHS_DEG)] for i in range(copies)])
    noise = jax.random.normal(key, (copies, *places.shape)) * widths[:, None, None]
    longitude, latitude = jnp.moveaxis(places + noise, -1, 0)
    turned = jnp.stack([(longitude + 180) % 360 - 180, jnp.clip(latitude, -90, 90)], axis=-1)
    return turned.reshape(-1, 2)
