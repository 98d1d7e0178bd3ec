"""Boxes at each <box> token: where its words point among the features of the pixels, an upright or turned box for each thing.

b batch · v spans · h w pixels · r q cells · d text width · k cell width

Anchor-free: a heat map of centres with the numbers of a box at each cell (CenterNet, arXiv:1904.07850). The token's hidden
state makes the weights that read the cells, so that a class is what its words say.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Shaped

from rsfm.heads.base import Head
from rsfm.heads.box import files
from rsfm.heads.box.coding import NUMBERS
from rsfm.heads.box.losses import heat_loss, number_losses
from rsfm.heads.box.scene import GIVEN, of_classes, scene_boxes, surest, window_boxes
from rsfm.heads.box.targets import assigned, box_rows
from rsfm.heads.scene import Canvas, Window
from rsfm.heads.spans import Fit, Spans, Terms, Widths
from rsfm.nn.masked_conv import MaskedConv, MaskedHalving, neighbour_share
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Answer, Boxes, Memory, Pixels, Record

RARE = math.log(99)  # a cell is the centre of a thing with a chance of one in a hundred, before anything is learned


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxConfig:
    """How boxes are made.

    Attributes:
        width: channels of a cell.
        stride: pixels a cell, 1 or 2; two things whose centres share a cell are one.
        typical_px: side of a box before anything is learned.
        threshold: chance of a thing, as learned, from which a box is given; chosen on validation data. Scores are shifted in
            log odds so that it is a half.
    """

    width: int = 32
    stride: int = 2
    typical_px: float = 16.0
    threshold: float = 0.5


class BoxHead(Head):
    """Heat and boxes of the cells for every span, each read by itself; no invalid pixel and no masked token has a part in them."""

    config_type = BoxConfig
    token, slots, span, dense, named = "<box>", 4, Boxes, True, True

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
        centre = cell_centres(valid.shape[1], valid.shape[2], self.config.stride)
        start = jnp.array([math.log(self.config.typical_px), 0.0, 0.0, 1.0, 0.0])
        numbers = jnp.concatenate([centre + self.config.stride * raw[..., 1:3], start + raw[..., 3:]], -1)
        return {"heat": jnp.where(valid[:, None], raw[..., 0] - RARE - self._shift, -jnp.inf), "numbers": numbers}

    def loss(self, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Terms:
        """Heat a thing and span, and a thing's centre, size, axes and overlap, by the heat of the cells that tell them."""
        heat, stride = outputs["heat"] + self._shift, self.config.stride
        asked, slot = jnp.asarray(targets["position"]) >= 0, jnp.asarray(targets["slot"])
        there = slot[:, None] == jnp.arange(heat.shape[1])[None, :, None] + 1
        cells = cell_centres(heat.shape[2], heat.shape[3], stride)
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

    @classmethod
    def decode(cls, outputs: Mapping[str, Array], spans: int) -> list[Float[np.ndarray, "v k 8"]]:
        """Score and numbers of the surest boxes of each span, a fixed number of them."""
        return window_boxes(outputs, spans)

    @classmethod
    def over_dates(cls, values: Sequence[Any], weights: Float[np.ndarray, " k"]) -> Any:
        """The boxes of all parts of a series: those of one thing meet when the windows are joined."""
        return np.concatenate(values, axis=1)

    @classmethod
    def join(cls, windows: Iterator[Window], canvas: Canvas) -> Boxes:
        """The boxes of the scene, also those that are too faint to be given."""
        return scene_boxes(windows, canvas)

    @classmethod
    def placed(cls, answer: Answer, joined: Boxes, canvas: Canvas, subjects: Sequence[str]) -> Answer:
        """The boxes of the subjects that are sure enough, and all of them as part "box"; without words, how many there are."""
        every = of_classes(joined, subjects or canvas.subjects)
        given = surest(every, GIVEN)
        text = (
            answer.text
            or f"{', '.join(f'{name}: {given.labels.count(name)}' for name in subjects or canvas.subjects)}."
        )
        return dataclasses.replace(answer, text=text, boxes=given, parts={**answer.parts, "box": every})

    @classmethod
    def to_json(cls, answer: Answer) -> dict[str, Any]:
        """Label, score and corners of each box in pixels of the scene."""
        return {} if answer.boxes is None else {"boxes": files.box_json(answer.boxes)}

    @classmethod
    def write(cls, answer: Answer, folder: Path, suffix: str) -> list[str]:
        """boxes.geojson."""
        return files.box_files(folder, answer, suffix)

    @classmethod
    def overlay(cls, answer: Answer, picture: Shaped[np.ndarray, "h w 3"], path: Path) -> bool:
        """The outlines in the colours of their classes, with how many there are."""
        return files.overlay(path, answer, picture)

    @classmethod
    def draw(cls, answer: Answer, ax: Any, *, alpha: float) -> None:
        """The outlines and a legend beside them."""
        if answer.boxes is not None:
            files.draw_boxes(ax, answer.boxes)

    @classmethod
    def features(cls, answer: Answer) -> list[dict[str, Any]] | None:
        """A polygon for each box."""
        return files.features_of(answer)

    @classmethod
    def rows(cls, answer: Answer) -> list[tuple[str, str]]:
        """How many boxes of each class."""
        return [] if answer.boxes is None else files.box_rows(answer.boxes)

    @property
    def _shift(self) -> float:
        """Log odds of the threshold."""
        return math.log(self.config.threshold / (1 - self.config.threshold))

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
