"""Every system of the survey that has a config: it says what it is, builds with and without its mechanism, and takes steps on real data.

Here every step runs by its shapes, data and all; real steps are among the slow tests.
"""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.systems.scores import score_of
from rsfm.config import from_json, to_json
from rsfm.data.training.pipeline import Source
from rsfm.training.engine import JitEngine, to_floats
from rsfm.training.experiment import (
    CONFIGS,
    ExperimentConfig,
    find_config,
    load_config,
    load_module,
    make_build,
    make_processor,
    open_batches,
    with_initial_weights,
)
from rsfm.training.optimizer import abstract_model, make_optimizer, make_schedule
from rsfm.training.stages import stage_configs
from rsfm.training.state import create_state, state_options
from rsfm.training.step import make_train_step

FILES = sorted((CONFIGS / "systems").glob("*.py"))
NAMES = [file.stem for file in FILES]
FIELDS = ("Source", "Mechanism", "Differs", "WITHOUT", "Command", "Minutes", "Expected", "Reached")
SIDES = ("CONFIG", "WITHOUT")


def test_there_are_systems() -> None:
    assert len(FILES) > 15


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_it_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    module = load_module(file)
    words = module.__doc__ or ""
    assert words.split("\n")[0].endswith("?"), "a config opens with its question"
    assert [name for name in FIELDS if not re.search(rf"^{name}: ", words, flags=re.MULTILINE)] == []
    assert f"systems/{file.stem}" in words and len(text.splitlines()) < 100
    assert {"dataset", "split", "metric"} <= module.SCORE.keys() and {"task", "kind"} & module.SCORE.keys()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_it_goes_to_json_and_back_and_builds(name: str, side: str) -> None:
    config = load_config(f"systems/{name}:{side}")
    assert from_json(ExperimentConfig, to_json(config)) == config
    assert config.name == name
    abstract_model(make_build(config))


@pytest.mark.parametrize("name", NAMES)
def test_without_is_another_experiment(name: str) -> None:
    """With and without differ in how they are trained or in how they are asked, and not in their data's units."""
    whole, without = (load_config(f"systems/{name}:{side}") for side in SIDES)
    module = load_module(find_config(f"systems/{name}"))
    asked = [score_of(module, side) for side in SIDES]
    assert to_json(whole) != to_json(without) or asked[0] != asked[1]
    assert (asked[0].dataset, asked[0].split, asked[0].metric) == (asked[1].dataset, asked[1].split, asked[1].metric)
    assert whole.processor.statistics == without.processor.statistics


def small(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    return tuple(dataclasses.replace(source, batch_size=4, cache_mb=16) for source in sources)


def first_losses(config: ExperimentConfig, steps: int) -> list[float]:
    """The losses of so many steps of a stage, with batches of four."""
    processor = make_processor(config)
    engine = JitEngine(config.train, make_build(config), devices=jax.devices()[:1])
    batches = open_batches(config, processor, small(config.data))(*engine.host)
    state, losses = with_initial_weights(config, engine.create()), []
    for _ in range(steps):
        state, metrics = engine.step(state, next(batches))
        losses.append(to_floats(metrics)["loss"])
    return losses


def stages(name: str, side: str) -> list[ExperimentConfig]:
    """Its stages, none of them with the weights of the one before, which nobody has trained here."""
    made = stage_configs(load_config(f"systems/{name}:{side}"), Path())
    return [dataclasses.replace(config, init_from=None) for config, _ in made]


def shapes_of_a_step(config: ExperimentConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """The metrics of a step on a real batch, by shape alone: everything runs but the numbers."""
    build = make_build(config)
    optimizer = make_optimizer(config.train.optimizer, build)
    state = jax.eval_shape(lambda: create_state(build, optimizer, **state_options(config.train)))
    step = make_train_step(config.train, optimizer, make_schedule(config.train.optimizer, config.train.steps))
    batch = next(open_batches(config, make_processor(config), small(config.data))(0, 1))
    return jax.eval_shape(step, state, batch)[1]


@pytest.mark.data
@pytest.mark.parametrize("side", ["CONFIG", pytest.param("WITHOUT", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_its_steps_fit_its_data(name: str, side: str, published_data: Path) -> None:
    for config in stages(name, side):
        shapes = shapes_of_a_step(config)
        objectives = {objective for source in config.data for objective in source.objectives}
        assert shapes["loss"].shape == () and any(metric.startswith("loss_") for metric in shapes), objectives


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_it_takes_steps_on_real_data(name: str, published_data: Path) -> None:
    for config in stages(name, "CONFIG"):
        assert np.isfinite(first_losses(config, 3)).all(), config.name
