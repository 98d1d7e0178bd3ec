"""Published picture towers as first weights of a stream: the whole tower, or its patch embedding inflated to any bands."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rsfm.config import from_json
from rsfm.errors import UserError
from rsfm.models.foundation import ModelConfig, StreamConfig
from rsfm.models.hf.report import LoadReport
from rsfm.models.hf.vision_inflate import inflate_from
from rsfm.models.hf.vision_load import load_towers, picture_config, tells_activation
from rsfm.models.published.towers import Towers
from rsfm.models.towered import ToweredConfig
from rsfm.nn.weights import named_parameters
from rsfm.tokenizers.spectral import SpectralConfig, SpectralTokenizer

INSIDE = ".pyramid.tower"  # where a towered stream keeps its tower


def tower_tensors(
    model: ModelConfig, part: str, name: str, weights: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], LoadReport]:
    """The model's tensors that a published tower sets, by their names in the model.

    Args:
        model: shapes of the model.
        part: "tokenizers.<stream>" of a spectral stream takes the patch embedding, "tokenizers.<stream>.pyramid.tower" of
            a towered one the whole tower.
        name: a Hugging Face folder, a hub id, or a file in OpenAI's layout.
        weights: the model's tensors as they are.
    """
    check_tower(model, part, name)
    if part.endswith(INSIDE):
        towers, report = load_towers(name, activation=_activation(model, part, name))
        found = towers.picture if isinstance(towers, Towers) else towers
        tensors = {key: np.asarray(param[...]) for key, param in named_parameters(found).items()}
    else:
        tokenizer = _tokenizer(model.streams[part.split(".")[1]], model.encoder.width)
        for key, param in named_parameters(tokenizer).items():
            param[...] = jnp.asarray(weights[f"{part}.{key}"])
        report = inflate_from(tokenizer, name)
        tensors = {key: np.asarray(param[...]) for key, param in named_parameters(tokenizer).items()}
    return {f"{part}.{key}": value for key, value in tensors.items()}, report


def check_tower(model: ModelConfig, part: str, name: str) -> None:
    """Raises where the model has no such place, or the tower is not there or does not fit it."""
    places = {f"tokenizers.{key}": stream for key, stream in model.streams.items() if stream.tokenizer == "spectral"}
    towered = {key: stream for key, stream in model.streams.items() if stream.tokenizer == "towered"}
    places |= {f"tokenizers.{key}{INSIDE}": stream for key, stream in towered.items()}
    if part not in places:
        raise UserError(
            f"init_towers: no place '{part}' for a tower. Known: {', '.join(sorted(places)) or 'none'}; a stream with "
            "tokenizer 'spectral' takes the patch embedding, one with 'towered' the whole tower."
        )
    config = picture_config(name, activation=_activation(model, part, name))
    if part.endswith(INSIDE):
        expected = from_json(ToweredConfig, _options(places[part]), where=part).tower
        if config != expected:
            raise UserError(f"init_towers: {name} is another tower than {part} holds. Use picture_config({name!r}).")
    elif config.transformer.width != model.encoder.width:
        raise UserError(
            f"init_towers: {name} is {config.transformer.width} wide, the encoder {model.encoder.width}. "
            f"Set --model.encoder.width {config.transformer.width}."
        )


def _activation(model: ModelConfig, part: str, name: str) -> str:
    """The activation that the stream's tower has, where the weights do not say one; "" = as they say."""
    if not part.endswith(INSIDE) or tells_activation(name):
        return ""
    stream = model.streams[part.split(".")[1]]
    return from_json(ToweredConfig, _options(stream), where=part).tower.transformer.activation


def _tokenizer(stream: StreamConfig, width: int) -> SpectralTokenizer:
    config = from_json(SpectralConfig, _options(stream), where="options of tokenizer spectral")
    return SpectralTokenizer(config, width, rngs=nnx.Rngs(0))


def _options(stream: StreamConfig) -> dict[str, Any]:
    return {"patch": stream.spec.patch, **stream.options}
