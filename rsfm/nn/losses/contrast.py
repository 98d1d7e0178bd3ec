"""Losses that pull matching pairs together and push the rest of the batch apart.

b pairs of this device · n pairs of all devices · d width · s text
Under jit on a mesh a batch is one logical array, and n = b: XLA gathers. Under pmap `device_axis` gathers by name.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.losses.masked import masked_mean

NEVER = -1e9


def info_nce(
    left: Float[Array, "b d"],
    right: Float[Array, "b d"],
    scale: Float[Array, ""],
    mask: Bool[Array, " b"],
    *,
    same: Bool[Array, "b n"] | None = None,
    device_axis: str | None = None,
) -> Float[Array, ""]:
    """Cross entropy of finding each one's partner, both ways (CLIP, arXiv:2103.00020), mean over this device's pairs.

    Args:
        left: unit vectors, row i the partner of row i in `right`.
        right: see left.
        scale: factor of the cosines.
        mask: False: no pair; neither a row nor anybody's wrong answer.
        same: pairs whose texts say the same: not counted as wrong answers of each other; see `same_texts`.
        device_axis: mapped axis whose other members' pairs are wrong answers too.
    """
    allowed, own = _pairs(mask, same, device_axis)
    each = [
        _find(rows, _gathered(columns, device_axis), scale, allowed, own)
        for rows, columns in ((left, right), (right, left))
    ]
    return masked_mean((each[0] + each[1]) / 2, mask)


def sigmoid_contrast(
    left: Float[Array, "b d"],
    right: Float[Array, "b d"],
    scale: Float[Array, ""],
    bias: Float[Array, ""],
    mask: Bool[Array, " b"],
    *,
    same: Bool[Array, "b n"] | None = None,
    device_axis: str | None = None,
) -> Float[Array, ""]:
    """Every pair of the batch judged by itself: does it match? Sum over the columns, mean over the rows.

    SigLIP, arXiv:2303.15343. Arguments like those of `info_nce`; `bias` is added to the scaled cosines.
    """
    allowed, own = _pairs(mask, same, device_axis)
    logits = _products(left, _gathered(right, device_axis), scale) + bias
    match = jnp.arange(logits.shape[1])[None] == own[:, None]
    loss = -jax.nn.log_sigmoid(jnp.where(match, logits, -logits))
    return masked_mean(jnp.where(allowed, loss, 0.0).sum(-1), mask)


def unit(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """x / |x| in float32."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12)


def same_texts(
    text_ids: Int[Array, "b s"], counts: Bool[Array, "b s"], *, device_axis: str | None = None
) -> Bool[Array, "b n"]:
    """Which rows hold the same tokens where `counts` is True, wherever in the row those stand."""
    order = jnp.argsort(~counts, axis=1, stable=True)
    said = jnp.take_along_axis(jnp.where(counts, text_ids, -1), order, axis=1)
    return (said[:, None] == _gathered(said, device_axis)[None]).all(-1)


def _pairs(
    mask: Bool[Array, " b"], same: Bool[Array, "b n"] | None, device_axis: str | None
) -> tuple[Bool[Array, "b n"], Int[Array, " b"]]:
    """Which columns each row is compared with, and which one is its own."""
    columns = _gathered(mask, device_axis)
    first = jax.lax.axis_index(device_axis) * len(mask) if device_axis else 0
    own = jnp.arange(len(mask)) + first
    match = jnp.arange(len(columns))[None] == own[:, None]
    wrong = columns[None] if same is None else columns[None] & ~same
    return match | wrong, own


def _find(
    rows: Float[Array, "b d"],
    columns: Float[Array, "n d"],
    scale: Float[Array, ""],
    allowed: Bool[Array, "b n"],
    own: Int[Array, " b"],
) -> Float[Array, " b"]:
    logits = jnp.where(allowed, _products(rows, columns, scale), NEVER)
    right = jnp.take_along_axis(logits, own[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(logits, axis=1) - right


def _products(rows: Array, columns: Array, scale: Array) -> Float[Array, "b n"]:
    return scale * jnp.matmul(rows, columns.T, preferred_element_type=jnp.float32)


def _gathered(x: Array, device_axis: str | None) -> Array:
    return jax.lax.all_gather(x, device_axis, tiled=True) if device_axis else x
