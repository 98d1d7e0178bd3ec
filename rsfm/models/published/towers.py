"""Picture and text towers of CLIP, SigLIP, DINOv2 and DINOv3 on rsfm's own transformer, so that their weights load.

b batch · h w pixels · i j rows and columns of patches · p patch edge · n tokens · s text · d width · e joint width
CLIP arXiv:2103.00020, SigLIP 2303.15343, SigLIP 2 2502.14786, DINOv2 2304.07193, registers 2309.16588, DINOv3 2508.10104.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.errors import UserError
from rsfm.nn.attention import Attention
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import LayerNorm
from rsfm.nn.resample import resample
from rsfm.nn.transformer import Transformer, TransformerConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Attributes:
    transformer: of the blocks.
    size: edge in pixels of the pictures it was trained on; gives the table of positions its shape.
    patch: token edge in pixels.
    patch_bias: on the patch embedding.
    class_token: a learned token in front.
    registers: learned tokens between it and the patches.
    entry_norm: a norm before the first block (CLIP).
    position: "learned" table, resampled for other sizes, or "rotary" (DINOv3).
    class_position: the table holds a row for the class token too.
    resampling: of the table, a key of rsfm.nn.resample.MATRICES.
    rope_theta: of the rotary position.
    pool: "class" token, or "probe": a learned query over all tokens (SigLIP).
    project: width of the joint space the pooled token is projected to; 0 = none.
    """

    transformer: TransformerConfig
    size: int
    patch: int
    patch_bias: bool = True
    class_token: bool = True
    registers: int = 0
    entry_norm: bool = False
    position: str = "learned"
    class_position: bool = True
    resampling: str = "bicubic"
    rope_theta: float = 100.0
    pool: str = "class"
    project: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentenceConfig:
    """Attributes:
    transformer: of the blocks.
    vocabulary: rows of the embedding table.
    length: tokens at most.
    causal: a token sees those before it only.
    pool: "end": the first `end_id`; "largest": the largest id, CLIP's rule where that ends the text; "last": the last place.
    end_id: see pool.
    project: width of the joint space; 0 = none.
    project_bias: on that projection.
    """

    transformer: TransformerConfig
    vocabulary: int
    length: int
    causal: bool = True
    pool: str = "largest"
    end_id: int = 2
    project: int = 0
    project_bias: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class TowersConfig:
    """Both towers; `bias` for SigLIP, whose logits have one."""

    picture: PictureConfig
    sentence: SentenceConfig
    bias: bool = False


class PictureTower(nnx.Module):
    """`tower(picture) -> (tokens after the closing norm, pooled)`; the patches are the last i * j tokens."""

    config_type = PictureConfig

    def __init__(self, config: PictureConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, edge = config.transformer.width, config.size // config.patch
        self.patches = Linear(3 * config.patch**2, width, axes=(None, "embed"), bias=config.patch_bias, rngs=rngs)
        self.class_token = _table(rngs, 1, width) if config.class_token else None
        self.registers = _table(rngs, config.registers, width) if config.registers else None
        first = int(config.class_token and config.class_position)
        self.position = _table(rngs, first + edge**2, width) if config.position == "learned" else None
        epsilon = config.transformer.norm_epsilon
        self.entry_norm = LayerNorm(width, epsilon=epsilon) if config.entry_norm else None
        self.transformer = Transformer(config.transformer, rngs=rngs)
        self.probe = Probe(config.transformer, rngs=rngs) if config.pool == "probe" else None
        self.project = Linear(width, config.project, rngs=rngs) if config.project else None

    def __call__(self, picture: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b n d"], Float[Array, "b e"]]:
        """Reads a picture of any size that divides into patches.

        Args:
            picture: red, green, blue, with the mean and deviation of its training removed.
        """
        p = self.config.patch
        if picture.shape[1] % p or picture.shape[2] % p:
            raise UserError(
                f"A {picture.shape[1]} x {picture.shape[2]} picture does not divide into patches of {p}. Resize or pad it."
            )
        x = self.patches(rearrange(picture, "b (i p) (j q) c -> b i j (p q c)", p=p, q=p))
        grid = (x.shape[1], x.shape[2])
        x = self._with_front(x, grid)
        x = x if self.entry_norm is None else self.entry_norm(x)
        everywhere = jnp.ones((x.shape[0], 1, x.shape[1]), bool)
        tokens, _, _ = self.transformer(x, everywhere, angle=self._angle(x, grid))
        pooled = tokens[:, 0] if self.probe is None else self.probe(tokens)
        return tokens, pooled if self.project is None else self.project(pooled)

    def _with_front(self, x: Float[Array, "b i j d"], grid: tuple[int, int]) -> Float[Array, "b n d"]:
        """Positions added, class token and registers put before the patches."""
        table = None if self.position is None else self.position[...].astype(x.dtype)
        front = None if self.class_token is None else self.class_token[...].astype(x.dtype)
        if table is not None and front is not None and self.config.class_position:
            front, table = front + table[:1], table[1:]
        if table is not None:
            edge = self.config.size // self.config.patch
            x = x + resample(table.reshape(edge, edge, -1), grid, self.config.resampling).astype(x.dtype)
        parts = [] if front is None else [front]
        parts += [] if self.registers is None else [self.registers[...].astype(x.dtype)]
        patches = rearrange(x, "b i j d -> b (i j) d")
        return jnp.concatenate([*(jnp.broadcast_to(t, (len(x), *t.shape)) for t in parts), patches], axis=1)

    def _angle(self, x: Float[Array, "b n d"], grid: tuple[int, int]) -> Float[Array, "b n r"] | None:
        if self.config.position != "rotary":
            return None
        blocks = self.config.transformer
        angle = centred_angles(grid, blocks.head_dim or blocks.width // blocks.heads, self.config.rope_theta)
        front = x.shape[1] - len(angle)
        return jnp.broadcast_to(jnp.pad(angle, ((front, 0), (0, 0))), (*x.shape[:2], angle.shape[1]))


class Probe(nnx.Module):
    """One learned query looks at all tokens, then thinks: SigLIP's attention pooling."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        width = config.width
        self.query = _table(rngs, 1, width)
        self.attention = Attention(width, config.heads, qkv_bias=True, out_bias=True, rngs=rngs)
        self.norm = LayerNorm(width, epsilon=config.norm_epsilon)
        self.mlp = MLP(width, config.mlp_width, gated=False, activation=config.activation, bias=True, rngs=rngs)

    def __call__(self, tokens: Float[Array, "b n d"]) -> Float[Array, "b d"]:
        query = jnp.broadcast_to(self.query[...].astype(tokens.dtype), (len(tokens), *self.query.shape))
        everywhere = jnp.ones((len(tokens), 1, tokens.shape[1]), bool)
        x, _ = self.attention(query, everywhere, memory=tokens)
        return (x + self.mlp(self.norm(x)))[:, 0]


class SentenceTower(nnx.Module):
    """`tower(ids) -> (tokens after the closing norm, pooled)`."""

    config_type = SentenceConfig

    def __init__(self, config: SentenceConfig, *, rngs: nnx.Rngs):
        self.config = config
        width = config.transformer.width
        table = 0.02 * jax.random.normal(rngs.params(), (config.vocabulary, width))
        self.embedding = nnx.Param(table, out_sharding=("vocab", "embed"))
        self.position = _table(rngs, config.length, width)
        self.transformer = Transformer(config.transformer, rngs=rngs)
        bias = config.project_bias
        self.project = Linear(width, config.project, bias=bias, rngs=rngs) if config.project else None

    def __call__(
        self, ids: Int[Array, "b s"], valid: Bool[Array, "b s"] | None = None
    ) -> tuple[Float[Array, "b s d"], Float[Array, "b e"]]:
        """Reads token ids; `valid` False where padding is not to be seen (CLIP and SigLIP were trained to see it)."""
        length = ids.shape[1]
        if length > self.config.length:
            raise UserError(
                f"The text has {length} tokens, {length - self.config.length} over the {self.config.length} this tower "
                "reads. Shorten it."
            )
        x = self.embedding[...][ids] + self.position[...][:length]
        place = jnp.arange(length)
        seen = (place[None] <= place[:, None])[None] if self.config.causal else jnp.ones((1, 1, length), bool)
        seen = jnp.broadcast_to(seen, (len(ids), *seen.shape[1:])) if valid is None else seen & valid[:, None]
        tokens, _, _ = self.transformer(x, seen)
        pooled = jnp.take_along_axis(tokens, self._end(ids)[:, None, None], axis=1)[:, 0]
        return tokens, pooled if self.project is None else self.project(pooled)

    def _end(self, ids: Int[Array, "b s"]) -> Int[Array, " b"]:
        if self.config.pool == "last":
            return jnp.full(ids.shape[:1], ids.shape[1] - 1)
        return jnp.argmax(ids == self.config.end_id if self.config.pool == "end" else ids, axis=1)


class Towers(nnx.Module):
    """`towers(picture, ids) -> logits`: each picture against each text."""

    config_type = TowersConfig

    def __init__(self, config: TowersConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.picture = PictureTower(config.picture, rngs=rngs)
        self.sentence = SentenceTower(config.sentence, rngs=rngs)
        self.log_scale = nnx.Param(jnp.float32(np.log(1 / 0.07)), out_sharding=())
        self.bias = nnx.Param(jnp.float32(-10.0), out_sharding=()) if config.bias else None

    def __call__(self, picture: Float[Array, "b h w 3"], ids: Int[Array, "c s"]) -> Float[Array, "b c"]:
        pictures, sentences = self.embed_pictures(picture), self.embed_sentences(ids)
        logits = jnp.exp(self.log_scale[...]) * pictures @ sentences.T
        return logits if self.bias is None else logits + self.bias[...]

    def embed_pictures(self, picture: Float[Array, "b h w 3"]) -> Float[Array, "b e"]:
        """Unit vectors."""
        return _unit(self.picture(picture)[1])

    def embed_sentences(self, ids: Int[Array, "c s"]) -> Float[Array, "c e"]:
        """Unit vectors."""
        return _unit(self.sentence(ids)[1])


def centred_angles(grid: tuple[int, int], head_dim: int, theta: float) -> Float[np.ndarray, "n r"]:
    """Rotary angles of patch centres in -1..1 along each edge, rows before columns: DINOv3's, for any size of picture."""
    frequency = 2 * np.pi / theta ** np.arange(0, 1, 4 / head_dim)
    rows, columns = (2 * (np.arange(count) + 0.5) / count - 1 for count in grid)
    place = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    return (place[..., None] * frequency).reshape(len(place), -1).astype(np.float32)


def _table(rngs: nnx.Rngs, rows: int, width: int) -> nnx.Param:
    return nnx.Param(0.02 * jax.random.normal(rngs.params(), (rows, width)), out_sharding=(None, "embed"))


def _unit(x: Float[Array, "b e"]) -> Float[Array, "b e"]:
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
