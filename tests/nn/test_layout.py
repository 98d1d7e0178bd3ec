"""Activations lie as their names say on the mesh that is set, and are left alone without one."""

import jax
import jax.numpy as jnp
import pytest

from rsfm.nn.layout import lay_out
from rsfm.training.sharding import make_mesh, on_mesh


def test_nothing_happens_without_a_mesh() -> None:
    x = jnp.ones((8, 3, 4))
    assert lay_out(x, "batch", None, None) is x


@pytest.mark.parametrize(
    ("shape", "names", "part"),
    [
        ((8, 3, 4), ("batch", None, None), (2, 3, 4)),
        ((6, 4), ("vocab", None), (3, 4)),
        ((6, 3, 4), ("batch", None, None), (6, 3, 4)),  # 6 rows are not cut in 4
        ((8, 4), ("batch", None, None), (8, 4)),  # another number of dimensions than named
    ],
    ids=str,
)
def test_names_become_a_layout_where_the_mesh_divides(
    shape: tuple[int, ...], names: tuple[str | None, ...], part: tuple[int, ...]
) -> None:
    with on_mesh(make_mesh((2, 2, 2, 1))):
        y = jax.jit(lambda x: lay_out(x * 2, *names))(jnp.ones(shape))
    assert y.addressable_shards[0].data.shape == part
