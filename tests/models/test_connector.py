"""Every connector: shapes, and masked tokens that change nothing; merged cells and tapped layers by value."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.models.connector import CONNECTORS, ConnectorConfig, TappedConnector, make_connector, merge_cells
from rsfm.models.encoder import Encoder, TappedTokens
from rsfm.nn.transformer import TransformerConfig
from rsfm.pytree import replace
from rsfm.types import Tokens, concatenate

WIDTH, OUT = 8, 12
HANDED = {
    "linear": 13,
    "mlp": 13,
    "pixel_shuffle": 5,
    "perceiver": 3,
    "qformer": 3,
    "levels": 3,
}  # of a 3 x 4 grid and one token


def parts(rng: np.random.Generator, spoil: float = 0.0) -> list[Tokens]:
    """A grid of 3 x 4 tokens with a masked column and corner, and a token without a grid."""
    x = jnp.asarray(rng.normal(size=(2, 12, WIDTH)), jnp.float32)
    mask = jnp.ones((2, 3, 4), bool).at[:, :, 3].set(False).at[:, 2, 2].set(False).reshape(2, 12)
    place = jnp.stack(jnp.meshgrid(jnp.zeros(1), jnp.arange(3.0), jnp.arange(4.0), indexing="ij"), -1).reshape(1, 12, 3)
    grid = Tokens(
        embeddings=jnp.where(mask[..., None], x, x + spoil),
        mask=mask,
        position=jnp.broadcast_to(place, (2, 12, 3)),
        grid=(1, 3, 4),
    )
    one = Tokens(embeddings=jnp.ones((2, 1, WIDTH)), mask=jnp.asarray([[True], [False]]), position=jnp.zeros((2, 1, 3)))
    return [grid, one]


def build(kind: str, **changes) -> nnx.Module:
    config = ConnectorConfig(kind=kind, queries=3, heads=2, depth=2, **changes)
    assert from_json(ConnectorConfig, to_json(config)) == config
    return CONNECTORS[kind](config, WIDTH, OUT, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("kind", CONNECTORS)
def test_shapes_and_masked_tokens(kind):
    connector = build(kind)
    out, spoiled = (connector(parts(np.random.default_rng(0), spoil)) for spoil in (0.0, 30.0))
    assert out.embeddings.shape == (2, HANDED[kind], OUT) and out.mask.shape == (2, HANDED[kind])
    assert out.mask.any(1).all() and np.isfinite(out.embeddings).all()
    np.testing.assert_array_equal(out.mask, spoiled.mask)
    a, b = (np.where(x.mask[..., None], x.embeddings, 0) for x in (out, spoiled))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_queries_of_the_q_former_talk():
    """A perceiver's query answers alone; a Q-Former's hears the others."""
    tokens = parts(np.random.default_rng(0))
    for kind, hears in (("perceiver", False), ("qformer", True)):
        connector = build(kind)
        before = connector(tokens).embeddings[:, 0]
        connector.queries[...] = connector.queries[...].at[1].add(1.0)
        assert np.allclose(before, connector(tokens).embeddings[:, 0], atol=1e-6) != hears


def test_merged_cells_hold_their_members():
    part = parts(np.random.default_rng(0))[0]
    merged = merge_cells(part, 2)
    assert merged.grid == (1, 2, 2) and merged.embeddings.shape == (2, 4, 4 * WIDTH)
    x = np.asarray(part.embeddings[0]).reshape(3, 4, WIDTH)
    np.testing.assert_allclose(merged.embeddings[0, 0], np.concatenate([x[0, 0], x[0, 1], x[1, 0], x[1, 1]]))
    np.testing.assert_allclose(merged.embeddings[0, 1, : 2 * WIDTH], np.concatenate([x[0, 2], 0 * x[0, 3]]))
    np.testing.assert_array_equal(merged.mask[0], [True, True, True, False])
    np.testing.assert_allclose(merged.position[0, :2], [[0, 0.5, 0.5], [0, 0.5, 2.0]])


def test_tapped_layers_are_what_the_blocks_give():
    config = TransformerConfig(width=WIDTH, depth=3, heads=2, mlp_width=16)
    tokens = concatenate(parts(np.random.default_rng(0)))
    plain = Encoder(config, budget=0, rngs=nnx.Rngs(0))
    for budget in (0, 9):  # 9 of them are valid
        encoded, aux = Encoder(config, budget=budget, taps=(0, 2), rngs=nnx.Rngs(0))(tokens)
        assert (
            isinstance(encoded, TappedTokens)
            and encoded.taps.shape == (2, 13, 2, WIDTH)
            and set(aux) <= {"budget_dropped"}
        )
        valid = tokens.mask[..., None]
        np.testing.assert_allclose(
            np.where(valid, encoded.taps[:, :, 0], 0), np.where(valid, tokens.embeddings, 0), atol=1e-5
        )
        np.testing.assert_allclose(encoded.embeddings, plain(tokens)[0].embeddings, atol=1e-5)


def test_taps_reach_the_prefix():
    config = ConnectorConfig(kind="linear", taps=(1,))
    connector = TappedConnector(config, WIDTH, OUT, rngs=nnx.Rngs(0))
    part = parts(np.random.default_rng(0))[0]
    tapped = [
        TappedTokens(
            embeddings=part.embeddings,
            mask=part.mask,
            position=part.position,
            taps=jnp.full((2, 12, 1, WIDTH), 1.0).at[..., 0].set(value),
        )
        for value in (1.0, 3.0)
    ]
    a, b = (connector([x]).embeddings for x in tapped)
    assert a.shape == (2, 12, OUT) and not np.allclose(a, b)


def test_a_layer_that_is_not_there_is_told():
    config = TransformerConfig(width=WIDTH, depth=3, heads=2, mlp_width=16)
    with pytest.raises(UserError, match=r"connector.taps \(3,\): expected layers 0 to 2 of the encoder's 3"):
        Encoder(config, budget=0, taps=(3,), rngs=nnx.Rngs(0))


def test_each_share_of_the_queries_looks_at_its_own_depth(rng: np.random.Generator) -> None:
    """What changes in a tapped layer moves the queries of that depth and no other."""
    config = ConnectorConfig(kind="levels", queries=5, heads=2, taps=(0, 1))
    connector = make_connector(config, WIDTH, OUT, rngs=nnx.Rngs(0))
    taps = jnp.asarray(rng.normal(size=(2, 12, 2, WIDTH)), jnp.float32)
    grid = parts(rng)[0]
    tapped = TappedTokens(embeddings=grid.embeddings, mask=grid.mask, position=grid.position, grid=grid.grid, taps=taps)
    first = connector([tapped]).embeddings
    assert first.shape == (2, 5, OUT)
    for depth, own in ((0, slice(0, 1)), (1, slice(1, 2)), (2, slice(2, 5))):
        moved = (
            replace(tapped, embeddings=tapped.embeddings + jnp.sin(taps[:, :, 0]))
            if depth == 2
            else replace(tapped, taps=taps.at[:, :, depth].add(jnp.cos(grid.embeddings)))
        )
        change = np.abs(connector([moved]).embeddings - first).max((0, 2))
        assert (change[own] > 1e-3).all() and change.sum() == pytest.approx(change[own].sum())


def test_levels_need_a_query_each() -> None:
    with pytest.raises(UserError, match="2 queries cannot be shared by 3 depths"):
        make_connector(ConnectorConfig(kind="levels", queries=2, taps=(0, 1)), WIDTH, OUT, rngs=nnx.Rngs(0))
