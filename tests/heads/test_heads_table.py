"""Every head in the table: builds from its config, which survives JSON, and names its parameters' axes."""

import jax
import pytest
from flax import nnx

from rsfm.config import from_json, to_json
from rsfm.errors import UserError, lookup
from rsfm.heads import HEADS, Widths

AXES = {"embed", "mlp", "vocab", "expert", "layers", "heads", "kv_heads", None}


@pytest.mark.parametrize("name", HEADS)
def test_builds_from_its_config(name):
    head_type = HEADS[name]
    config = head_type.config_type()
    assert from_json(head_type.config_type, to_json(config)) == config
    widths = Widths(text=24, token=16, pixel=8)
    params = nnx.eval_shape(lambda: nnx.state(head_type.make(config, widths, rngs=nnx.Rngs(0)), nnx.Param))
    for path, param in nnx.to_flat_state(params):
        names = param.get_metadata()["out_sharding"]
        assert len(names) == len(param.shape) and set(names) <= AXES, path
    assert jax.tree.leaves(params)


def test_a_wrong_name_says_what_was_meant():
    with pytest.raises(UserError, match="Unknown head 'msk'. Did you mean 'mask'"):
        lookup(HEADS, "head", "msk")
