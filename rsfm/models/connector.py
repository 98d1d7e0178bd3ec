"""From observation tokens to the decoder's: `connector(parts) -> Tokens`, parts being one Tokens a stream.

b batch · t dates · n tokens · q queries · k taps · d encoder width · e decoder width · m edge of a merged cell
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError, lookup
from rsfm.models.encoder import TappedTokens
from rsfm.nn.attention import Attention
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.pytree import replace
from rsfm.types import Tokens, concatenate


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """Attributes:
    kind: a key of CONNECTORS.
    queries: tokens handed to the decoder by the perceiver, the Q-Former and "levels"; the other kinds hand over what they get.
    depth: layers of the perceiver, the Q-Former and "levels".
    heads: of their attention.
    merge: edge, in tokens, of the cells the pixel shuffle makes one token of.
    taps: encoder layers read beside its last one, as in multi-layer connectors (arXiv:2405.13800): 0 is what enters
        the encoder, 1 what its first block gives, ...; must be below the encoder's depth. Empty = the last one only.
    interleaved: each image (a stream's date) goes through by itself, and its tokens stand in the text where it is named
        (LLaVA-NeXT-Interleave, arXiv:2407.07895). False: all observations together, before the text. Same parameters.
    """

    kind: str = "perceiver"
    queries: int = 32
    depth: int = 1
    heads: int = 6
    merge: int = 2
    taps: tuple[int, ...] = ()
    interleaved: bool = False


class LinearConnector(nnx.Module):
    """Every token through one matrix (LLaVA, arXiv:2304.08485)."""

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.out = Linear(width, out, axes=("embed", None), bias=True, rngs=rngs)

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        tokens = concatenate(list(parts))
        return Tokens(embeddings=self.out(tokens.embeddings), mask=tokens.mask, position=tokens.position)


class MLPConnector(nnx.Module):
    """Every token through a two-layer network (LLaVA-1.5, arXiv:2310.03744)."""

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.mlp = MLP(width, 2 * out, out=out, gated=False, activation="gelu", bias=True, rngs=rngs)

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        tokens = concatenate(list(parts))
        return Tokens(embeddings=self.mlp(tokens.embeddings), mask=tokens.mask, position=tokens.position)


class PixelShuffleConnector(nnx.Module):
    """merge x merge neighbours become one token of all their channels, then a two-layer network (InternVL 1.5, arXiv:2404.16821).

    Tokens without a grid, such as the location, get a cell each.
    """

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.merge = config.merge
        inputs = config.merge**2 * width
        self.norm = RMSNorm(inputs)
        self.mlp = MLP(inputs, out, out=out, gated=False, activation="gelu", bias=True, rngs=rngs)

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        tokens = concatenate([merge_cells(part, self.merge) for part in parts])
        return replace(tokens, embeddings=self.mlp(self.norm(tokens.embeddings)))


class QueryLayer(nnx.Module):
    """Queries look at each other if `among`, then at the tokens, then think alone."""

    def __init__(self, width: int, heads: int, *, among: bool, rngs: nnx.Rngs):
        self.query_norm, self.memory_norm, self.mlp_norm = RMSNorm(width), RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, heads, rngs=rngs)
        self.mlp = MLP(width, 2 * width, rngs=rngs)
        self.among_norm = RMSNorm(width) if among else None
        self.among = Attention(width, heads, rngs=rngs) if among else None

    def __call__(self, queries: Float[Array, "b q d"], tokens: Tokens) -> Float[Array, "b q d"]:
        if self.among is not None and self.among_norm is not None:
            each = jnp.ones((queries.shape[0], 1, queries.shape[1]), bool)
            queries = queries + self.among(self.among_norm(queries), each)[0]
        memory = self.memory_norm(tokens.embeddings)
        looked, _ = self.attention(self.query_norm(queries), tokens.mask[:, None], memory=memory)
        queries = queries + looked
        return queries + self.mlp(self.mlp_norm(queries))


class PerceiverConnector(nnx.Module):
    """A fixed number of learned queries, whatever the number of tokens (Perceiver resampler, arXiv:2204.14198)."""

    among = False

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.queries = nnx.Param(
            0.5 * jax.random.normal(rngs.params(), (config.queries, width)), out_sharding=(None, "embed")
        )
        self.layers = nnx.List(
            [QueryLayer(width, config.heads, among=self.among, rngs=rngs) for _ in range(config.depth)]
        )
        self.out = MLP(width, 2 * width, out=out, gated=False, activation="gelu", rngs=rngs)

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        tokens = concatenate(list(parts))
        return self.resample(self.queries[...].astype(tokens.embeddings.dtype), tokens)

    def resample(self, queries: Float[Array, "q d"], tokens: Tokens) -> Tokens:
        """What the queries read out of the tokens, in the decoder's width."""
        x = jnp.broadcast_to(queries, (tokens.embeddings.shape[0], *queries.shape))
        for layer in self.layers:
            x = layer(x, tokens)
        mask = jnp.broadcast_to(tokens.mask.any(-1, keepdims=True), x.shape[:2])
        return Tokens(embeddings=self.out(x), mask=mask, position=jnp.zeros((*mask.shape, 3)))


class QFormerConnector(PerceiverConnector):
    """Queries that also talk among themselves in every layer (Q-Former of BLIP-2, arXiv:2301.12597; norms come first here)."""

    among = True


class TappedConnector(nnx.Module):
    """Any connector, fed with the last layer beside earlier ones: their channels side by side, each normalised, one matrix."""

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        layers = 1 + len(config.taps)
        self.norms = nnx.List([RMSNorm(width) for _ in range(layers)])
        self.mix = Linear(layers * width, width, axes=(None, "embed"), rngs=rngs)
        self.connector = CONNECTORS[config.kind](config, width, out, rngs=rngs)

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        return self.connector([replace(untapped(part), embeddings=self._mixed(part)) for part in parts])

    def _mixed(self, part: Tokens) -> Float[Array, "b n d"]:
        assert isinstance(part, TappedTokens), "the encoder was not asked for the layers the connector taps"
        layers = [part.embeddings, *jnp.moveaxis(part.taps, 2, 0)]
        normed = [norm(layer) for norm, layer in zip(self.norms, layers, strict=True)]
        return self.mix(jnp.concatenate(normed, axis=-1)) * part.mask[..., None]


class LevelsConnector(PerceiverConnector):
    """Queries shared out over depths of the encoder: each share looks at its own depth alone (LHRS-Bot, arXiv:2402.02544).

    The depths are the taps and the last layer; all shares go through the same layers, and what is left over goes to the last.
    Without taps it is a Q-Former.
    """

    among = True

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        depths = 1 + len(config.taps)
        if config.queries < depths:
            raise UserError(
                f"connector 'levels': {config.queries} queries cannot be shared by {depths} depths. Set connector.queries to "
                f"{depths} or more."
            )
        super().__init__(config, width, out, rngs=rngs)
        self.norms = nnx.List([RMSNorm(width) for _ in range(depths)])

    def __call__(self, parts: Sequence[Tokens]) -> Tokens:
        return concatenate([self._resampled(parts, depth) for depth in range(len(self.norms))])

    def _resampled(self, parts: Sequence[Tokens], depth: int) -> Tokens:
        """The share of the queries that is of one depth, from the first tapped layer to the last one."""
        tokens = concatenate([replace(untapped(part), embeddings=self._layer(part, depth)) for part in parts])
        share, last = len(self.queries[...]) // len(self.norms), depth == len(self.norms) - 1
        queries = self.queries[depth * share : None if last else (depth + 1) * share]
        return self.resample(queries.astype(tokens.embeddings.dtype), tokens)

    def _layer(self, part: Tokens, depth: int) -> Float[Array, "b n d"]:
        layer = part.embeddings
        if depth < len(self.norms) - 1:
            assert isinstance(part, TappedTokens), "the encoder was not asked for the layers the connector taps"
            layer = part.taps[:, :, depth]
        return self.norms[depth](layer) * part.mask[..., None]


def make_connector(config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs) -> Any:
    """The connector of a config; kinds that know one layer read the tapped ones mixed."""
    kind = lookup(CONNECTORS, "connector", config.kind)
    mixed = bool(config.taps) and kind is not LevelsConnector
    return (TappedConnector if mixed else kind)(config, width, out, rngs=rngs)


def image_by_image(connector: Any, tokens: Tokens, times: int) -> Tokens:
    """A stream's images through the connector one by one, and side by side again in the order of their dates.

    Args:
        connector: of CONNECTORS or with taps.
        tokens: of one stream, date by date; one image where a temporal encoder has left one date.
        times: acquisitions of the stream.
    """
    assert tokens.grid is not None, "only what has a grid is an image"
    batch, images = tokens.mask.shape[0], images_of(tokens, times)
    one = replace(tokens, grid=(tokens.grid[0] // images, *tokens.grid[1:]))
    out = connector([jax.tree.map(lambda x: rearrange(x, "b (t n) ... -> (b t) n ...", t=images), one)])
    unfolded = jax.tree.map(lambda x: rearrange(x, "(b t) n ... -> b (t n) ...", b=batch), out)
    return Tokens(embeddings=unfolded.embeddings, mask=unfolded.mask, position=unfolded.position)


def images_of(tokens: Tokens, times: int) -> int:
    """How many images a stream's tokens are: its dates, or one where a temporal encoder has made one of them."""
    return times if tokens.grid is not None and tokens.grid[0] >= times else 1


def untapped(tokens: Tokens) -> Tokens:
    """The same tokens without the layers below."""
    return Tokens(embeddings=tokens.embeddings, mask=tokens.mask, position=tokens.position, grid=tokens.grid)


def merge_cells(tokens: Tokens, edge: int) -> Tokens:
    """Cells of edge x edge neighbours side by side in the channels, masked ones zero; a cell is valid if any member is.

    Its position is the mean over the valid members. A grid that does not divide is filled up with masked tokens.
    """
    t, rows, columns = tokens.grid or (tokens.mask.shape[1], 1, 1)

    def cells(x: Array) -> Array:
        x = x.reshape(x.shape[0], t, rows, columns, -1)
        x = jnp.pad(x, ((0, 0), (0, 0), (0, -rows % edge), (0, -columns % edge), (0, 0)))
        return rearrange(x, "b t (i p) (j q) d -> b (t i j) (p q) d", p=edge, q=edge)

    inside: Bool[Array, "b n m"] = cells(tokens.mask[..., None])[..., 0]
    x = jnp.where(inside[..., None], cells(tokens.embeddings), 0)
    position = jnp.where(inside[..., None], cells(tokens.position), 0).sum(2)  # a cell's members are of one date
    grid = (t, -(-rows // edge), -(-columns // edge)) if tokens.grid else None
    return Tokens(
        embeddings=rearrange(x, "b n m d -> b n (m d)"),
        mask=inside.any(-1),
        position=position / jnp.maximum(inside.sum(-1), 1)[..., None],
        grid=grid,
    )


CONNECTORS: dict[str, Any] = {
    "linear": LinearConnector,
    "mlp": MLPConnector,
    "pixel_shuffle": PixelShuffleConnector,
    "perceiver": PerceiverConnector,
    "qformer": QFormerConnector,
    "levels": LevelsConnector,
}
