"""The acquisitions of one place side by side, whatever their features are of: in order of time, and paired to be compared.

b batch · t acquisitions · n places · p pairs · k channels
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsfm.pytree import pytree_dataclass


@pytree_dataclass
class Timeline:
    """Attributes:
    features: of each acquisition at each place.
    seen: where it has any.
    days: its date; NaN = unknown.
    """

    features: Float[Array, "b t n k"]
    seen: Bool[Array, "b t n"]
    days: Float[Array, "b t"]


@pytree_dataclass
class Pairs:
    """Attributes:
    earlier, later: features to be compared.
    both: where both are seen.
    """

    earlier: Float[Array, "b p n k"]
    later: Float[Array, "b p n k"]
    both: Bool[Array, "b p n"]


def together(parts: Sequence[Timeline]) -> Timeline:
    """One timeline of several, in order of time: by date where every acquisition seen has one, else as they come."""
    line: Timeline = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), *parts)
    order = _order(line.seen.any(-1), line.days)
    features = jnp.where(line.seen[..., None], line.features, 0)
    return Timeline(
        features=jnp.take_along_axis(features, order[..., None, None], axis=1),
        seen=jnp.take_along_axis(line.seen, order[..., None], axis=1),
        days=jnp.take_along_axis(line.days, order, axis=1),
    )


def _order(there: Bool[Array, "b t"], days: Float[Array, "b t"]) -> Int[Array, "b t"]:
    dated = (jnp.isfinite(days) | ~there).all(1, keepdims=True)
    place = jnp.arange(days.shape[1], dtype=days.dtype)
    return jnp.argsort(jnp.where(dated, jnp.where(there, days, jnp.inf), place), axis=1, stable=True)


def ends(line: Timeline) -> Pairs:
    """Each place's first acquisition with its last: what lies between does not count."""
    last = line.seen.shape[1] - 1 - jnp.argmax(line.seen[:, ::-1], axis=1, keepdims=True)
    first = jnp.argmax(line.seen, axis=1, keepdims=True)
    return Pairs(
        earlier=_at(line.features, first),
        later=_at(line.features, last),
        both=line.seen.any(1, keepdims=True) & (first < last),
    )


def steps(line: Timeline) -> Pairs:
    """Each acquisition of a place with the one before it that saw the place."""
    index = jnp.arange(line.seen.shape[1])[:, None]
    latest = jax.lax.cummax(jnp.where(line.seen, index, -1), axis=1)[:, :-1]
    return Pairs(
        earlier=_at(line.features, jnp.maximum(latest, 0)),
        later=line.features[:, 1:],
        both=line.seen[:, 1:] & (latest >= 0),
    )


def _at(features: Float[Array, "b t n k"], index: Int[Array, "b p n"]) -> Float[Array, "b p n k"]:
    return jnp.take_along_axis(features, index[..., None], axis=1)


PAIRS: dict[str, Callable[[Timeline], Pairs]] = {"ends": ends, "steps": steps}
