"""Wavelength-conditioned patch tokenizer: RGB, multispectral and hyperspectral bands through learned spectral responses.

b batch · t acquisitions · h w pixels · c bands · k responses · g groups · p patch edge · d width
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange, reduce
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.resample import held_bilinear
from rsfm.sensors.display import RED_GREEN_BLUE_UM
from rsfm.tokenizers.positions import calendar_features, patch_positions
from rsfm.tokenizers.pyramid import STRIDE, Pyramid
from rsfm.types import Observation, Tokens

VISIBLE_WIDTH_UM = 0.015
FWHM_PER_SIGMA = 2.3548
NOWHERE = -1e9
NEAR = -4.5  # log overlap of a band with a response three sigma away: what is farther is not seen by it
LEAST = 1e-3  # share of a response's weight that the bands of a pixel must have to be scaled up for it
TINY = 1e-30  # keeps a quotient of nothing by nothing at zero


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectralConfig:
    """Attributes:
    centers_um: where the K learned responses start, micrometres.
    groups: runs of neighbouring responses that get a token each: 1 = plain patches, more = spectral-spatial cubes. With
        more, a group's token is masked at a date none of whose bands is near one of its responses.
    patch: token edge in pixels at birth; other sizes are resized from it at run time.
    pyramid: adds the features of an ImageNet network to the tokens, fed with the scene's true-colour rendering.
    pyramid_frozen: no gradient through the pyramid.
    pixel_width: channels per pixel handed to dense heads.
    """

    centers_um: tuple[float, ...] = (0.665, 0.56, 0.49, 0.443, 0.705, 0.74, 0.783, 0.842, 0.945, 1.61, 2.19, 11.0)
    groups: int = 1
    patch: int = 16
    pyramid: bool = False
    pyramid_frozen: bool = True
    pixel_width: int = 32


class SpectralTokenizer(nnx.Module):
    """A patch costs K channels whatever the number of bands, and their order never matters.

    Response k weighs band c by how its Gaussian (centre and width learned) overlaps the band's own, corrected by a small
    network on the band's wavelength and width (cf. DOFA, arXiv:2403.15356, which generates the patch weights instead).
    """

    def __init__(self, config: SpectralConfig, width: int, *, rngs: nnx.Rngs):
        count = len(config.centers_um)
        if count % config.groups:
            raise ValueError(f"{count} responses cannot be shared by {config.groups} groups. Use a divisor of {count}.")
        self.config, self.width = config, width
        centers = np.asarray(config.centers_um, np.float32)
        self.log_center = nnx.Param(jnp.log(centers), out_sharding=(None,))
        self.log_sigma = nnx.Param(jnp.log(_spacing(centers)), out_sharding=(None,))
        self.correction = MLP(16, 32, out=count, rngs=rngs)
        in_group = count // config.groups
        scale = (config.patch**2 * in_group) ** -0.5
        shape = (config.groups, config.patch, config.patch, in_group, width)
        self.kernel = nnx.Param(
            scale * jax.random.normal(rngs.params(), shape), out_sharding=(None, None, None, None, "embed")
        )
        self.group = nnx.Param(
            0.02 * jax.random.normal(rngs.params(), (config.groups, width)), out_sharding=(None, "embed")
        )
        self.coverage = Linear(count + 1, width, axes=(None, "embed"), rngs=rngs)
        self.calendar = Linear(6, width, axes=(None, "embed"), rngs=rngs)
        self.pixel_local = Linear(2 * count, config.pixel_width, axes=(None, None), bias=True, rngs=rngs)
        self.pyramid = Pyramid(rngs=rngs) if config.pyramid else None
        self.from_pyramid = Linear(Pyramid.channels, width, axes=(None, "embed"), rngs=rngs) if config.pyramid else None

    def __call__(self, observation: Observation, patch: int | None = None) -> Tokens:
        """Tokens ordered (t, group, row, column); `patch` pixels a side, the config's by default."""
        config, p = self.config, patch or self.config.patch
        channels, coverage = self.responses(observation)
        b, t, h, w, _ = channels.shape
        if h % p or w % p:
            raise ValueError(f"A {h} x {w} window does not divide into patches of {p} pixels.")
        kernel = resize_kernel(self.kernel[...], p).astype(channels.dtype)
        cells = rearrange(channels, "b t (i p) (j q) (g k) -> b t g i j (p q k)", p=p, q=p, g=config.groups)
        x = jnp.einsum("btgijm,gmd->btgijd", cells, rearrange(kernel, "g p q k d -> g (p q k) d"))
        x = x + self.group[...][:, None, None]
        share = reduce(observation.valid.astype(x.dtype), "b t (i p) (j q) -> b t 1 i j 1", "mean", p=p, q=p)
        seen = jnp.broadcast_to(coverage[:, :, None, None, None], (*share.shape[:-1], coverage.shape[-1]))
        x = x + self.coverage(jnp.concatenate([seen, share], axis=-1))
        x = x + self.calendar(calendar_features(observation.time_days))[:, :, None, None, None]
        if self.from_pyramid is not None:
            x = x + self.from_pyramid(self._pyramid_features(observation, h // p, w // p))[:, :, None]
        return self._tokens(x, self._groups_seen(observation, coverage), observation, p)

    def responses(self, observation: Observation) -> tuple[Float[Array, "b t h w k"], Float[Array, "b t k"]]:
        """The K response channels of every pixel (0 where invalid) and how well a date's bands cover each response, 0..1."""
        overlap = _overlap(observation, jnp.exp(self.log_center[...]), jnp.exp(self.log_sigma[...]))
        usable = _usable(observation)[:, :, None]
        score = jnp.where(usable, (overlap + self._correction(observation))[:, None], NOWHERE)
        coverage = jnp.exp(jnp.max(jnp.where(usable, overlap[:, None], NOWHERE), axis=-1))
        weights = jax.nn.softmax(score, axis=-1) * coverage[..., None]
        return _weigh(observation, weights), coverage

    def pixels(self, observation: Observation) -> Float[Array, "b h w f"]:
        """Features of single pixels for dense heads: response channels, their mean and spread over valid dates.

        A date counts for a channel as much as its bands cover it, set against the date that covers it best there.
        """
        channels, coverage = self.responses(observation)
        valid = observation.valid[..., None].astype(channels.dtype)
        cover = valid * coverage[:, :, None, None].astype(channels.dtype)
        best = cover.max(1, keepdims=True)
        share = valid * jax.lax.stop_gradient(jnp.where(cover < best, cover / jnp.maximum(best, TINY), 1.0))
        each = 1.0 / jnp.maximum(share.sum(1), 1.0)
        mean = (channels * valid).sum(1) * each
        spread = (jnp.square(channels - share * mean[:, None]) * (valid / jnp.maximum(share, TINY))).sum(1) * each
        return jax.nn.gelu(self.pixel_local(jnp.concatenate([mean, spread], axis=-1)))

    def render(self, observation: Observation) -> Float[Array, "b t h w 3"]:
        """True colour, normalized like the bands: fixed red, green and blue responses; 0 where no visible band is near."""
        overlap = _overlap(observation, jnp.asarray(RED_GREEN_BLUE_UM), jnp.full((3,), VISIBLE_WIDTH_UM))
        score = jnp.where(_usable(observation)[:, :, None], overlap[:, None], NOWHERE)
        weights = jax.nn.softmax(score, axis=-1) * (score.max(-1) > NEAR)[..., None]
        return _weigh(observation, weights)

    def _groups_seen(self, observation: Observation, coverage: Float[Array, "b t k"]) -> Bool[Array, "b t g"]:
        """Which groups have a token at a date; a single group reads whatever bands there are."""
        groups = self.config.groups
        if groups == 1:
            return _usable(observation).any(-1, keepdims=True)
        return reduce(coverage, "b t (g k) -> b t g", "max", g=groups) > np.exp(NEAR)

    def _correction(self, observation: Observation) -> Float[Array, "b k c"]:
        features = wavelength_features(observation.wavelength_um, observation.bandwidth_um)
        return rearrange(jnp.tanh(self.correction(features)), "b c k -> b k c")

    def _pyramid_features(
        self, observation: Observation, rows: int, columns: int
    ) -> Float[Array, "b t rows columns f"]:
        assert self.pyramid is not None
        picture = self.render(observation)
        b, t = picture.shape[:2]
        features = self.pyramid(rearrange(picture, "b t h w c -> (b t) h w c"))
        if self.config.pyramid_frozen:
            features = jax.lax.stop_gradient(features)
        if features.shape[1:3] != (rows, columns):
            features = jax.image.resize(features, (b * t, rows, columns, features.shape[-1]), "linear")
        return rearrange(features, "(b t) i j f -> b t i j f", b=b)

    def _tokens(
        self, x: Float[Array, "b t g i j d"], seen: Bool[Array, "b t g"], observation: Observation, patch: int
    ) -> Tokens:
        b, t, g, i, j, _ = x.shape
        valid = reduce(observation.valid, "b t (i p) (j q) -> b t i j", "max", p=patch, q=patch)
        valid = valid[:, :, None] & seen[..., None, None]
        position = patch_positions(observation, i, j, patch)
        over_groups = "b t g i j ... -> b (t g i j) ..."
        return Tokens(
            embeddings=rearrange(x, "b t g i j d -> b (t g i j) d"),
            mask=rearrange(valid, over_groups),
            position=rearrange(jnp.broadcast_to(position[:, :, None], (b, t, g, i, j, 3)), over_groups),
            grid=(t * g, i, j),
        )


def wavelength_features(center_um: Float[Array, "*b c"], width_um: Float[Array, "*b c"]) -> Float[Array, "*b c 16"]:
    """Fourier features of log wavelength and log width, 0.3 to 15 micrometres spread over half a turn."""
    place = jnp.log(jnp.maximum(center_um, 0.1) / 0.3) / np.log(50.0)
    breadth = jnp.log(jnp.maximum(width_um, 1e-3) / 1e-3) / np.log(1e4)
    angle = jnp.stack([place, breadth], axis=-1)[..., None] * (np.pi * 2.0 ** np.arange(4))
    waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    return waves.reshape(*waves.shape[:-2], 16)


def resize_kernel(kernel: Float[Array, "g p p k d"], patch: int) -> Float[Array, "g q q k d"]:
    """Patch weights for another patch size that give the same tokens for an enlarged picture (FlexiViT, arXiv:2212.08013)."""
    old = kernel.shape[1]
    if old == patch:
        return kernel
    inverse = np.linalg.pinv(held_bilinear(old, patch)).astype(np.float32)  # (old, patch)
    return jnp.einsum("ap,bq,gabkd->gpqkd", inverse, inverse, kernel)


def _usable(observation: Observation) -> Bool[Array, "b t c"]:
    """Which bands of a date are told by their wavelength."""
    told = (observation.band_code == 0) & (observation.wavelength_um > 0)
    return observation.band_valid & told[:, None]


def _overlap(
    observation: Observation, center_um: Float[Array, " k"], sigma_um: Float[Array, " k"]
) -> Float[Array, "b k c"]:
    """Logarithm of how much of a response a band covers; of all bands, there or not."""
    variance = sigma_um[:, None] ** 2 + (observation.bandwidth_um[:, None] / FWHM_PER_SIGMA) ** 2
    return -0.5 * (observation.wavelength_um[:, None] - center_um[:, None]) ** 2 / variance


def _weigh(observation: Observation, weights: Float[Array, "b t k c"]) -> Float[Array, "b t h w k"]:
    """Weighted sums over bands; a pixel that lacks bands of its date shares their weight out among those it has."""
    cells = observation.cells
    values = jnp.where(cells, observation.values, 0.0)
    weights = weights.astype(values.dtype)
    sums = jnp.einsum("bthwc,btkc->bthwk", values, weights)
    lacking = observation.valid[..., None] & observation.band_valid[:, :, None, None] & ~cells

    def shared_out() -> Float[Array, "b t h w k"]:
        lost = jnp.einsum("bthwc,btkc->bthwk", lacking.astype(values.dtype), weights)
        total = weights.sum(-1)[:, :, None, None]
        return jnp.where(lost > 0, sums * total / jnp.maximum(total - lost, LEAST * total + TINY), sums)

    return jax.lax.cond(lacking.any(), shared_out, lambda: sums)


def _spacing(centers: np.ndarray) -> np.ndarray:
    """Half the distance to the nearest other centre: neighbouring responses just overlap."""
    if len(centers) == 1:
        return np.full(1, 0.5, np.float32)
    distance = np.abs(centers[:, None] - centers[None]) + np.eye(len(centers)) * 1e9
    return np.clip(distance.min(1) / 2, 0.01, 1.0).astype(np.float32)


assert STRIDE == 16
