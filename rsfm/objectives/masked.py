"""Learning without labels: a part of every observation is hidden, and what stands there is predicted from the rest.

b batch · n tokens · c token width · o target channels
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.errors import UserError, unknown
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.objectives.hiding import HidingConfig, hide
from rsfm.types import Observation, Sample, Tokens, concatenate

TARGETS = ("tokens", "encoded")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    """Attributes:
    hiding: what is hidden.
    targets: what is predicted, each an output of the head:
        "tokens": what the teacher's tokenizer makes of the hidden part alone. With a frozen teacher these are random
            projections of the pixels (OlmoEarth, arXiv:2511.13655); they cannot collapse.
        "encoded": what the teacher's encoder makes of it when it sees everything (data2vec, arXiv:2202.03555); wants a teacher
            that follows the student.
    streams: streams that are hidden; () = all that have more than one pixel or date.
    head: name of the model's head of kind "reconstruction".
    """

    hiding: HidingConfig = dataclasses.field(default_factory=HidingConfig)
    targets: tuple[str, ...] = ("tokens",)
    streams: tuple[str, ...] = ()
    head: str = "reconstruction"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guess:
    """Attributes:
    predicted: by the head, by the name of the target.
    targets: what they should be; no gradient goes through them.
    hidden: places that were hidden; of them mask and position are meant.
    aux: scalars of the model's forward pass.
    """

    predicted: dict[str, Float[Array, "b n _"]]
    targets: dict[str, Float[Array, "b n _"]]
    hidden: Tokens
    aux: dict[str, Array]


class Masked(Objective):
    """Squared error of each target, whitened over the batch, at the places that were hidden."""

    config_type = MaskedConfig
    labels = False

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "masked_tokens", "masked_encoded", ...: each a mean over hidden places."""
        guess = self.predict(student, teacher, key)
        losses = {
            f"masked_{name}": _error(guess.predicted[name], guess.targets[name], guess.hidden) for name in guess.targets
        }
        return Terms(losses=losses, aux=guess.aux)

    def predict(self, student: Reading, teacher: Reading | None, key: Array) -> "Guess":
        """What the student makes of the hidden places, and what the teacher, or without one the student itself, sees there."""
        model, sample = student.model, student.sample
        head = _head(model, self.config, type(self).__name__.lower())
        seen, parts = self._hidden(sample.observations, key)
        encoded, aux = model.encode(seen, sample.location_deg)
        guide = (teacher or student).model
        whole = {name: guide.tokenize(name, sample.observations[name]) for name in parts}
        places = {name: _places(model.tokenize(name, parts[name]), whole[name]) for name in parts}
        hidden, names = concatenate(list(places.values())), list(parts)
        predicted = head.predict(concatenate(list(encoded.values())), hidden)
        targets = jax.lax.stop_gradient(self._targets(guide, sample, whole, names))
        return Guess(predicted=predicted, targets=targets, hidden=hidden, aux=aux)

    def _hidden(
        self, observations: Mapping[str, Observation], key: Array
    ) -> tuple[dict[str, Observation], dict[str, Observation]]:
        """Every observation without its hidden part, and of those that have one the hidden part alone."""
        seen, parts = dict(observations), {}
        for i, (name, observation) in enumerate(sorted(observations.items())):
            some = observation.values.shape[-2] > 1 or observation.values.shape[-4] > 1
            if name in self.config.streams or (some and not self.config.streams):
                seen[name], where = hide(observation, self.config.hiding, jax.random.fold_in(key, i))
                parts[name] = dataclasses.replace(observation, valid=where)
        return seen, parts

    def _targets(
        self, guide: Any, sample: Sample, whole: Mapping[str, Tokens], names: list[str]
    ) -> dict[str, Float[Array, "b n _"]]:
        targets: dict[str, Array] = {}
        if "tokens" in self.config.targets:
            targets["tokens"] = concatenate([whole[name] for name in names]).embeddings
        if "encoded" in self.config.targets:
            encoded, _ = guide.encode(sample.observations, sample.location_deg)
            targets["encoded"] = concatenate([encoded[name] for name in names]).embeddings
        return targets


def _head(model: Any, config: MaskedConfig, objective: str) -> Any:
    wrong = [name for name in config.targets if name not in TARGETS]
    if wrong:
        raise unknown(f"target of the objective {objective}", wrong[0], TARGETS)
    heads = model.heads
    if config.head not in heads:
        raise UserError(
            f"objective {objective}: the model has no head '{config.head}'. Add one of kind 'reconstruction' to model.heads."
        )
    head = heads[config.head].head
    missing = sorted(set(config.targets) - set(head.out))
    if missing:
        raise UserError(
            f"objective {objective}: the head '{config.head}' predicts {sorted(head.out)}, not {missing[0]}. "
            f"Add it to its options: outputs={{'{missing[0]}': 0}}."
        )
    return head


def _places(hidden: Tokens, whole: Tokens) -> Tokens:
    """The tokens that the hidden part touches."""
    return dataclasses.replace(whole, mask=whole.mask & hidden.mask)


def _error(
    predicted: Float[Array, "b n o"], target: Float[Array, "b n o"], places: Tokens
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sum over hidden places of the mean squared error to the whitened target, and how many places there are."""
    error = jnp.square(predicted - whitened(target, places)).mean(-1)
    return jnp.where(places.mask, error, 0).sum(), places.mask.sum(dtype=jnp.float32)


def whitened(target: Float[Array, "b n o"], places: Tokens) -> Float[Array, "b n o"]:
    """Each channel of a target with mean 0 and deviation 1 over the places of the batch, float32."""
    where = places.mask[..., None]
    count = jnp.maximum(places.mask.sum(dtype=jnp.float32), 1.0)
    target = jnp.where(where, target.astype(jnp.float32), 0)
    mean = target.sum((0, 1)) / count
    spread = jnp.sqrt(jnp.where(where, jnp.square(target - mean), 0).sum((0, 1)) / count + 1e-4)
    return (target - mean) / spread
