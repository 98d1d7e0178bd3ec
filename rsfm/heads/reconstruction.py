"""What stands at hidden places, from the tokens that were seen: a small transformer over both, as in masked autoencoders.

b batch · n seen tokens · q hidden places · c token width · o target channels
Asymmetric autoencoder: He et al. 2022, arXiv:2111.06377.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rsfm.heads.base import Head
from rsfm.heads.spans import Widths
from rsfm.nn.linear import Linear
from rsfm.nn.rope import days_since_first, ground_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """Attributes:
    outputs: channels of what is predicted, by the name of the target.
    width: of the transformer.
    depth: its layers.
    heads: of its attention.
    """

    outputs: dict[str, int] = dataclasses.field(default_factory=dict)
    width: int = 128
    depth: int = 2
    heads: int = 4


class ReconstructionHead(Head):
    """`head.predict(seen, hidden)`. No token of an answer opens it: the objective "masked" calls it."""

    config_type = ReconstructionConfig

    def __init__(self, config: ReconstructionConfig, widths: Widths, *, rngs: nnx.Rngs):
        self.config = config
        self.enter = Linear(widths.token, config.width, rngs=rngs)
        self.hidden = nnx.Param(0.02 * jax.random.normal(rngs.params(), (config.width,)), out_sharding=("embed",))
        shape = TransformerConfig(
            width=config.width, depth=config.depth, heads=config.heads, mlp_width=2 * config.width
        )
        self.transformer = Transformer(shape, rngs=rngs)
        # A target as wide as the encoder's tokens is named with 0 channels.
        outputs = {name: channels or widths.token for name, channels in sorted(config.outputs.items())}
        self.out = nnx.Dict({name: Linear(config.width, n, bias=True, rngs=rngs) for name, n in outputs.items()})

    def predict(self, seen: Tokens, hidden: Tokens) -> dict[str, Float[Array, "b q o"]]:
        """Each target at the hidden places, float32.

        Args:
            seen: encoded tokens; those with mask False are not looked at.
            hidden: places to predict; of them mask and position are read.
        """
        queries = jnp.broadcast_to(self.hidden[...], (*hidden.mask.shape, self.config.width))
        x = jnp.concatenate([self.enter(seen.embeddings), queries.astype(seen.embeddings.dtype)], axis=1)
        mask = jnp.concatenate([seen.mask, hidden.mask], axis=1)
        position = jnp.concatenate([seen.position, hidden.position], axis=1)
        since = days_since_first(position[..., 0], mask)
        position = jnp.concatenate([since[..., None], position[..., 1:]], axis=-1)
        angle = ground_angles(position, self.config.width // self.config.heads)
        x, _, _ = self.transformer(x, mask[:, None], valid=mask, angle=angle)
        x = x[:, seen.mask.shape[1] :]
        return {name: layer(x).astype(jnp.float32) for name, layer in self.out.items()}
