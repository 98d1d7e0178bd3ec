"""Learning rates by part: names, layers of a scanned stack and rows of a table keep their own pace."""

import jax
import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.rates import rate_factors
from tests.training.standin import build, make_sample

SHAPES = {"encoder.blocks.up": (4, 2, 2), "encoder.blocks.bias": (4,), "decoder.embedding": (10, 3), "head.scale": ()}


def test_later_patterns_overrule() -> None:
    factors = rate_factors({"encoder": 0.5, "encoder.blocks[0:2]": 0.0, "decoder.embedding": 0.0}, SHAPES)
    np.testing.assert_array_equal(factors["encoder.blocks.up"][:, 0, 0], [0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(factors["encoder.blocks.bias"], [0, 0, 0.5, 0.5])
    assert factors["decoder.embedding"] == 0.0 and factors["head.scale"] == 1.0
    factors = rate_factors({"decoder.embedding": 0.0, "decoder.embedding[9]": 1.0}, SHAPES)
    np.testing.assert_array_equal(factors["decoder.embedding"][:, 0], [0] * 9 + [1])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"encodr": 0.1}, "Did you mean 'encoder'"),
        ({"decoder.embedding[10]": 1.0}, "has 10 rows, not 10 to 11"),
        ({"head.scale[0]": 1.0}, "has 0 rows"),
        ({"encoder": -1.0}, "a factor of 0 or more"),
        ({"encoder[a]": 1.0}, "expected a name, with rows in brackets"),
    ],
)
def test_mistakes_are_named(rates: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rate_factors(rates, SHAPES)


def test_rows_and_layers_without_a_rate_stay_bit_for_bit() -> None:
    rates = {"embedding": 0.0, "embedding.embedding[3]": 1.0, "layers[1]": 0.0}
    config = TrainConfig(optimizer=OptimizerConfig(learning_rate=1e-2, rates=rates))
    engine = JitEngine(config, build, devices=jax.devices()[:1])
    state = engine.create()
    before = jax.device_get(state.params)
    for i in range(3):
        state, _ = engine.step(state, make_sample(i))
    after = jax.device_get(state.params)
    table = before["embedding"]["embedding"] == after["embedding"]["embedding"]
    assert table.all(1)[[i for i in range(len(table)) if i != 3]].all() and not table[3].all()
    up = before["layers"]["up"]["kernel"] == after["layers"]["up"]["kernel"]
    assert up[1].all() and not up[0].all()
