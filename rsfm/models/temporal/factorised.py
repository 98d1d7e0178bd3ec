"""Space and time apart: attention along the dates of each place, before the main encoder attends over places.

b batch · t acquisitions · s places · d width · r rotary pairs
"""

import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.models.temporal.places import TemporalConfig, by_date, mean_over_dates, ordered_days, pooled
from rsfm.nn.rope import DAY_RANGE
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.types import Tokens


class FactorisedTime(nnx.Module):
    """Attention over the dates of each place, with the true days in the rotary position, then their mean."""

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        shape = TransformerConfig(width=width, depth=config.depth, heads=config.heads, mlp_width=2 * width)
        self.transformer = Transformer(shape, rngs=rngs)
        self.head_dim = width // config.heads

    def __call__(self, tokens: Tokens) -> Tokens:
        x, mask, position = by_date(tokens)
        places = x.shape[2]
        rows, seen, day = (rearrange(a, "b t s ... -> (b s) t ...") for a in (x, mask, position[..., 0]))
        angle = day_angles(day, seen, self.head_dim)
        rows, _, _ = self.transformer(rows, seen[:, None], valid=seen, angle=angle)
        x = rearrange(rows, "(b s) t d -> b t s d", s=places)
        return pooled(mean_over_dates(x, mask), mask, position, tokens)


def day_angles(day: Float[Array, "b t"], seen: Bool[Array, "b t"], head_dim: int) -> Float[Array, "b t r"]:
    """Rotary angles of days since the first valid one. All pairs turn with time: the dates of a place share their metres."""
    since = ordered_days(day, seen)
    wavelength = np.geomspace(*DAY_RANGE, head_dim // 2).astype(np.float32)
    return since[..., None] * (2 * np.pi / wavelength)
