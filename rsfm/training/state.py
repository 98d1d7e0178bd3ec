"""TrainState: everything a step reads and gives back, as one pytree of arrays.

The model is held split: its structure is static, its parameters are apart in those that train and those that do not.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Int, PRNGKeyArray

from rsfm.errors import UserError, unknown
from rsfm.pytree import pytree_dataclass, replace, static
from rsfm.training.config import TrainConfig
from rsfm.training.distributed import gather

Tree = dict[Any, Any]  # nested, by attribute name
Build = Callable[[], nnx.Module]


@pytree_dataclass
class TrainState:
    """What training carries from step to step.

    Attributes:
        step: batches seen, those skipped included.
        skipped: steps thrown away for a loss or gradient that was not finite.
        params: parameters that train, float32.
        frozen: parameters that do not.
        rest: other state of the model, such as the counts of its random streams.
        optimizer: optax state, for `params` only.
        average: moving average of `params`, or None.
        teacher: parameters of a second network of the same structure, frozen or an exponential mean of `params`; or None.
        key: randomness of the objectives; every step folds its number into it.
        graphdef: structure of the model.
    """

    step: Int[Array, ""]
    skipped: Int[Array, ""]
    params: Tree
    frozen: Tree
    rest: Tree
    optimizer: Any
    average: Tree | None
    teacher: Tree | None
    key: PRNGKeyArray
    graphdef: Any = static()


def create_state(
    build: Build,
    optimizer: optax.GradientTransformation,
    *,
    freeze: Sequence[str] = (),
    average: bool = False,
    teacher: bool = False,
    seed: int = 0,
) -> TrainState:
    """A state at step 0 around a new model. Pure: to be jitted with the layout of its output, or evaluated by shape.

    Args:
        build: makes the model from nothing, seed included.
        optimizer: made by rsfm.training.optimizer.
        freeze: patterns over parameter names, see `frozen_names`; in a model with adapters all else is frozen first.
        average: keep a moving average of the weights.
        teacher: keep a second network, which starts as the first.
        seed: of the objectives' randomness.
    """
    with nnx.use_eager_sharding(False):  # the layout is decided once, by `create`'s output, not parameter by parameter
        model = build()
    table = parameter_table(model)
    adapters = {name for name, param in table.items() if isinstance(param, nnx.LoRAParam)}
    names = frozen_names(table, freeze, first=set(table) - adapters if adapters else ())
    names |= {name for name, param in table.items() if not jnp.issubdtype(param.dtype, jnp.floating)}  # quantized
    graphdef, *parts = nnx.split(model, nnx.All(nnx.Param, _not_in(names)), nnx.Param, ...)
    params, frozen, rest = (jax.tree.map(_strong, nnx.to_pure_dict(nnx.as_pure(part))) for part in parts)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        params=params,
        frozen=frozen,
        rest=rest,
        optimizer=optimizer.init(params),
        average=jax.tree.map(jnp.copy, params) if average else None,
        teacher=jax.tree.map(jnp.copy, params) if teacher else None,
        key=jax.random.key(seed),
        graphdef=graphdef,
    )


def state_options(config: TrainConfig) -> dict[str, Any]:
    """What `create_state` needs of a training's config."""
    return {
        "freeze": config.freeze,
        "average": config.average_decay > 0,
        "teacher": config.teacher_decay > 0,
        "seed": config.seed,
    }


def _strong(leaf: Any) -> Any:
    """jnp.full(shape, 1.0) has a weak type that the first update would make strong: another type, another compile."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jax.lax.convert_element_type(leaf, leaf.dtype)


def merge(state: TrainState, *, averaged: bool = False) -> Any:
    """The model with the state's weights; the moving average of them where asked and kept."""
    params = state.average if averaged and state.average is not None else state.params
    return nnx.merge(state.graphdef, params, state.frozen, state.rest)


def whole_model(state: TrainState) -> Any:
    """The model with its averaged weights where they are kept, whole on this host; all hosts must ask for it."""
    parts = {"average" if state.average is not None else "params", "frozen", "rest"}
    return merge(replace(state, **{part: gather(getattr(state, part)) for part in parts}), averaged=True)


def merge_teacher(state: TrainState) -> Any:
    """The second network, or None; no gradient goes through it."""
    if state.teacher is None:
        return None
    return nnx.merge(state.graphdef, *jax.lax.stop_gradient((state.teacher, state.frozen)), state.rest)


def parameter_table(model: nnx.Module) -> dict[str, nnx.Param]:
    """Every parameter by dotted name, concrete or abstract: "encoder.blocks.attention.query.kernel"."""
    return {dotted(path): param for path, param in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def dotted(path: Sequence[Any]) -> str:
    """("blocks", 0, "kernel") -> "blocks.0.kernel"; takes keys of jax.tree_util too."""
    return ".".join(str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path)


def frozen_names(
    names: Mapping[str, Any] | Sequence[str], patterns: Sequence[str], *, first: Iterable[str] = ()
) -> frozenset[str]:
    """The names that patterns match, read in order after `first`; "!decoder" takes its matches out again.

    A pattern is a name with wildcards, or the beginning of names ("decoder").
    """
    found = set(first)
    for given in patterns:
        pattern = given.removeprefix("!")
        matched = {n for n in names if fnmatch.fnmatchcase(n, pattern) or n.startswith(pattern + ".")}
        if not matched:
            raise UserError(
                f"train.freeze matches no parameter: {unknown('pattern', pattern, {n.split('.')[0] for n in names})}"
            )
        found = found - matched if given.startswith("!") else found | matched
    if patterns and len(found) == len(names):
        raise UserError(
            f"train.freeze {tuple(patterns)} freezes all {len(found)} parameters: nothing is left to train."
        )
    return frozenset(found)


def _not_in(names: frozenset[str]) -> Callable[[Sequence[Any], Any], bool]:
    return lambda path, value: dotted(path) not in names


def trainable_table(state: TrainState) -> dict[str, Any]:
    """What trains and what is frozen, by name with shape and count, as written to trainable.json."""
    table: dict[str, Any] = {}
    for kind, tree in (("trainable", state.params), ("frozen", state.frozen)):
        flat = jax.tree_util.tree_flatten_with_path(tree)[0]
        rows = [{"name": dotted(path), "shape": list(leaf.shape), "parameters": int(leaf.size)} for path, leaf in flat]
        table[kind] = sorted(rows, key=lambda row: row["name"])
        table[f"{kind}_parameters"] = sum(row["parameters"] for row in rows)
    return table


def model_arrays(state: TrainState, *, averaged: bool = False) -> dict[str, Any]:
    """All of the model's parameters by dotted name, whatever trains: what a checkpoint of weights holds."""
    params = state.average if averaged and state.average is not None else state.params
    flat = [item for tree in (params, state.frozen) for item in jax.tree_util.tree_flatten_with_path(tree)[0]]
    return {dotted(path): leaf for path, leaf in flat}


def trainable_arrays(state: TrainState) -> dict[str, np.ndarray]:
    """What trained, by dotted name, on the host; the moving average of it where it is kept."""
    params = state.params if state.average is None else state.average
    flat = jax.tree_util.tree_flatten_with_path(params)[0]
    return {dotted(path): np.asarray(jax.device_get(leaf)) for path, leaf in flat}


def with_arrays(state: TrainState, arrays: Mapping[str, Any]) -> TrainState:
    """A new state with the model's parameters taken from `arrays`; all must be there, none more, of the same shapes."""
    own = model_arrays(state)
    missing, extra = sorted(set(own) - set(arrays)), sorted(set(arrays) - set(own))
    shapes = [
        f"{n} {tuple(arrays[n].shape)} for {tuple(own[n].shape)}"
        for n in own
        if n in arrays and arrays[n].shape != own[n].shape
    ]
    if missing or extra or shapes:
        raise UserError(
            f"Weights do not fit the model. Missing: {missing}. Unexpected: {extra}. Wrong shape: {shapes}."
        )

    def take(path: Sequence[Any], leaf: Any) -> Any:
        return jax.device_put(arrays[dotted(path)].astype(leaf.dtype), leaf.sharding)

    params, frozen = (jax.tree_util.tree_map_with_path(take, tree) for tree in (state.params, state.frozen))
    average = None if state.average is None else jax.tree.map(jnp.copy, params)
    teacher = None if state.teacher is None else jax.tree.map(jnp.copy, params)
    return replace(state, params=params, frozen=frozen, average=average, teacher=teacher)
