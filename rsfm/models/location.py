"""Where on Earth as an embedding: GeoCLIP's location tower, and the head that brings its picture features beside it.

b batch · g gallery · f frequencies · d width      Vivanco Cepeda et al. 2023, arXiv:2309.16020
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from rsfm.nn.linear import Linear

# Equal Earth projection: Savric, Patterson & Jenny 2019, doi:10.1080/13658816.2018.1504949
A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796
# GeoCLIP scales the plane so that 180 degrees east on the equator is 1.
SCALE = 66.50336


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocationConfig:
    """Attributes:
    sigmas: one capsule each: the spread of its random frequencies, from continents to a few kilometres.
    frequencies: of each capsule.
    hidden: width of a capsule's three layers.
    width: of the embedding.
    picture_width: of the picture features that `PictureHead` reads (768: CLIP ViT-L/14 after its projection).
    """

    sigmas: tuple[float, ...] = (1.0, 16.0, 256.0)
    frequencies: int = 256
    hidden: int = 1024
    width: int = 512
    picture_width: int = 768


def equal_earth(location_deg: Float[Array, "*b 2"]) -> Float[Array, "*b 2"]:
    """(longitude, latitude) in degrees -> the plane of the Equal Earth projection, about -1..1 from west to east."""
    longitude, latitude = jnp.moveaxis(jnp.deg2rad(location_deg), -1, 0)
    root = np.float32(np.sqrt(3.0))
    theta = jnp.arcsin(root / 2 * jnp.sin(latitude))
    slope = 3 * (9 * A4 * theta**8 + 7 * A3 * theta**6 + 3 * A2 * theta**2 + A1)
    x = 2 * root * longitude * jnp.cos(theta) / slope
    y = A4 * theta**9 + A3 * theta**7 + A2 * theta**3 + A1 * theta
    return jnp.stack([x, y], axis=-1) * SCALE / 180


class Capsule(nnx.Module):
    """Random Fourier features of one scale (arXiv:2006.10739) through three layers."""

    def __init__(self, config: LocationConfig, sigma: float, *, rngs: nnx.Rngs):
        hidden = config.hidden
        frequency = sigma * jax.random.normal(rngs.params(), (config.frequencies, 2))
        self.frequency = nnx.Param(frequency, out_sharding=(None, None))
        widths = (2 * config.frequencies, hidden, hidden, hidden)
        self.layers = nnx.List(
            [
                Linear(i, o, axes=("embed", "mlp"), bias=True, rngs=rngs)
                for i, o in zip(widths, widths[1:], strict=False)
            ]
        )
        self.out = Linear(hidden, config.width, axes=("mlp", "embed"), bias=True, rngs=rngs)

    def __call__(self, place: Float[Array, "b 2"]) -> Float[Array, "b d"]:
        # The frequencies were drawn once and are part of the map, not trained.
        angle = 2 * np.pi * place @ jax.lax.stop_gradient(self.frequency[...]).T
        x = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return self.out(x)


class LocationTower(nnx.Module):
    """`tower(location_deg) -> embedding`: the sum over the capsules. Compare embeddings by their cosine."""

    config_type = LocationConfig

    def __init__(self, config: LocationConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.capsules = nnx.List([Capsule(config, sigma, rngs=rngs) for sigma in config.sigmas])

    def __call__(self, location_deg: Float[Array, "b 2"]) -> Float[Array, "b d"]:
        """Float32 embeddings of places.

        Args:
            location_deg: longitude, latitude. Unknown places (NaN) give NaN: mask them.
        """
        place = equal_earth(location_deg.astype(jnp.float32))
        return sum((capsule(place) for capsule in self.capsules), jnp.zeros(()))


class PictureHead(nnx.Module):
    """GeoCLIP's two layers from a picture's CLIP features to the space of places."""

    config_type = LocationConfig

    def __init__(self, config: LocationConfig, *, rngs: nnx.Rngs):
        width = config.picture_width
        self.enter = Linear(width, width, axes=("embed", "mlp"), bias=True, rngs=rngs)
        self.leave = Linear(width, config.width, axes=("mlp", "embed"), bias=True, rngs=rngs)

    def __call__(self, features: Float[Array, "b f"]) -> Float[Array, "b d"]:
        return self.leave(jax.nn.relu(self.enter(features)))


class GeoCLIP(nnx.Module):
    """Both sides and the scale between them, as the package `geoclip` ships them; the CLIP picture tower stays outside."""

    config_type = LocationConfig

    def __init__(self, config: LocationConfig, *, rngs: nnx.Rngs):
        self.location, self.picture = LocationTower(config, rngs=rngs), PictureHead(config, rngs=rngs)
        self.log_scale = nnx.Param(jnp.asarray(np.log(1 / 0.07), jnp.float32), out_sharding=())

    def __call__(self, features: Float[Array, "b f"], gallery_deg: Float[Array, "g 2"]) -> Float[Array, "b g"]:
        """Logits of each place of a gallery for each picture."""
        places, pictures = self.location(gallery_deg), self.picture(features)
        places, pictures = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (places, pictures))
        return jnp.exp(self.log_scale[...]) * pictures @ places.T

    def locate(
        self, features: Float[Array, "b f"], gallery_deg: Float[Array, "g 2"], count: int = 5
    ) -> tuple[Float[Array, "b c 2"], Float[Array, "b c"]]:
        """The likeliest places, (longitude, latitude) in degrees, and their shares of probability over the gallery."""
        share, index = jax.lax.top_k(jax.nn.softmax(self(features, gallery_deg)), count)
        return _rows(gallery_deg, index), share


def _rows(table: Float[Array, "g 2"], index: Int[Array, "b c"]) -> Float[Array, "b c 2"]:
    return table[index]
