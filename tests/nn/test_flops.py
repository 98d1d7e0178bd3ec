"""Counted operations against what can be worked out by hand."""

import jax
import jax.numpy as jnp
from flax import nnx

from rsfm.nn.flops import count_flops, count_parameters, parameter_bytes


def shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def test_matrix_products_and_batches() -> None:
    assert count_flops(jnp.matmul, shape(7, 2, 3), shape(7, 3, 5)) == 7 * 2 * 2 * 3 * 5


def test_loops_count_each_turn() -> None:
    def layers(x: jax.Array, weights: jax.Array) -> jax.Array:
        return jax.lax.scan(jax.checkpoint(lambda carry, w: (jnp.tanh(carry @ w), None)), x, weights)[0]

    assert count_flops(jax.jit(layers), shape(4, 8), shape(6, 8, 8)) == 6 * 2 * 4 * 8 * 8


def test_convolution_and_ragged_dot() -> None:
    convolution = nnx.Conv(3, 16, (5, 5), padding="VALID", rngs=nnx.Rngs(0))
    assert count_flops(convolution, shape(1, 9, 9, 3)) == 2 * 5 * 5 * 16 * 5 * 5 * 3
    groups = jax.ShapeDtypeStruct((4,), jnp.int32)
    assert count_flops(jax.lax.ragged_dot, shape(10, 8), shape(4, 8, 6), groups) == 2 * 10 * 8 * 6


def test_parameters_of_an_abstract_module() -> None:
    module = nnx.eval_shape(lambda: nnx.Linear(10, 20, rngs=nnx.Rngs(0)))
    assert count_parameters(module) == 220 and parameter_bytes(module) == 880
