"""The dial of sizes: what a window of another size changes and what it does not."""

import jax
from flax import nnx

from rsfm.models.foundation import FoundationModel
from rsfm.models.sizes import SIZES, windowed


def shapes(config):
    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    return jax.tree.map(lambda leaf: leaf.shape, nnx.state(model, nnx.Param))


def test_another_window_keeps_every_weight_and_the_streams_that_are_smaller():
    nano = SIZES["nano"]
    small = windowed(nano, 96)
    assert shapes(small) == shapes(nano)
    sizes = {name: stream.spec.size for name, stream in small.streams.items()}
    assert sizes == {"optical": 96, "sar": 96, "context": 96, "hsi": 32, "series": 1}
    assert windowed(small, nano.streams["optical"].spec.size) == nano
