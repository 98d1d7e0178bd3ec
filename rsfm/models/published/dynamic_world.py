"""Dynamic World: the land cover of a Sentinel-2 picture in nine classes, with the weights Google published.

b batch · h w pixels · c the bands of BANDS_UM · f features · m the classes of LEGEND
Brown et al. 2022, doi:10.1038/s41597-022-01307-4; weights: github.com/google/dynamicworld, Apache-2.0.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float
from scipy.ndimage import distance_transform_edt

from rsfm.config import from_json
from rsfm.errors import UserError
from rsfm.nn.convolution import Convolution, depthwise, he_normal
from rsfm.nn.weights import load_weights
from rsfm.sensors import SENSORS
from rsfm.types import Observation, Record

LEGEND = (
    "water",
    "trees",
    "grass",
    "flooded vegetation",
    "crops",
    "shrub and scrub",
    "built",
    "bare",
    "snow and ice",
)
NATIVE = "sentinel2_l1c"
NATIVE_GSD_M = 10.0
WINDOW = 256  # pixels; what a pixel is told by reaches about 25 pixels from it
PICTURES = 4  # at once
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")  # of Sentinel-2
# The red edge where an instrument has none, as of Landsat: shares of B02 B03 B04 B08 B11 B12, by
# tokenizers/dynamic_world/fit_red_edge.py (R2 .97 to .99 on places left out).
RED_EDGE: dict[str, tuple[float, ...]] = {
    "B05": (-0.0034, 0.1518, 0.7535, 0.1385, 0.1571, -0.115),
    "B06": (-0.1784, 0.6136, -0.071, 0.6893, 0.0861, -0.0868),
    "B07": (-0.1413, 0.5724, -0.2773, 0.8442, 0.0989, -0.058),
}
RED_EDGE_BANDS = tuple(RED_EDGE)
OTHERS = tuple(i for i, name in enumerate(BANDS) if name not in RED_EDGE)
# Of log(1 + reflectance * 50): what is taken off and divided by, a pair a band. The notebook beside the weights calls
# them the 30 and 70 % percentiles over many surfaces.
LOG_SCALE = 50.0
PERCENTILES = np.array(
    [
        (1.7417268007636313, 2.023298706048351),
        (1.7261204997060209, 2.038905204308012),
        (1.6798346251414997, 2.179592821212937),
        (1.7734969472909623, 2.2890068333026603),
        (2.289154079164943, 2.6171674549378166),
        (2.382939712192371, 2.773418590375327),
        (2.3828939530384052, 2.7578332604178284),
        (2.1952484264967844, 2.789092484314204),
        (1.554812948247501, 2.4140534947492487),
    ]
)
# What other legends call the classes. A name of several classes is any of them.
NAMES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in LEGEND},
    **dict.fromkeys(("permanent water", "permanent water bodies", "water bodies", "open water", "lakes"), ("water",)),
    **dict.fromkeys(("tree", "tree cover", "forest", "forests", "woodland"), ("trees",)),
    **dict.fromkeys(("grassland", "grasslands", "meadow", "meadows"), ("grass",)),
    **dict.fromkeys(("wetland", "wetlands", "herbaceous wetland"), ("flooded vegetation",)),
    **dict.fromkeys(("crop", "cropland", "croplands", "cultivated land", "arable land", "fields"), ("crops",)),
    **dict.fromkeys(("shrub", "shrubs", "scrub", "shrubland"), ("shrub and scrub",)),
    **dict.fromkeys(("built area", "built up", "built-up", "built-up area", "urban", "town", "buildings"), ("built",)),
    **dict.fromkeys(("bare ground", "bare soil", "bare land", "bare / sparse vegetation"), ("bare",)),
    **dict.fromkeys(("snow", "ice"), ("snow and ice",)),
    "rangeland": ("grass", "shrub and scrub"),
    "vegetation": ("trees", "grass", "flooded vegetation", "crops", "shrub and scrub"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DynamicWorldConfig:
    """Attributes:
    widths: features after the first convolution and of the blocks; the last block's come twice, before and after
        the finer path joins.
    side: features of that path.
    """

    widths: tuple[int, ...] = (64, 96, 144)
    side: int = 48


class Separable(nnx.Module):
    """A 1 x 1 and a 3 x 3 depthwise convolution, each with its activation."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.pointwise = Convolution(1, inputs, outputs, rngs=rngs)
        self.depthwise = nnx.Param(he_normal(rngs, (3, 3, outputs), 9), out_sharding=(None, None, None))
        self.depthwise_bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))

    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b h w o"]:
        x = jax.nn.mish(self.pointwise(x))
        return jax.nn.mish(depthwise(x, self.depthwise[...], 1) + self.depthwise_bias[...])


class Block(nnx.Module):
    """Three separable convolutions beside a 1 x 1 convolution, added."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        widths = (inputs, outputs, outputs)
        self.layers = nnx.List([Separable(width, outputs, rngs=rngs) for width in widths])
        self.shortcut = Convolution(1, inputs, outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b h w o"]:
        y = x
        for layer in self.layers:
            y = layer(y)
        return y + jax.nn.mish(self.shortcut(x))


class DynamicWorld(nnx.Module):
    """`network(inputs) -> logits` of LEGEND: blocks at half the resolution; batch norms are folded into the convolutions."""

    config_type = DynamicWorldConfig

    def __init__(self, config: DynamicWorldConfig, *, rngs: nnx.Rngs):
        self.config = config
        first, *widths = config.widths
        self.enter = Convolution(3, len(BANDS), first, rngs=rngs)
        pairs = zip(config.widths, widths, strict=False)
        self.blocks = nnx.List([Block(inputs, outputs, rngs=rngs) for inputs, outputs in pairs])
        self.side = Separable(first, config.side, rngs=rngs)
        self.join = Block(widths[-1] + config.side, widths[-1], rngs=rngs)
        self.leave = Convolution(1, widths[-1], len(LEGEND), rngs=rngs)

    def __call__(self, inputs: Float[Array, "b h w c"]) -> Float[Array, "b h w m"]:
        """Logits of pictures of any size from 2 x 2 pixels up.

        Args:
            inputs: as of `normalize`, 0..1.
        """
        batch, height, width, _ = inputs.shape
        x = jax.nn.mish(self.enter(inputs))
        x = jax.image.resize(x, (batch, height // 2, width // 2, x.shape[-1]), "linear")  # antialiased
        side = self.side(x)
        for block in self.blocks:
            x = block(x)
        x = self.join(jnp.concatenate([x, side], axis=-1))
        x = jax.image.resize(x, (batch, height, width, x.shape[-1]), "linear")
        x = x * jax.lax.rsqrt(jnp.maximum((x * x).sum(-1, keepdims=True), 1e-12))
        return self.leave(x)


def normalize(reflectance: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
    """Reflectance of BANDS (0..1, offsets taken off) -> 0..1, finest between the usual dark and bright of each band."""
    low, span = jnp.asarray(PERCENTILES.T, jnp.float32)
    logged = jnp.log1p(jnp.maximum(reflectance, 0.0) * LOG_SCALE)
    return jax.nn.sigmoid((logged - low) / span * 5 - 1)


@nnx.jit
def class_probabilities(model: DynamicWorld, reflectance: Float[Array, "b h w c"]) -> Float[Array, "b h w m"]:
    """Probabilities of LEGEND; jitted, one compilation a shape."""
    return jax.nn.softmax(model(normalize(reflectance)))


# --- records


def readable(record: Record) -> tuple[Record, tuple[str, ...]]:
    """The record with the one observation that is read, and what makes the answer less sure.

    Raises:
        UserError: no observation has all bands.
    """
    lacks = {name: _lacking(name, observation) for name, observation in record.observations.items()}
    usable = [name for name, lacking in lacks.items() if set(lacking) <= set(RED_EDGE)]
    if not usable:
        found = "; ".join(f"{name} lacks {', '.join(lacking)}" for name, lacking in lacks.items())
        raise UserError(
            f"{record.id}: Dynamic World reads {', '.join(BANDS)} of Sentinel-2; {found}. Give a scene with these bands; "
            f"{', '.join(RED_EDGE)} may be missing."
        )
    name = min(usable, key=lambda name: (name != NATIVE, len(lacks[name])))
    observation = record.observations[name]
    notes = _notes(name, lacks[name], float(observation.gsd_m))
    return dataclasses.replace(record, observations={name: observation}), notes


def probabilities(
    model: DynamicWorld, records: Sequence[Record], *, batch_size: int = PICTURES
) -> Float[np.ndarray, "b h w m"]:
    """Class probabilities of records of one shape: the mean over the dates with data, 0 where there are none.

    As a teacher, or for the windows of a scene.

    Args:
        model: weights.
        records: of one size and number of dates; the instrument is that of `readable`.
        batch_size: pictures in one jitted call, about 200 MB each at 256 x 256; fewer are padded.
    """
    pictures, valid = zip(*(_pictures(readable(record)[0]) for record in records), strict=True)
    stacked, seen = np.concatenate(pictures), np.stack(valid)
    parts = []
    for start in range(0, len(stacked), batch_size):
        part = stacked[start : start + batch_size]
        full = np.concatenate([part, np.repeat(part[-1:], batch_size - len(part), axis=0)])
        parts.append(np.asarray(class_probabilities(model, jnp.asarray(full)))[: len(part)])
    chance = np.concatenate(parts).reshape(*seen.shape, len(LEGEND))
    weight = seen / np.maximum(seen.sum(1, keepdims=True), 1)
    return (chance * weight[..., None].astype(np.float32)).sum(1)


def meanings(names: Sequence[str]) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Which classes of LEGEND each asked name stands for, and the names that are not among NAMES.

    A class that two names share goes to the one with fewer classes.
    """
    free: set[str] = set(LEGEND)
    out: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
    for name in sorted(names, key=lambda name: len(NAMES.get(name, ()))):
        mine = [each for each in NAMES.get(name, ()) if each in free]
        free -= set(mine)
        out[name] = tuple(LEGEND.index(each) for each in mine)
    return out, tuple(name for name in names if name not in NAMES)


def read_dynamic_world(folder: Path, config: Any) -> DynamicWorld:
    """The network from a checkpoint folder.

    Args:
        folder: holds model.safetensors.
        config: the JSON under "model" in its config.json.

    Raises:
        UserError: a file missing or damaged, tensors of another model.
    """
    read = from_json(DynamicWorldConfig, config, where=str(folder / "config.json"))
    model = nnx.eval_shape(lambda: DynamicWorld(read, rngs=nnx.Rngs(0)))
    load_weights(folder / "model.safetensors", model)
    return model


def _pictures(record: Record) -> tuple[Float[np.ndarray, "t h w c"], Bool[np.ndarray, "t h w"]]:
    """Reflectance of BANDS, a picture a date, and where there are data; other pixels hold their nearest neighbour's."""
    (observation,) = record.observations.values()
    index, lacking = _bands(observation)
    present = [i for i, name in zip(index, BANDS, strict=True) if name not in lacking]
    # One number that is missing would spread over the whole picture.
    valid = np.logical_and.reduce(np.asarray(observation.cells)[..., present], axis=-1)
    values = np.asarray(observation.values, np.float32)[..., index]
    for name in lacking:
        values[..., BANDS.index(name)] = values[..., OTHERS] @ np.array(RED_EDGE[name], np.float32)
    return np.stack([_filled(*date) for date in zip(values, valid, strict=True)]), valid


def _bands(observation: Observation) -> tuple[list[int], list[str]]:
    """Index of the band nearest to each of BANDS, and which of BANDS have none within half their width."""
    centre = np.where(np.asarray(observation.band_code) == 0, np.asarray(observation.wavelength_um), np.inf)
    table = {band.name: band for band in SENSORS[NATIVE].bands}
    index, lacking = [], []
    for band in (table[name] for name in BANDS):
        away = np.abs(centre - band.center_um)
        index.append(int(away.argmin()))
        if away.min() > max(band.width_um, 0.02) / 2:
            lacking.append(band.name)
    return index, lacking


def _lacking(name: str, observation: Observation) -> list[str]:
    sensor = SENSORS.get(name)
    if sensor is None or not any(band.unit == "reflectance" for band in sensor.bands):
        return ["reflectance"]
    return _bands(observation)[1]


def _notes(name: str, lacking: Sequence[str], gsd_m: float) -> tuple[str, ...]:
    notes = []
    if lacking:
        notes.append(f"{name} has no {', '.join(lacking)}: estimated from its other bands for Dynamic World")
    if name != NATIVE:
        notes.append(f"Dynamic World was trained on {NATIVE} (top of atmosphere); on {name} it is less sure")
    if not 0.75 < gsd_m / NATIVE_GSD_M < 1.5:
        notes.append(f"Dynamic World was trained at {NATIVE_GSD_M:g} m; these pixels are {gsd_m:g} m")
    return tuple(notes)


def _filled(values: Float[np.ndarray, "h w c"], valid: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w c"]:
    """The picture with its pixels without data taken from the nearest one with data, so that no false edge stands there."""
    if valid.all() or not valid.any():
        return values
    nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return values[tuple(nearest)]
