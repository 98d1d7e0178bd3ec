"""Whether a model's config from outside describes a model at all: plain bounds, looked at before anything is made of it."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsfm.errors import UserError

# Smallest and largest whole number a field may hold, by its name wherever it stands; the others by ANY. Far beyond any
# model that was ever published, and small enough that shapes can be worked out without a machine's memory.
ANY = (0, 1 << 20)
BOUNDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("width", "heads", "kv_heads", "head_dim", "mlp_width"), (1, 1 << 17)),
    **dict.fromkeys(("depth", "unroll", "merge", "groups"), (1, 1024)),
    **dict.fromkeys(("queries", "pooled", "pixel_width", "states", "key_width", "components"), (1, 1 << 14)),
    **dict.fromkeys(("size", "times", "bands"), (1, 1 << 14)),
    "patch": (1, 1024),
    "experts": (0, 4096),
    "vocabulary": (1, 1 << 23),
    "context": (0, 1 << 27),
    **dict.fromkeys(("end_id", "pad_id"), (-1, 1 << 23)),
}
MOST_ITEMS = 10_000  # of a list or table
MOST_NUMBERS = 1 << 31  # of one sample of a stream
DTYPES = ("float32", "bfloat16", "float16")


def check_config(config: Any, where: str) -> None:
    """Looks at every field of a config, those of its parts too.

    Args:
        config: a ModelConfig.
        where: the file, for messages.

    Raises:
        UserError: a number out of bounds, a list without end, a number type of no model, a stream larger than any memory.
    """
    for name, value in _leaves(config, where):
        if isinstance(value, int) and not isinstance(value, bool):
            low, high = BOUNDS.get(_field(name), ANY)
            if not low <= value <= high:
                raise UserError(
                    f"{name}: expected {low:,} to {high:,}, found {_short(value)}. Copy the checkpoint again."
                )
        elif isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{name}: expected a finite number, found {value}. Copy the checkpoint again.")
    if config.compute_dtype not in DTYPES:
        found = _short(config.compute_dtype)
        raise UserError(f"{where}.compute_dtype: expected one of {', '.join(DTYPES)}, found {found}.")
    for name, stream in config.streams.items():
        spec = stream.spec
        if spec.size**2 * spec.times * spec.bands > MOST_NUMBERS:
            raise UserError(f"{where}: a sample of stream '{name[:40]}' has more than {MOST_NUMBERS:,} numbers.")


def built(where: str, build: Any) -> Any:
    """What `build` makes of a config that came from outside; whatever it stumbles over is told in one line."""
    try:
        return build()
    except UserError as error:
        raise (error if str(Path(where).parent) in str(error) else UserError(f"{where}: {error}")) from None
    except Exception as error:  # shapes that do not fit each other: each part raises what it likes
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{where}: describes no model that can be built ({text[:160]}). Copy the checkpoint again."
        ) from error


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name), f"{where}.{field.name}")
    elif isinstance(value, (Mapping, list, tuple)):
        if len(value) > MOST_ITEMS:
            raise UserError(f"{where}: expected {MOST_ITEMS:,} items at most, found {len(value):,}.")
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in items:
            yield from _leaves(part, f"{where}.{key}" if isinstance(value, Mapping) else f"{where}[{key}]")
    else:
        yield where, value


def _field(name: str) -> str:
    return name.rpartition(".")[2].partition("[")[0]


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 100 else "a number of many digits"
    return text[:60]
