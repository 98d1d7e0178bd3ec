"""The options of a stack of blocks: each changes what it says and nothing else; the parameter tree of the defaults stays."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.nn.rope import RopeScaling, text_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.nn.weights import named_parameters

PLAIN = TransformerConfig(width=16, depth=3, heads=2, kv_heads=1, mlp_width=24)
CAUSAL = jnp.tril(jnp.ones((2, 6, 6), bool))
X = jax.random.normal(jax.random.key(0), (2, 6, 16))


def run(config: TransformerConfig, mask=CAUSAL, **options):
    return Transformer(config, rngs=nnx.Rngs(0))(X, mask, **options)


def names(**changes) -> set[str]:
    config = dataclasses.replace(PLAIN, **changes)
    return set(named_parameters(nnx.eval_shape(lambda: Transformer(config, rngs=nnx.Rngs(0)))))


def test_released_checkpoints_know_these_names():
    linear = {f"attention.{name}.kernel" for name in ("query", "key", "value", "out")}
    linear |= {f"mlp.{name}.kernel" for name in ("gate", "up", "down")}
    expected = {f"blocks.{name}" for name in linear | {"attention_norm.scale", "mlp_norm.scale"}} | {"norm.scale"}
    assert names() == expected
    assert names(layer_scale=True) - expected == {"blocks.attention_scale.scale", "blocks.mlp_scale.scale"}
    assert names(post_norms=True) - expected == {"blocks.attention_post_norm.scale", "blocks.mlp_post_norm.scale"}
    assert expected - names(final_norm=False) == {"norm.scale"}
    assert len(names(bias=True) - expected) == 7 and len(names(qkv_bias=True) - expected) == 3


def test_a_window_is_a_mask():
    place = jnp.arange(6)
    near = CAUSAL & (place[:, None] - place[None] < 2)[None]
    np.testing.assert_allclose(run(dataclasses.replace(PLAIN, window=(2,)))[0], run(PLAIN, near)[0], atol=1e-6)
    mixed = run(dataclasses.replace(PLAIN, window=(2, 0)))[0]
    assert not np.allclose(mixed, run(PLAIN)[0], atol=1e-3) and not np.allclose(mixed, run(PLAIN, near)[0], atol=1e-3)
    assert dataclasses.replace(PLAIN, window=(2, 0)).windows == (2, 0, 2)


def test_only_layers_with_a_window_turn_by_the_local_angle():
    angle, other = jnp.zeros((2, 6, 4)), text_angles(jnp.arange(6)[None].repeat(2, 0), 8, 100.0)
    wide = dataclasses.replace(PLAIN, window=(99,))
    np.testing.assert_allclose(run(wide, angle=angle, local_angle=other)[0], run(PLAIN, angle=other)[0], atol=1e-6)
    np.testing.assert_allclose(run(PLAIN, angle=angle, local_angle=other)[0], run(PLAIN, angle=angle)[0], atol=1e-6)


def test_a_wide_softcap_changes_nothing_and_a_narrow_one_does():
    plain = run(PLAIN)[0]
    np.testing.assert_allclose(run(dataclasses.replace(PLAIN, attention_softcap=1e4))[0], plain, atol=1e-4)
    assert not np.allclose(run(dataclasses.replace(PLAIN, attention_softcap=0.1))[0], plain, atol=1e-3)


def test_layer_scale_begins_near_the_identity():
    y, _, _ = run(dataclasses.replace(PLAIN, layer_scale=True, final_norm=False))
    np.testing.assert_allclose(y, X, atol=1e-3)


def test_taps_are_the_inputs_of_layers():
    config = dataclasses.replace(PLAIN, final_norm=False)
    y, _, aux = run(config, taps=(0, 3))
    np.testing.assert_array_equal(aux["taps"][0], X)
    np.testing.assert_array_equal(aux["taps"][1], y)
    apart = Transformer(dataclasses.replace(config, stacked=False), rngs=nnx.Rngs(0))(X, CAUSAL, taps=(2,))[2]
    assert apart["taps"].shape == (1, *X.shape)


def test_slowed_angles_keep_short_waves():
    position = jnp.arange(8)[None]
    plain = np.asarray(text_angles(position, 16, 1e4))
    slowed = np.asarray(text_angles(position, 16, 1e4, RopeScaling(kind="llama3", factor=8.0, trained_length=64)))
    linear = np.asarray(text_angles(position, 16, 1e4, RopeScaling(kind="linear", factor=4.0)))
    np.testing.assert_allclose(linear, plain / 4, rtol=1e-6)
    np.testing.assert_allclose(slowed[..., 0], plain[..., 0], rtol=1e-6)
    np.testing.assert_allclose(slowed[..., -1], plain[..., -1] / 8, rtol=1e-6)


def test_a_misspelt_norm():
    with pytest.raises(UserError, match="Unknown norm 'rsm'. Did you mean 'rms'"):
        Transformer(dataclasses.replace(PLAIN, norm="rsm"), rngs=nnx.Rngs(0))
