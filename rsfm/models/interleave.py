"""How many tokens an image takes in the text, told by the model's config: what its Processor must know to leave room.

t acquisitions
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rsfm.models.connector import images_of
from rsfm.models.foundation import FoundationModel, ModelConfig
from rsfm.text.mentions import ImageLayout
from rsfm.types import Observation, StreamSpec, Tokens

TIMES = 2  # enough to see whether dates stay apart


def image_layout(config: ModelConfig) -> ImageLayout | None:
    """What the images of each stream take in the text; None where the connector puts them before it."""
    if not config.connector.interleaved:
        return None
    tokens, merged = {}, []
    for name, (encoded, images) in _traced(config).items():
        count = images_of(encoded, TIMES)
        tokens[name] = images.mask.shape[1] // count
        merged += [] if count == TIMES else [name]
    return ImageLayout(tokens=tokens, merged=tuple(merged), context=config.decoder.context)


def _traced(config: ModelConfig) -> dict[str, tuple[Tokens, Tokens]]:
    """A stream's encoded tokens of some dates, and those of its images; only shapes are computed."""
    blocks = dataclasses.replace(config.decoder.transformer, depth=1)
    shallow = dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, transformer=blocks))

    def run(observations: dict[str, Observation]) -> dict[str, tuple[Tokens, Tokens]]:
        model = FoundationModel(shallow, rngs=nnx.Rngs(0))
        memory, _ = model.encode(observations, jnp.zeros((1, 2)))
        return {name: (memory[name], model.image_tokens({name: each}, memory)) for name, each in observations.items()}

    return jax.eval_shape(run, {name: _blank(stream.spec) for name, stream in config.streams.items()})


def _blank(spec: StreamSpec) -> Observation:
    picture = (1, TIMES, spec.size, spec.size)
    return Observation(
        values=np.zeros((*picture, spec.bands), np.float32),
        valid=np.zeros(picture, bool),
        band_valid=np.zeros((1, TIMES, spec.bands), bool),
        wavelength_um=np.zeros((1, spec.bands), np.float32),
        bandwidth_um=np.zeros((1, spec.bands), np.float32),
        band_code=np.zeros((1, spec.bands), np.int32),
        time_days=np.zeros((1, TIMES), np.float32),
        gsd_m=np.zeros(1, np.float32),
    )
