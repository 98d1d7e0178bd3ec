"""Fits the memory's kernel on training sites by the evidence, and tells what it gives on sites left out.

Command:  python -m experiments.fuel_moisture.fit_remembered      (settings were chosen so: training sites only)
n examples · g groups
"""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from flax import nnx
from jaxtyping import Array, Float, Int

from experiments.descent import descend
from experiments.fuel_moisture.examples import Examples, read
from experiments.fuel_moisture.kernel_memory import group_distances, left_out, negative_log_evidence
from experiments.fuel_moisture.remembered import RememberedConfig, RememberedRegressor
from rsfm.data.root import REPOSITORY, data_root
from rsfm.metrics import rmse
from rsfm.models.published.presto import Presto, PrestoConfig
from rsfm.nn.weights import load_weights

PUBLISHED = REPOSITORY / "tokenizers/presto/model.safetensors"
SUBSET, TURNS, STEPS = 400, 5, 8  # examples of an evidence, how many are drawn, steps on each
LEARNING_RATE, PRIOR = 0.1, 0.1  # the prior holds the kernel near where it began


def fitted(examples: Examples, seed: int) -> RememberedRegressor:
    """A model that remembers `examples`, with the kernel fitted on subsets of them drawn by the seed."""
    target = np.log(examples.target)
    config = RememberedConfig(size=len(examples), center=float(target.mean()), scale=float(target.std()))
    model = RememberedRegressor(config, rngs=nnx.Rngs(seed))
    presto = Presto(PrestoConfig(), rngs=nnx.Rngs(0))
    load_weights(PUBLISHED, presto)
    nnx.update(model.encoder, nnx.state(presto.encoder))
    model.learn(examples.inputs, jnp.asarray(examples.label_days), jnp.asarray(examples.target), examples.site)
    graphdef, first = nnx.split(model.memory.kernel)
    features, stored = model.memory.features[...], model.memory.target[...]
    optimizer, params = optax.adam(LEARNING_RATE), first
    state, rng = optimizer.init(first), np.random.default_rng(seed)
    for _ in range(TURNS):
        rows = rng.choice(len(examples), min(SUBSET, len(examples)), replace=False)
        distance = group_distances(features[rows], features[rows], model.memory.widths)
        given = (distance, stored[rows], jnp.asarray(examples.site[rows]))
        params, state = _climb(graphdef, optimizer, params, state, first, *given)
    model.memory.kernel = nnx.merge(graphdef, params)
    return model


@functools.partial(jax.jit, static_argnums=(0, 1))
def _climb(
    graphdef: Any,
    optimizer: optax.GradientTransformation,
    params: Any,
    state: Any,
    first: Any,
    distance: Float[Array, "g n n"],
    target: Float[Array, " n"],
    source: Int[Array, " n"],
) -> tuple[Any, Any]:
    """STEPS of Adam on one subset."""

    def loss(params: Any, _: None) -> Float[Array, ""]:
        moved = sum(jnp.sum(jnp.square(a - b)) for a, b in zip(*map(jax.tree.leaves, (params, first)), strict=True))
        return negative_log_evidence(nnx.merge(graphdef, params), distance, target, source) + PRIOR * moved

    return descend(loss, optimizer, (params, state, None), None, length=STEPS)[:2]


def on_left_out_sites(model: RememberedRegressor) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Standardized mean and deviation of each remembered example when its whole site is forgotten."""
    memory = model.memory
    stored, source = memory.features[...], memory.source[...].astype(jnp.int32)
    distance = group_distances(stored, stored, memory.widths)
    return left_out(memory.kernel, distance, memory.target[...], source)


def main(data: Path | None = None, seeds: tuple[int, ...] = (0, 1, 2, 3, 4)) -> None:
    """Prints the RMSE over the 100 training sites, each left out in its turn."""
    examples = read(data or data_root(), "trainval")
    for seed in seeds:
        model = fitted(examples, seed)
        said = model.number(*on_left_out_sites(model))
        print(
            f"seed {seed}: RMSE on left-out training sites {rmse(np.asarray(said), examples.target):.2f} %", flush=True
        )


if __name__ == "__main__":
    tyro.cli(main)
