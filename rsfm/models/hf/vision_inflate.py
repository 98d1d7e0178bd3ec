"""An RGB patch embedding as our wavelength-conditioned tokenizer: the same tokens for its three bands, more bands later.

p patch edge · k responses · c the three bands · d width
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from rsfm.errors import UserError
from rsfm.models.hf.report import LoadReport
from rsfm.models.hf.vision_load import load_towers
from rsfm.models.published.towers import PictureTower, Towers
from rsfm.nn.weights import named_parameters
from rsfm.sensors.display import RED_GREEN_BLUE_UM
from rsfm.tokenizers.spectral import SpectralTokenizer, resize_kernel
from rsfm.types import Observation

RGB_WIDTH_UM = (0.03, 0.035, 0.065)  # of Sentinel-2's red, green and blue
SIGMA_UM = 0.02


def patch_embedding(tower: PictureTower) -> tuple[Float[np.ndarray, "p p 3 d"], Float[np.ndarray, " d"]]:
    """Kernel and bias of a tower's patch embedding."""
    p, width = tower.config.patch, tower.config.transformer.width
    kernel = np.asarray(tower.patches.kernel[...]).reshape(p, p, 3, width)
    bias = np.zeros(width, np.float32) if tower.patches.bias is None else np.asarray(tower.patches.bias[...])
    return kernel, bias


def inflate_from(tokenizer: SpectralTokenizer, name: str) -> LoadReport:
    """Inflates the patch embedding of a published tower into a tokenizer, in place, and tells what became of its tensors.

    Our normalised values have mean 0 and deviation 1 over land, as pictures have in the units of the towers: they go in
    as they are.

    Args:
        tokenizer: see `inflate`.
        name: a Hugging Face folder, a hub id, or a file in OpenAI's layout.
    """
    towers, report = load_towers(name)
    tower = towers.picture if isinstance(towers, Towers) else towers
    kernel, bias = patch_embedding(tower)
    inflate(tokenizer, kernel, bias)
    theirs = {ours.removeprefix("picture."): source for ours, _, source in report.loaded}
    pairs = {"kernel": "patches.kernel", "group": "patches.bias"}
    sources = {ours: theirs[key] for ours, key in pairs.items() if key in theirs}
    params, (old, new) = named_parameters(tokenizer), (tower.config.patch, tokenizer.config.patch)
    change = (("kernel", f"{old} -> {new} pixels a side", "same tokens for an enlarged picture"),)
    return LoadReport(
        where=name,
        loaded=tuple((ours, tuple(params[ours].shape), source) for ours, source in sources.items()),
        missing=tuple(sorted(params.keys() - sources.keys())),
        unexpected=tuple(source for key, source in theirs.items() if key not in pairs.values()),
        resized=change if old != new else (),
    )


def inflate(
    tokenizer: SpectralTokenizer,
    kernel: Float[np.ndarray, "p p 3 d"],
    bias: Float[np.ndarray, " d"],
    *,
    center_um: Sequence[float] = RED_GREEN_BLUE_UM,
    width_um: Sequence[float] = RGB_WIDTH_UM,
    gain: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    """Sets the tokenizer's weights so that an observation of these three bands gives the patch embedding's tokens.

    The three responses nearest the bands move onto them and take over the kernel, corrected for how much each band leaks
    into each response; the other responses start at zero and learn from there, like the terms for coverage and calendar.

    Args:
        tokenizer: changed in place; one group, three responses at least, no pyramid.
        kernel: of a patch embedding of red, green and blue; resized where the patches differ (arXiv:2212.08013).
        bias: of the patch embedding.
        center_um: of the observation's red, green and blue bands.
        width_um: full widths at half maximum of those bands.
        gain: the tower's pixel is ours * gain + offset, both normalised in their own way.
        offset: see gain.
    """
    _check(tokenizer, kernel)
    centers = np.exp(np.asarray(tokenizer.log_center[...], np.float64))
    chosen = _nearest(centers, np.asarray(center_um))
    centers[chosen] = center_um
    sigma = np.array(tokenizer.log_sigma[...])
    sigma[chosen] = np.log(SIGMA_UM)
    _set(tokenizer.log_center, np.log(centers))
    _set(tokenizer.log_sigma, sigma)
    mixing = _mixing(tokenizer, center_um, width_um)[chosen]  # response x band
    size = tokenizer.config.patch
    moved = np.asarray(resize_kernel(jnp.asarray(kernel[None], jnp.float32), size))[0]
    moved = np.einsum("pqcd,ck->pqkd", moved * np.asarray(gain)[:, None], np.linalg.inv(mixing))
    out = np.zeros(tokenizer.kernel.shape, np.float32)
    out[0][:, :, chosen] = moved
    _set(tokenizer.kernel, out)
    _set(tokenizer.group, (bias + np.einsum("pqcd,c->d", kernel, np.asarray(offset)))[None])
    for zero in (tokenizer.coverage.kernel, tokenizer.calendar.kernel):
        _set(zero, np.zeros(zero.shape))


def _check(tokenizer: SpectralTokenizer, kernel: np.ndarray) -> None:
    config, count = tokenizer.config, len(tokenizer.config.centers_um)
    if config.groups != 1 or config.pyramid or count < 3:
        raise UserError(
            "A patch embedding inflates into a tokenizer of one group, three responses or more and no pyramid; found "
            f"groups={config.groups}, {count} responses, pyramid={config.pyramid}."
        )
    if kernel.shape[-1] != tokenizer.width:
        raise UserError(
            f"The patch embedding is {kernel.shape[-1]} wide, the tokenizer {tokenizer.width}: make them equal."
        )


def _nearest(centers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A response for each band, the nearest that is left."""
    free, chosen = list(range(len(centers))), []
    for center in wanted:
        chosen.append(min(free, key=lambda i: abs(centers[i] - center)))
        free.remove(chosen[-1])
    return np.array(chosen)


def _mixing(tokenizer: SpectralTokenizer, center_um: Sequence[float], width_um: Sequence[float]) -> np.ndarray:
    """What each response makes of each band, (k, c): its answers to a picture of one band at a time."""
    bands = {"wavelength_um": jnp.asarray([center_um] * 3), "bandwidth_um": jnp.asarray([width_um] * 3)}
    unit = Observation(
        values=jnp.eye(3).reshape(3, 1, 1, 1, 3),
        valid=jnp.ones((3, 1, 1, 1), bool),
        band_valid=jnp.ones((3, 1, 3), bool),
        band_code=jnp.zeros((3, 3), jnp.int32),
        time_days=jnp.zeros((3, 1)),
        gsd_m=jnp.ones(3),
        **bands,
    )
    return np.asarray(tokenizer.responses(unit)[0], np.float64)[:, 0, 0, 0].T


def _set(param: nnx.Param, value: Any) -> None:
    param[...] = jnp.asarray(value, param.dtype)
