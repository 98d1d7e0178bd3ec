"""Learning to see as a second network sees, without words: pictures find their partners in a batch, places theirs in a picture.

b batch · n tokens · d width
Frozen teacher and tokens of another tokenizer: GRAFT (arXiv:2312.06960). A teacher that follows the student, and views of other
dates and places: the contrast on several scales of SkySense (arXiv:2312.10115). With unit vectors s of the student and t of the
teacher, temperature T, and m over the pictures of the batch or over the places of one picture:

    L = -mean_i log( exp(s_i t_i / T) / sum_m exp(s_i t_m / T) )
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.errors import UserError, lookup, unknown
from rsfm.nn.losses.contrast import NEVER, info_nce, unit
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.objectives.hiding import HidingConfig, hide
from rsfm.types import Observation, Tokens

LEVELS = {"image": None, "token": None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Attributes:
    streams: what is aligned, by the tokenizer through which the teacher reads it: {"optical": "photo"}; "" = the teacher's
        whole encoder, which sees all of the observation. {} = every stream in that way.
    hiding: what the student does not see.
    levels: "image": the mean of a record's tokens among those of the batch; "token": each token among those of its record.
    temperature: of both.
    """

    streams: dict[str, str] = dataclasses.field(default_factory=dict)
    hiding: HidingConfig = dataclasses.field(default_factory=lambda: HidingConfig(places=0.0))
    levels: tuple[str, ...] = ("image", "token")
    temperature: float = 0.1


class Align(Objective):
    """The student's encoder against the teacher's tokens or encoder; no gradient goes to the teacher."""

    config_type = AlignConfig
    labels = False

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "align_image" over records, "align_token" over tokens that both have."""
        if teacher is None:
            raise UserError(
                "objective align: learns from a second network. Set train.teacher_decay: 1 is a frozen one."
            )
        config, sample = self.config, student.sample
        read = _aligned(config.streams, sample.observations)
        seen = dict(sample.observations)
        for i, name in enumerate(read):
            seen[name], _ = hide(seen[name], config.hiding, jax.random.fold_in(key, i))
        encoded, aux = student.model.encode(seen, sample.location_deg)
        guide = self._guide(teacher, read, sample.observations)
        losses = {}
        for level in config.levels:
            lookup(LEVELS, "level of align", level)
            terms = [self._loss(level, encoded[name], guide[name], student.device_axis) for name in read]
            total, units = (jnp.stack(each).sum() for each in zip(*terms, strict=True))
            losses[f"align_{level}"] = (total, units)
        return Terms(losses=losses, aux=aux)

    def _guide(
        self, teacher: Reading, read: Mapping[str, str], observations: Mapping[str, Observation]
    ) -> dict[str, Tokens]:
        """What the teacher makes of each stream, its places as the student has them."""
        model, sample = teacher.model, teacher.sample
        encoded = {} if all(read.values()) else model.encode(sample.observations, sample.location_deg)[0]
        return {
            name: model.tokenize(through, observations[name]) if through else encoded[name]
            for name, through in read.items()
        }

    def _loss(
        self, level: str, seen: Tokens, guide: Tokens, device_axis: str | None
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        scale = jnp.float32(1 / self.config.temperature)
        if level == "image":
            mask = seen.mask.any(1) & guide.mask.any(1)
            units = mask.sum(dtype=jnp.float32)
            pairs = unit(pooled(seen)), jax.lax.stop_gradient(unit(pooled(guide)))
            return info_nce(*pairs, scale, mask, device_axis=device_axis) * units, units
        assert seen.mask.shape == guide.mask.shape, "student and teacher have other places"
        return among_places(seen, guide, scale)


def among_places(seen: Tokens, guide: Tokens, scale: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sum and count, over the student's tokens, of the cross entropy of finding one's own place in the teacher's picture."""
    both = unit(seen.embeddings), jax.lax.stop_gradient(unit(guide.embeddings))
    logits = jnp.where(guide.mask[:, None], scale * jnp.einsum("bnd,bmd->bnm", *both), NEVER)
    own, mask = jnp.diagonal(logits, axis1=1, axis2=2), seen.mask & guide.mask
    return jnp.where(mask, jax.nn.logsumexp(logits, axis=-1) - own, 0.0).sum(), mask.sum(dtype=jnp.float32)


def pooled(tokens: Tokens) -> Float[Array, "b d"]:
    """The mean over valid tokens, float32; zeros without one."""
    x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0).astype(jnp.float32)
    return x.sum(1) / jnp.maximum(tokens.mask.sum(1, keepdims=True), 1)


def _aligned(streams: Mapping[str, str], observations: Mapping[str, Observation]) -> dict[str, str]:
    """Those of the named streams that this batch has."""
    streams = streams or dict.fromkeys(observations, "")
    there = {name: through for name, through in sorted(streams.items()) if name in observations}
    if not there:
        raise unknown("stream of the objective align in this batch", next(iter(streams), ""), observations)
    return there
