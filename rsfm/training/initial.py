"""Weights of one network in another: what both have by name and shape is taken, the rest stays as it is."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rsfm.errors import UserError


def taken(tensors: Mapping[str, Any], own: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The weights `own` with those that `tensors` has too in their place; prints which these are.

    Args:
        tensors: of the other network, by dotted name.
        own: of this one, as drawn from its seed.
        where: the tensors come from, for the line.

    Raises:
        UserError: none has a name of this network.
    """
    names = own.keys() & tensors.keys()
    if not names:
        raise UserError(
            f"init_from: {where} has no weights of this model (it has {_parts(tensors)}; the model {_parts(own)}). "
            "Give a checkpoint of the same architecture."
        )
    print(f"weights from {where}: {len(names)} of {len(own)} arrays taken ({_parts(names)})")
    if len(names) < len(own):
        print(f"  new, drawn from the seed: {_parts(own.keys() - names)}")
    if len(names) < len(tensors):
        print(f"  not in this model, left out: {_parts(tensors.keys() - names)}")
    return {**own, **{name: tensors[name] for name in names}}


def _parts(names: Iterable[str]) -> str:
    """ "encoder 12, heads.value 3": how many arrays of each part."""
    counts = Counter(_part(name) for name in names)
    return ", ".join(f"{part} {count}" for part, count in sorted(counts.items())) or "nothing"


def _part(name: str) -> str:
    """Tokenizers, temporal encoders, heads and necks are parts each by itself."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.split('.')[0]}" if first in ("tokenizers", "temporal", "heads", "necks") else first
