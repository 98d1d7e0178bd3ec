"""Which blocks are trained on and which are held out: by place, every class where it can be in every split.

The blocks of the class with the fewest labels come first, as in the iterative stratification of Sechidis, Tsoumakas and Vlahavas
(2011).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

SHARES: Mapping[str, float] = {"train": 0.6, "val": 0.2, "test": 0.2}


def assigned(counts: Mapping[str, Counter[str]], *, seed: int = 0) -> dict[str, str]:
    """The split of each block.

    Args:
        counts: labels of each class in each block.
        seed: of the order of the blocks.

    Returns:
        Split by block. Training comes first: one block is trained on, the second is "val", the third "test".
    """
    total = sum(counts.values(), Counter[str]())
    wanted = {split: {name: share * n for name, n in total.items()} for split, share in SHARES.items()}
    order = {block: hashlib.sha256(f"{seed} {block}".encode()).hexdigest() for block in counts}
    found: dict[str, str] = {}
    left = dict(counts)
    while left:
        rest = sum(left.values(), Counter[str]())
        name = min(rest, key=lambda each: (rest[each], each)) if rest else ""
        block = max((b for b in left if not name or left[b][name]), key=lambda b: order[b])
        split = _neediest(wanted, left[block], total)
        found[block] = split
        for each, n in left.pop(block).items():
            wanted[split][each] -= n
    return _filled(found, counts)


def _neediest(wanted: Mapping[str, Mapping[str, float]], here: Counter[str], total: Counter[str]) -> str:
    """The split that a block brings nearest to its shares, by squares of what each class lacks; among equals training."""
    return max(SHARES, key=lambda split: sum(wanted[split][name] * n / total[name] ** 2 for name, n in here.items()))


def _filled(found: dict[str, str], counts: Mapping[str, Counter[str]]) -> dict[str, str]:
    """Gives an empty split a block of the largest one, the smallest whose classes that one has elsewhere, too."""
    for split in list(SHARES)[: len(found)]:
        if split in found.values():
            continue
        largest = Counter(found.values()).most_common(1)[0][0]
        blocks = sorted((b for b in found if found[b] == largest), key=lambda b: (sum(counts[b].values()), b))
        spare = [b for b in blocks if _held(counts, (o for o in blocks if o != b)) >= set(counts[b])]
        found[(spare or blocks)[0]] = split
    return found


def _held(counts: Mapping[str, Counter[str]], blocks: object) -> set[str]:
    return {name for block in blocks for name in counts[block]}  # type: ignore[attr-defined]
