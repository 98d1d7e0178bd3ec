"""A model small enough to test every hop by value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.heads import ExpertConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import FoundationModel, ModelConfig, StreamConfig, opened_heads
from rsfm.nn.transformer import TransformerConfig
from rsfm.types import Sample, StreamSpec
from tests.observations import make


def small_config(**changes) -> ModelConfig:
    grid = {"size": 32, "patch": 8}
    stack = TransformerConfig(width=32, depth=2, heads=2, mlp_width=64)
    return ModelConfig(
        **{
            "streams": {
                "optical": StreamConfig(spec=StreamSpec(families=("optical",), bands=16, **grid), tokenizer="spectral"),
                "hsi": StreamConfig(
                    spec=StreamSpec(families=("hyperspectral",), bands=200, **grid), tokenizer="spectral"
                ),
                "sar": StreamConfig(spec=StreamSpec(families=("sar",), bands=4, **grid), tokenizer="sar"),
                "series": StreamConfig(
                    spec=StreamSpec(families=("mixed",), size=1, times=4, bands=24, patch=1), tokenizer="coded"
                ),
            },
            "encoder": stack,
            "connector": ConnectorConfig(queries=4, heads=2),
            "decoder": DecoderConfig(transformer=stack, vocabulary=64),
            "heads": opened_heads(ExpertConfig(experts=4, hidden=16)),
            **changes,
        }
    )


def sample_of(observations, *, b: int = 2, s: int = 12, seed: int = 0, **targets) -> Sample:
    rng = np.random.default_rng(seed)
    return Sample(
        observations=observations,
        location_deg=jnp.asarray([[14.5, 45.9]] * b, jnp.float32),
        text_ids=jnp.asarray(rng.integers(10, 64, (b, s)), jnp.int32),
        text_valid=jnp.ones((b, s), bool),
        loss_mask=jnp.ones((b, s), bool),
        targets={
            "value": {"position": jnp.asarray([[3, -1]] * b)},
            "mask": {"position": jnp.asarray([[5, 7, -1]] * b)},
            **targets,
        },
    )


@pytest.fixture(scope="session")
def model() -> FoundationModel:
    return FoundationModel(small_config(), rngs=nnx.Rngs(0))


@pytest.fixture(scope="session")
def forward(model):
    graphdef, params = nnx.split(model)
    return jax.jit(lambda sample: nnx.merge(graphdef, params)(sample))


@pytest.fixture
def optical_sample() -> Sample:
    return sample_of({"optical": make(b=2, size=32)})
