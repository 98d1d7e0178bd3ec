"""Boxes at each <box> token: where its words point among the features of the pixels, an upright or turned box for each thing.

b batch · v spans · h w pixels · r q cells · d text width · k cell width

Anchor-free: a heat map of centres with the numbers of a box at each cell (CenterNet, arXiv:1904.07850). The token's hidden
state makes the weights that read the cells, so that a class is what its words say.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.heads.base import Fit, Head, Spans, Terms, Widths
from rsfm.heads.box.coding import NUMBERS
from rsfm.heads.box.losses import heat_loss, number_losses
from rsfm.heads.box.targets import assigned, box_rows
from rsfm.nn.masked_conv import MaskedConv, MaskedHalving, neighbour_share
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Boxes, Memory, Pixels, Record

RARE = math.log(99)  # a cell is the centre of a thing with a chance of one in a hundred, before anything is learned


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxConfig:
    """How boxes are made.

    Attributes:
        width: channels of a cell.
        stride: pixels a cell, 1 or 2; two things whose centres share a cell are one.
        typical_px: side of a box before anything is learned.
    """

    width: int = 32
    stride: int = 2
    typical_px: float = 16.0


class BoxHead(Head):
    """Heat and boxes of the cells for every span, each read by itself; no invalid pixel and no masked token has a part in them."""

    config_type = BoxConfig
    token, slots, span, dense = "<box>", 4, Boxes, True

    def __init__(self, config: BoxConfig, widths: Widths, *, rngs: nnx.Rngs):
        assert config.stride in (1, 2), f"box head: stride 1 or 2, got {config.stride}"
        self.config = config
        self.halve = MaskedHalving(widths.pixel, config.width, rngs=rngs) if config.stride == 2 else None
        inside = config.width if config.stride == 2 else widths.pixel
        self.conv, self.norm = MaskedConv(inside, config.width, rngs=rngs), RMSNorm(config.width)
        out = (1 + NUMBERS) * (config.width + 1)  # a direction and a bias for the heat and each number
        self.embed = MLP(widths.text, widths.text, out=out, gated=False, activation="gelu_tanh", bias=True, rngs=rngs)

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> dict[str, Array]:
        """ "heat" (b v r q), logits that are -inf where there is no data, and "numbers" (b v r q 7), both float32."""
        cells, valid = self._cells(memory.pixels[neck])
        read = self.embed(spans.hidden).reshape(*spans.hidden.shape[:2], 1 + NUMBERS, -1)
        direction, bias = read[..., :-1] / math.sqrt(cells.shape[-1]), read[..., -1].astype(jnp.float32)
        raw = jnp.einsum("bvck,brqk->bvrqc", direction, cells, preferred_element_type=jnp.float32)
        raw = raw + bias[:, :, None, None]
        centre = cell_centres(*valid.shape[1:], self.config.stride)
        start = jnp.array([math.log(self.config.typical_px), 0.0, 0.0, 1.0, 0.0])
        numbers = jnp.concatenate([centre + self.config.stride * raw[..., 1:3], start + raw[..., 3:]], -1)
        return {"heat": jnp.where(valid[:, None], raw[..., 0] - RARE, -jnp.inf), "numbers": numbers}

    def loss(self, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Terms:
        """Heat a thing and span, and a thing's centre, size, axes and overlap, by the heat of the cells that tell them."""
        heat, stride = outputs["heat"], self.config.stride
        asked, slot = jnp.asarray(targets["position"]) >= 0, jnp.asarray(targets["slot"])
        there = slot[:, None] == jnp.arange(heat.shape[1])[None, :, None] + 1
        cells = cell_centres(*heat.shape[2:], stride)
        of_span = jax.vmap(assigned, in_axes=(None, 0, None, None))
        numbers = jnp.asarray(targets["numbers"], jnp.float32)
        wanted = jax.vmap(of_span, in_axes=(0, 0, None, None))(numbers, there & asked[..., None], cells, stride)
        counts = asked[..., None, None] & jnp.isfinite(heat)
        things = (there & asked[..., None]).sum(dtype=jnp.float32) + asked.sum(dtype=jnp.float32)
        warm = heat_loss(jnp.where(counts, heat, 0.0), wanted.heat)
        weight = jnp.where(counts, wanted.weight, 0.0)
        parts = number_losses(outputs["numbers"], wanted.numbers, stride)
        sums = {name: ((jnp.where(weight > 0, part, 0.0) * weight).sum(), weight.sum()) for name, part in parts.items()}
        return {"": (jnp.where(counts, warm, 0.0).sum(), things), **sums}

    @classmethod
    def targets(cls, spans: Sequence[Boxes], record: Record, fit: Fit, slots: int) -> dict[str, np.ndarray]:
        """ "numbers" (n 7) and "slot" (n), see `box_rows`."""
        return box_rows(spans, record, fit.size) if spans else {}

    def _cells(self, pixels: Pixels) -> tuple[Float[Array, "b r q k"], Bool[Array, "b r q"]]:
        """Features of cells and which hold data; an odd last row or column of pixels is half a cell."""
        x, valid = jnp.where(pixels.valid[..., None], pixels.features, 0), pixels.valid
        if self.halve is not None:
            rim = ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2))
            x, valid = self.halve(jnp.pad(x, (*rim, (0, 0))), jnp.pad(valid, rim))
            x = jnp.where(valid[..., None], jax.nn.gelu(x), 0)
        y = self.norm(self.conv(x, neighbour_share(valid).astype(x.dtype)))
        return jnp.where(valid[..., None], y, 0), valid


def cell_centres(rows: int, columns: int, stride: int) -> Float[Array, "r q 2"]:
    """x and y of the middle of each cell in pixels."""
    y, x = jnp.meshgrid(jnp.arange(rows), jnp.arange(columns), indexing="ij")
    return (jnp.stack([x, y], -1) + 0.5) * stride
