"""Layers that never heard of satellites. Parameters carry logical axis names; rsfm.training.sharding lays them on a mesh."""

from flax import nnx

# A model can be built without a mesh: names are turned into a layout once for the whole state, not parameter by parameter.
nnx.use_eager_sharding(False)
