"""EfficientNet-lite0 as a feature pyramid for pictures, with the batch norms folded into the convolutions.

b batch · h w pixels · f features     Tan & Le 2019, arXiv:1905.11946; the "lite" variant drops squeeze-excitation and uses ReLU6.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.convolution import Convolution, depthwise, he_normal

STRIDE = 16
# kernel, stride, expansion, inputs, outputs, repeats
STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
HEAD = 1280
MIDDLE = 112  # channels at stride 16
# A normalized band has mean 0 and deviation 1; ImageNet's pictures, in this network's units, these.
INPUT_SCALE, INPUT_OFFSET = 0.38, -0.22


class Bottleneck(nnx.Module):
    """1x1 expand, k x k depthwise, 1x1 project; added to its input where shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        hidden = inputs * expansion
        self.stride, self.residual = stride, stride == 1 and inputs == outputs
        self.expand = Convolution(1, inputs, hidden, rngs=rngs) if expansion > 1 else None
        self.depthwise = nnx.Param(
            he_normal(rngs, (kernel, kernel, hidden), kernel**2), out_sharding=(None, None, None)
        )
        self.depthwise_bias = nnx.Param(jnp.zeros((hidden,)), out_sharding=(None,))
        self.project = Convolution(1, hidden, outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b i j o"]:
        y = x if self.expand is None else jax.nn.relu6(self.expand(x))
        y = jax.nn.relu6(depthwise(y, self.depthwise[...], self.stride) + self.depthwise_bias[...].astype(y.dtype))
        y = self.project(y)
        return x + y if self.residual else y


class Pyramid(nnx.Module):
    """Picture -> features at stride 16: the middle stage beside the last one, enlarged."""

    channels = MIDDLE + HEAD

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = Convolution(3, 3, 32, stride=2, rngs=rngs)
        blocks = []
        for kernel, stride, expansion, inputs, outputs, repeats in STAGES:
            for i in range(repeats):
                first = i == 0
                blocks.append(
                    Bottleneck(
                        kernel, stride if first else 1, expansion, inputs if first else outputs, outputs, rngs=rngs
                    )
                )
        self.blocks = nnx.List(blocks)
        self.head = Convolution(1, STAGES[-1][4], HEAD, rngs=rngs)

    def __call__(self, picture: Float[Array, "b h w 3"]) -> Float[Array, "b i j f"]:
        """`picture` is normalized (mean 0, deviation 1 over land), red green blue."""
        middle, last = self.levels(picture * INPUT_SCALE + INPUT_OFFSET)
        enlarged = jnp.repeat(jnp.repeat(last, 2, axis=1), 2, axis=2)[:, : middle.shape[1], : middle.shape[2]]
        return jnp.concatenate([middle, enlarged], axis=-1)

    def levels(self, x: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b i j m"], Float[Array, "b k l n"]]:
        """The last map at stride 16 and the head's map at stride 32, of a picture in ImageNet's units."""
        x, middle = jax.nn.relu6(self.stem(x)), x
        for block in self.blocks:
            y = block(x)
            if block.stride == 2:
                middle = x
            x = y
        return middle, jax.nn.relu6(self.head(x))
