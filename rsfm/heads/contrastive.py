"""One space for pictures and sentences: pooled encoder tokens against the hidden state at the `<ret>` token.

b batch · n tokens · s text · d text width · c token width · e joint width
A retrieval token read by a language model: FROMAGe (arXiv:2301.13823), in remote sensing RS-CapRet (arXiv:2402.06475).
"""

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.errors import UserError
from rsfm.heads.base import Head
from rsfm.heads.spans import Widths
from rsfm.nn.linear import Linear
from rsfm.nn.losses.contrast import unit
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens

RET = "<ret>"
MAX_SCALE = 100.0  # as CLIP clips it
STARTS = {"softmax": (1 / 0.07, 0.0), "sigmoid": (10.0, -10.0)}  # scale and bias at birth: CLIP's, SigLIP's


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """Attributes:
    width: of the joint space.
    ret_id: id of the token that stands for the text before it; 9 is `<ret>` in our own vocabulary.
    start: the loss it is trained with, "softmax" or "sigmoid": where scale and bias begin.
    """

    width: int = 256
    ret_id: int = 9
    start: str = "softmax"


class ContrastiveHead(Head):
    """`head.pictures(tokens)` and `head.texts(hidden, at)`, unit vectors; compare them by their product.

    No token of an answer opens it: the objective "contrast" and retrieval call it.
    """

    config_type = ContrastiveConfig

    def __init__(self, config: ContrastiveConfig, widths: Widths, *, rngs: nnx.Rngs):
        self.config, width, token_width = config, widths.text, widths.token
        self.pool = Linear(token_width, 1, axes=("embed", None), scale=0.0, rngs=rngs)  # at birth the plain mean
        self.token_norm, self.text_norm = RMSNorm(token_width), RMSNorm(width)
        self.from_token = Linear(token_width, config.width, rngs=rngs)
        self.from_text = Linear(width, config.width, rngs=rngs)
        scale, bias = STARTS[config.start]
        self.log_scale = nnx.Param(jnp.float32(math.log(scale)), out_sharding=())
        self.bias = nnx.Param(jnp.float32(bias), out_sharding=())

    @classmethod
    def check_vocabulary(cls, config: ContrastiveConfig, special: Mapping[str, int]) -> None:
        """The retrieval token must be the one the tokenizer writes, or no text would be compared at all."""
        if special[RET] != config.ret_id:
            raise UserError(
                f"ret_id {config.ret_id} of the contrastive head: expected {special[RET]}, the id of {RET} in this tokenizer. "
                f"Set ret_id={special[RET]}."
            )

    def pictures(self, tokens: Tokens) -> Float[Array, "b e"]:
        """A weighted mean of the valid tokens, projected."""
        x = jnp.where(tokens.mask[..., None], self.token_norm(tokens.embeddings), 0)
        score = jnp.where(tokens.mask, self.pool(x)[..., 0].astype(jnp.float32), -1e9)
        weight = jnp.where(tokens.mask, jax.nn.softmax(score, axis=1), 0).astype(x.dtype)
        return unit(self.from_token(jnp.einsum("bn,bnc->bc", weight, x)))

    def texts(self, hidden: Float[Array, "b s d"], at: Int[Array, " b"]) -> Float[Array, "b e"]:
        """The hidden state at `at`, projected; what a row without the token gives means nothing."""
        picked = jnp.take_along_axis(hidden, jnp.maximum(at, 0)[:, None, None], axis=1)[:, 0]
        return unit(self.from_text(self.text_norm(picked)))

    def place(self, text_ids: Int[Array, "b s"], valid: Bool[Array, "b s"]) -> Int[Array, " b"]:
        """Where each text's last `<ret>` is; -1 where there is none."""
        found = (text_ids == self.config.ret_id) & valid
        last = text_ids.shape[1] - 1 - jnp.argmax(found[:, ::-1], axis=1)
        return jnp.where(found.any(1), last, -1)

    def scale(self) -> Float[Array, ""]:
        """Factor of the products, learned, at most MAX_SCALE."""
        return jnp.minimum(jnp.exp(self.log_scale[...]), MAX_SCALE)
