"""Low-rank adapters on linear layers, plain or over a quantized base.   i inputs · o outputs · r rank · l layers

y = x W + (alpha / r) x A B, only A and B train (LoRA, arXiv:2106.09685); W may be stored in 8 or 4 bits (QLoRA,
arXiv:2305.14314), quantized by qwix. qwix's own LoraProvider does not serve here: it makes A and B while the model runs,
which fails in a product x @ W (a jitted function of JAX) and in a scan over blocks, where the module is a copy that is
gone afterwards. So the layer itself carries them, with the leading axis of layers that its kernel has, and every way
through the model (call, prefill, step) has them too.
"""

import fnmatch
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import UserError, unknown
from rsfm.models.text_head import TextHead
from rsfm.nn.linear import Linear
from rsfm.training.config import LoraConfig

A, B, CODES, SCALE = "lora_a", "lora_b", "kernel_codes", "kernel_scale"
BLOCK = 64  # inputs that share a scale of 4-bit codes, as in QLoRA
QUANTIZED = ("int8", "nf4")


class LoraLinear(nnx.Module):
    """A Linear with an adapter beside its kernel; the parameters it had keep their names."""

    def __init__(self, linear: Linear, config: LoraConfig, *, rngs: nnx.Rngs):
        kernel = linear.kernel
        *lead, inputs, outputs = kernel.shape
        names = tuple(kernel.get_metadata().get("out_sharding") or (None,) * len(kernel.shape))
        self.factor = (config.alpha or 2.0 * config.rank) / config.rank
        self.quantize = config.quantize
        self.bias = linear.bias
        bound = 1.0 / math.sqrt(inputs)
        first = jax.random.uniform(rngs.params(), (*lead, inputs, config.rank), minval=-bound, maxval=bound)
        self.lora_a = nnx.LoRAParam(first, out_sharding=(*names[:-1], None))
        last = jnp.zeros((*lead, config.rank, outputs))  # zero: at first the model is as it was
        self.lora_b = nnx.LoRAParam(last, out_sharding=(*names[:-2], None, names[-1]))
        if config.quantize:
            codes, scale = quantized(kernel[...], config.quantize)
            self.kernel_codes = nnx.Param(codes, out_sharding=names)
            self.kernel_scale = nnx.Param(scale, out_sharding=(*names[:-2], None, names[-1]))
        else:
            self.kernel = kernel

    def __call__(self, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
        y = x @ self.base().astype(x.dtype)
        y = y + (x @ self.lora_a[...].astype(x.dtype)) @ self.lora_b[...].astype(x.dtype) * self.factor
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)

    def base(self) -> Float[Array, "*l i o"]:
        """The kernel without its adapter."""
        if not self.quantize:
            return self.kernel[...]
        return dequantized(self.kernel_codes[...], self.kernel_scale[...], self.quantize)

    def merged(self) -> Float[Array, "*l i o"]:
        """The kernel with its adapter."""
        return self.base() + self.factor * (self.lora_a[...] @ self.lora_b[...])


def adapt(model: nnx.Module, config: LoraConfig, *, rngs: nnx.Rngs) -> nnx.Module:
    """Puts adapters on the model's linear layers whose name matches `config.targets`; changes and returns the model.

    Raises:
        UserError: no layer matches, an unknown kind of quantization, a rank below 1.
    """
    if config.rank < 1:
        raise UserError(f"lora.rank {config.rank}: expected 1 or more. Common ranks are 4 to 64.")
    if config.quantize and config.quantize not in QUANTIZED:
        raise unknown("quantization", config.quantize, QUANTIZED)
    layers = linear_layers(model)
    found = {name for name in layers if any(_matches(name, pattern) for pattern in config.targets)}
    for pattern in config.targets:
        if not any(_matches(name, pattern) for name in layers):
            heads = {name.split(".")[0] for name in layers}
            raise UserError(f"lora.targets matches no linear layer: {unknown('pattern', pattern, heads)}")
    for name in sorted(found):
        parent, attribute = layers[name]
        setattr(parent, attribute, LoraLinear(getattr(parent, attribute), config, rngs=rngs))
    return model


def linear_layers(model: nnx.Module) -> dict[str, tuple[nnx.Module, str]]:
    """Every Linear by dotted name, with the module that holds it and under which attribute."""
    found: dict[str, tuple[nnx.Module, str]] = {}

    def visit(module: nnx.Module, path: tuple[str, ...]) -> None:
        if isinstance(module, TextHead):
            return  # it reads its matrix itself
        for name, child in sorted(vars(module).items()):
            if type(child) is Linear:
                found[".".join((*path, name))] = (module, name)
            elif isinstance(child, nnx.Module):
                visit(child, (*path, name))

    visit(model, ())
    return found


def has_adapters(model: nnx.Module) -> bool:
    """Whether any layer carries an adapter."""
    return any(isinstance(module, LoraLinear) for _, module in nnx.iter_modules(model))


def merge_adapters(model: nnx.Module) -> dict[str, np.ndarray]:
    """The parameters of the plain model that does what the adapted one does, by dotted name."""
    arrays = {
        ".".join(map(str, path)): leaf[...]
        for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))
        if str(path[-1]) not in (A, B, CODES, SCALE)
    }
    for path, module in nnx.iter_modules(model):
        if isinstance(module, LoraLinear):
            arrays[".".join((*map(str, path), "kernel"))] = module.merged()
    return {name: np.asarray(jax.device_get(value)) for name, value in arrays.items()}


def with_base(base: Mapping[str, Any], own: Mapping[str, Any], config: LoraConfig) -> dict[str, Any]:
    """Parameters of a base by the names that its adapted model `own` has them by: kernels are quantized where its are."""
    out = dict(base)
    for name in own:
        stem, _, last = name.rpartition(".")
        if last == CODES and f"{stem}.kernel" in base:
            codes, scale = quantized(jnp.asarray(out.pop(f"{stem}.kernel"), jnp.float32), config.quantize)
            out |= {name: codes, f"{stem}.{SCALE}": scale}
    return out


def adapter_arrays(model: nnx.Module) -> dict[str, np.ndarray]:
    """A and B of every adapted layer, by dotted name."""
    flat = nnx.to_flat_state(nnx.state(model, nnx.LoRAParam))
    return {".".join(map(str, path)): np.asarray(jax.device_get(leaf[...])) for path, leaf in flat}


def quantized(kernel: Float[Array, "*l i o"], kind: str) -> tuple[Array, Float[Array, "*l s o"]]:
    """Codes and scales: int8 with a scale an output, or NormalFloat-4 with one every BLOCK inputs of an output.

    Two codes of four bits share a byte: neither checkpoints nor every device know a type of four bits.
    """
    import qwix

    rank = kernel.ndim
    if kind == "nf4" and kernel.shape[-2] % 2:
        raise UserError(
            f"lora.quantize nf4: a layer of {kernel.shape[-2]} inputs was targeted, expected an even number. "
            "Take int8, or leave the layer out of lora.targets."
        )
    shared = {rank - 2: math.gcd(kernel.shape[-2], BLOCK)} if kind == "nf4" else {}
    others = [axis for axis in range(rank) if axis != rank - 2]
    dtype = jnp.int8 if kind == "int8" else kind
    array = qwix.quantize(kernel.astype(jnp.float32), dtype, channelwise_axes=others, tiled_axes=shared)
    codes = array.qvalue
    if kind == "nf4":
        low, high = (codes[..., first::2, :].astype(jnp.uint8) for first in (0, 1))
        codes = low | high << 4
    return codes, array.scale


def dequantized(codes: Array, scale: Float[Array, "*l s o"], kind: str) -> Float[Array, "*l i o"]:
    """The kernel that codes and scales stand for."""
    import qwix

    if kind == "int8":
        return qwix.dequantize(qwix.QArray(qvalue=codes, scale=scale, qtype=jnp.int8))
    *lead, half, outputs = codes.shape
    pairs = jnp.stack([codes & 15, codes >> 4], axis=-2).reshape(*lead, 2 * half, outputs)
    return qwix.dequantize(qwix.QArray(qvalue=pairs.astype(jnp.uint4), scale=scale, qtype=kind))


def require_qwix(config: LoraConfig) -> None:
    """UserError where the base is to be quantized and the package that does it is not installed."""
    import importlib.util

    if config.quantize and importlib.util.find_spec("qwix") is None:
        raise UserError(
            f"lora.quantize {config.quantize} needs the package qwix. Install it: pip install 'rsfm[peft]'."
        )


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or name.startswith(pattern + ".") or name == pattern
