"""A decoder as a CPU reads it fastest, a few rows at a time: each layer's parameters apart, kernels by their outputs."""

import dataclasses
import math

import jax
from flax import nnx

from rsfm.models.decoder import Decoder
from rsfm.models.foundation import FoundationModel
from rsfm.nn.linear import Linear, RowLinear

THREADS = 4  # blocks of a kernel: few enough to be large, and enough for the cores of a small machine
MOST = 64


def for_decoding(decoder: Decoder) -> Decoder:
    """The same decoder for what is read and neither trained nor saved: names and shapes of its parameters change.

    A step of decoding reads every weight once. Layers cut out of a stack are copied at every step, and a product of a few
    rows with a kernel of (inputs, outputs) keeps one thread waiting; kernels of (blocks, outputs, inputs) are read where they
    lie, a block a thread.
    """
    config = decoder.config
    held = {path: leaf[...] for path, leaf in nnx.to_flat_state(nnx.state(decoder, nnx.Param))}
    if config.transformer.stacked:
        config = dataclasses.replace(config, transformer=dataclasses.replace(config.transformer, stacked=False))
    apart = nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0)))
    state = nnx.state(apart, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        if decoder.config.transformer.stacked and path[:2] == ("transformer", "blocks"):
            leaf.set_value(held[(*path[:2], *path[3:])][path[2]])
        else:
            leaf.set_value(held[path])
    nnx.update(apart, state)
    for block in apart.transformer.blocks:
        _turn(block)
    if config.tied:
        apart.text_head.blocks = _blocks(config.vocabulary)
    return apart


def for_writing(model: FoundationModel) -> FoundationModel:
    """A model for text on this machine: on a CPU with its decoder laid out for it, else the model as it is.

    The rest is shared with the model that was given. A decoder with adapters stays as it is.
    """
    held = nnx.to_flat_state(nnx.state(model.decoder, nnx.Param))
    plain = nnx.to_flat_state(
        nnx.state(nnx.eval_shape(lambda: Decoder(model.decoder.config, rngs=nnx.Rngs(0))), nnx.Param)
    )
    if jax.default_backend() != "cpu" or {path for path, _ in held} != {path for path, _ in plain}:
        return model
    writer = nnx.merge(*nnx.split(model))
    writer.decoder = for_decoding(model.decoder)
    return writer


def _turn(module: nnx.Module) -> None:
    """Puts a RowLinear in the place of every Linear below a module; one with experts or adapters stays as it is."""
    for name, child in list(vars(module).items()):
        if type(child) is Linear:
            setattr(module, name, RowLinear(child, blocks=_blocks(child.kernel.shape[1])))
        elif isinstance(child, nnx.Module):
            _turn(child)


def _blocks(outputs: int) -> int:
    """How many equal parts: a multiple of THREADS where there is one, else what divides, 1 for a prime number."""
    return next((n for n in range(THREADS, MOST) if outputs % n == 0), math.gcd(outputs, THREADS))
