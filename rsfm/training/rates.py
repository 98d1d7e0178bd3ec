"""Learning rates by part of the model: by name, by layer of a scanned stack, by row of a table."""

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rsfm.errors import UserError, unknown

_ROWS = re.compile(r"^(?P<name>[^\[\]]+)(?:\[(?P<start>\d*)(?P<range>:(?P<stop>\d*))?\])?$")


def rate_factors(rates: Mapping[str, float], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The factor on the learning rate of every parameter: a number, or an array along its first axis.

    Args:
        rates: factor by pattern, read in order; a later one overrules. A pattern is a name with wildcards or the beginning of
            names, as in `train.freeze`, and may end in rows of the first axis: "encoder.transformer.blocks[0:2]" are the
            first two layers of a scanned stack, "decoder.embedding[9]" is one row of the table.
        shapes: of the parameters that train, by name.

    Raises:
        UserError: a pattern that matches nothing, rows beyond the axis, a negative factor.
    """
    factors: dict[str, Any] = dict.fromkeys(shapes, 1.0)
    for given, factor in rates.items():
        match = _ROWS.match(given)
        if match is None or factor < 0:
            raise UserError(
                f"optimizer.rates {given!r}: {factor}: expected a name, with rows in brackets where not all are meant, and a "
                "factor of 0 or more, for example 'decoder.embedding[9]': 1.0."
            )
        names = [n for n in shapes if fnmatch.fnmatchcase(n, match["name"]) or n.startswith(match["name"] + ".")]
        if not names:
            parts = {name.split(".")[0] for name in shapes}
            raise UserError(
                f"optimizer.rates matches no parameter that trains: {unknown('pattern', match['name'], parts)}"
            )
        for name in names:
            factors[name] = factor if "[" not in given else _on_rows(factors[name], factor, match, name, shapes[name])
    return factors


def scaled(tree: Any, factors: Mapping[str, Any]) -> Any:
    """A tree of updates times the factors of its leaves."""

    def scale(path: Any, leaf: Any) -> Any:
        factor = factors[".".join(str(getattr(key, "key", key)) for key in path)]
        return leaf if np.ndim(factor) == 0 and factor == 1 else leaf * factor

    return jax.tree_util.tree_map_with_path(scale, tree)


def _on_rows(before: Any, factor: float, match: re.Match[str], name: str, shape: tuple[int, ...]) -> np.ndarray:
    start = int(match["start"] or 0)
    stop = int(match["stop"] or shape[0]) if match["range"] else start + 1
    if not shape or not 0 <= start < stop <= shape[0]:
        raise UserError(f"optimizer.rates: {name} has {shape[0] if shape else 0} rows, not {start} to {stop}.")
    column = np.broadcast_to(before, (shape[0],) + (1,) * (len(shape) - 1)).astype(np.float32).copy()
    column[start:stop] = factor
    return column
