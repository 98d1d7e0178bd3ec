"""Fine-tunes the ported Presto on live fuel moisture as its authors did.

Their protocol (github.com/nasaharvest/presto): Huber loss in percent, AdamW (learning rate 3e-4, weight decay 0.05), batches
of 64, up to 200 epochs, stopped after 10 without a better error on 8 training sites drawn by the seed, the best kept.
Ours differs in one thing: the head's bias begins at the mean of the training targets, which saves the epochs that climb there.

Command:  python -m experiments.fuel_moisture.finetune_presto      (prints the error on the validation sites only)
n examples
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
from jaxtyping import Array, Float

from experiments.descent import descend
from experiments.fuel_moisture.examples import Examples, read
from experiments.fuel_moisture.fit_remembered import PUBLISHED
from rsfm.data.root import data_root
from rsfm.metrics import rmse
from rsfm.models.published.presto import Presto, PrestoConfig, PrestoInputs, PrestoRegressor
from rsfm.nn.losses.masked import huber
from rsfm.nn.weights import load_weights

BATCH, EPOCHS, PATIENCE, VALIDATION_SITES = 64, 200, 10, 8
OPTIMIZER = optax.adamw(3e-4, weight_decay=0.05)


def finetuned(
    examples: Examples, seed: int, *, epochs: int = EPOCHS, pretrained: bool = True
) -> tuple[PrestoRegressor, float]:
    """The model of the best epoch and its RMSE on the validation sites."""
    model = PrestoRegressor(PrestoConfig(), rngs=nnx.Rngs(seed))
    if pretrained:
        presto = Presto(PrestoConfig(), rngs=nnx.Rngs(0))
        load_weights(PUBLISHED, presto)
        nnx.update(model.encoder, nnx.state(presto.encoder))
    rng = np.random.default_rng(seed)
    held = np.isin(examples.site, rng.choice(np.unique(examples.site), VALIDATION_SITES, replace=False))
    train, val = (examples.take(np.flatnonzero(rows)) for rows in (~held, held))
    assert model.head.bias is not None
    model.head.bias[...] = jnp.full((1,), train.target.mean())
    graphdef, params = nnx.split(model)
    state, target, best, since = OPTIMIZER.init(params), jnp.asarray(train.target), (np.inf, params), 0
    for _ in range(epochs):
        order = rng.permutation(len(train))[: len(train) // BATCH * BATCH].reshape(-1, BATCH)
        params, state = _epoch(graphdef, params, state, train.inputs, target, jnp.asarray(order))
        error = rmse(predicted(nnx.merge(graphdef, params), val), val.target)
        best, since = ((error, params), 0) if error < best[0] else (best, since + 1)
        if since == PATIENCE:
            break
    return nnx.merge(graphdef, best[1]), float(best[0])


def predicted(model: PrestoRegressor, examples: Examples) -> Float[np.ndarray, " n"]:
    """Percent, in batches of one shape."""
    size, parts = 256, []
    graphdef, params = nnx.split(model)
    for start in range(0, len(examples), size):
        rows = np.arange(start, start + size).clip(max=len(examples) - 1)
        parts.append(np.asarray(_forward(graphdef, params, examples.take(rows).inputs)))
    return np.concatenate(parts)[: len(examples)]


@functools.partial(jax.jit, static_argnums=0)
def _forward(graphdef: Any, params: Any, inputs: PrestoInputs) -> Float[Array, " b"]:
    return nnx.merge(graphdef, params)(inputs)


@functools.partial(jax.jit, static_argnums=0)
def _epoch(
    graphdef: Any, params: Any, state: Any, inputs: PrestoInputs, target: Float[Array, " n"], order: Array
) -> tuple[Any, Any]:
    def loss(params: Any, rows: Array) -> Float[Array, ""]:
        said = nnx.merge(graphdef, params)(jax.tree.map(lambda x: x[rows], inputs))
        return huber(said, target[rows], jnp.ones_like(rows, bool))

    return descend(loss, OPTIMIZER, (params, state, None), order)[:2]


def main(data: Path | None = None, seeds: tuple[int, ...] = (0, 1, 2, 3, 4)) -> None:
    """Prints the RMSE on each seed's validation sites."""
    examples = read(data or data_root(), "trainval")
    for seed in seeds:
        print(f"seed {seed}: RMSE on the validation sites {finetuned(examples, seed)[1]:.2f} %", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
