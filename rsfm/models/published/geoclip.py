"""Where on Earth as an embedding: GeoCLIP's location tower, and the head that brings its picture features beside it.

b batch · g gallery · f frequencies · d width      Vivanco Cepeda et al. 2023, arXiv:2309.16020
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from tqdm import tqdm

from rsfm.data.reading.opening import open_array
from rsfm.errors import UserError
from rsfm.nn.linear import Linear
from rsfm.nn.weights import assign, read_tensors

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
        self.config = config
        self.location, self.picture = LocationTower(config, rngs=rngs), PictureHead(config, rngs=rngs)
        self.log_scale = nnx.Param(jnp.asarray(np.log(1 / 0.07), jnp.float32), out_sharding=())

    def __call__(self, features: Float[Array, "b f"], gallery_deg: Float[Array, "g 2"]) -> Float[Array, "b g"]:
        """Logits of each place of a gallery for each picture."""
        return self.compare(features, self.embed_places(gallery_deg))

    def embed_places(self, location_deg: Float[Array, "g 2"]) -> Float[Array, "g d"]:
        """Unit vectors of places."""
        return _unit(self.location(location_deg))

    def compare(self, features: Float[Array, "b f"], places: Float[Array, "g d"]) -> Float[Array, "b g"]:
        """Logits of places embedded before."""
        return jnp.exp(self.log_scale[...]) * _unit(self.picture(features)) @ places.T


class Gallery:
    """Places to choose among, embedded once, some at a time so that a hundred thousand need little memory.

    >>> places, share = Gallery(model, gallery_deg).locate(features, count=5)
    """

    def __init__(self, model: GeoCLIP, gallery_deg: Float[np.ndarray, "g 2"], *, chunk: int = 4096, bar: bool = False):
        """Embeds the places: 20 MFLOP each.

        Args:
            model: weights.
            gallery_deg: longitude, latitude.
            chunk: places at once.
            bar: show a bar on stderr.
        """
        self.model, self.gallery_deg = model, gallery_deg
        chunk, parts = min(chunk, len(gallery_deg)), []
        for first in tqdm(range(0, len(gallery_deg), chunk), unit="chunk", disable=None if bar else True, leave=False):
            part = gallery_deg[first : first + chunk]
            full = np.concatenate([part, np.repeat(part[-1:], chunk - len(part), axis=0)])  # one compilation
            parts.append(_embed_places(model, jnp.asarray(full))[: len(part)])
        self.embedded = jnp.concatenate(parts)

    def locate(
        self, features: Float[Array, "b f"], *, count: int = 5
    ) -> tuple[Float[np.ndarray, "b c 2"], Float[np.ndarray, "b c"]]:
        """The likeliest places, (longitude, latitude) in degrees, and their shares of probability over the gallery."""
        chance = jax.nn.softmax(self.model.compare(features, self.embedded))
        share, index = jax.lax.top_k(chance, min(count, len(self.gallery_deg)))
        return self.gallery_deg[np.asarray(index)], np.asarray(share)


def load_geoclip(folder: str | Path) -> tuple[GeoCLIP, Float[np.ndarray, "g 2"]]:
    """GeoCLIP and its gallery, (longitude, latitude), from a folder that tokenizers/geoclip/convert.py wrote.

    Raises:
        UserError: a file missing or damaged, tensors of another model.
    """
    folder = Path(folder)
    if not (folder / "model.safetensors").is_file():
        raise UserError(
            f"{folder}: no model.safetensors of GeoCLIP. The head of tokenizers/geoclip/convert.py tells how to make it "
            "from the package geoclip."
        )
    tensors = read_tensors(folder / "model.safetensors")
    frequency, out = tensors.get("location.capsules.0.frequency"), tensors.get("location.capsules.0.out.kernel")
    enter = tensors.get("picture.enter.kernel")
    if frequency is None or out is None or enter is None:
        raise UserError(f"{folder}: model.safetensors is not GeoCLIP's. Write it with tokenizers/geoclip/convert.py.")
    capsules = sum(name.endswith(".frequency") for name in tensors)
    config = LocationConfig(
        sigmas=(1.0,) * capsules,  # of the start only: the frequencies are read
        frequencies=len(frequency),
        hidden=out.shape[0],
        width=out.shape[1],
        picture_width=enter.shape[0],
    )
    model = nnx.eval_shape(lambda: GeoCLIP(config, rngs=nnx.Rngs(0)))
    assign(model, tensors, where=str(folder))
    return model, read_gallery(folder / "gallery.npy")


def read_gallery(path: Path) -> Float[np.ndarray, "g 2"]:
    """Longitude and latitude of places from a .npy file."""
    try:
        places = open_array(path)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a readable .npy of places ({error}). Expected (places, 2) numbers.") from error
    numbers = isinstance(places, np.ndarray) and places.dtype.kind == "f" and places.ndim == 2
    if not numbers or places.shape[1] != 2 or not len(places) or not (np.abs(places) <= (180, 90)).all():
        raise UserError(f"{path}: expected (places, 2) numbers, longitude -180..180 and latitude -90..90.")
    return places.astype(np.float32)


@nnx.jit
def _embed_places(model: GeoCLIP, location_deg: Float[Array, "g 2"]) -> Float[Array, "g d"]:
    return model.embed_places(location_deg)


def _unit(x: Float[Array, "b d"]) -> Float[Array, "b d"]:
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
