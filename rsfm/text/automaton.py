"""Regular languages of bytes and special tokens, compiled to a table of states.

s states · a symbols (256 bytes, then the special tokens in their order)
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from rsfm.errors import UserError
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer

SYMBOLS = 256 + len(SPECIAL_TOKENS)
FAR = 1 << 30  # no way to an end
MAX_STATES = 20_000  # of the table: 21 MB
MAX_PARTS = 100_000  # of the expression written out
MAX_MOVES = 300_000  # of the sets of the expression's states, together
_TOO_LARGE = (
    "This form of answer is too large: it needs more than {limit:,} {what}. Name fewer labels, bound lists and texts more "
    "tightly (maxItems, maxLength), or leave their bounds away."
)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression as a tree.

    Attributes:
        kind: "symbol" (one of `symbols`), "sequence", "choice" or "repeat" (`low` to `high` times, high None = no end).
    """

    kind: str
    parts: tuple["Pattern", ...] = ()
    symbols: frozenset[int] = frozenset()
    low: int = 0
    high: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Automaton:
    """A deterministic automaton that starts in state 0; every state leads to an accepting one.

    Attributes:
        table: next state by state and symbol; -1 = not allowed.
        accepting: whether a text may end there.
    """

    table: Int[np.ndarray, "s a"]
    accepting: Bool[np.ndarray, " s"]

    def accepts(self, text: str) -> bool:
        """Whether the text, special tokens by name, is of the language."""
        state = 0
        for symbol in symbols_of(text):
            state = int(self.table[state, symbol])
            if state < 0:
                return False
        return bool(self.accepting[state])


def symbols_of(text: str) -> list[int]:
    """A text as symbols: its UTF-8 bytes, and one symbol for the name of a special token."""
    out: list[int] = []
    for piece in TextTokenizer.split_special(text):
        out += [256 + SPECIAL_TOKENS.index(piece)] if piece in SPECIAL_TOKENS else piece.encode()
    return out


def one_of(symbols: Iterable[int]) -> Pattern:
    """One symbol out of a set."""
    return Pattern("symbol", symbols=frozenset(symbols))


def literal(text: str) -> Pattern:
    """Exactly this text."""
    return sequence(*(one_of([symbol]) for symbol in symbols_of(text)))


def sequence(*parts: Pattern) -> Pattern:
    """One after the other."""
    return Pattern("sequence", parts)


def choice(*parts: Pattern) -> Pattern:
    """Any one of them."""
    return Pattern("choice", parts)


def repeat(part: Pattern, low: int = 0, high: int | None = None) -> Pattern:
    """The part again and again."""
    return Pattern("repeat", (part,), low=low, high=high)


def compile_pattern(pattern: Pattern) -> Automaton:
    """Thompson's construction, then subsets of states (Rabin and Scott 1959), then states that lead nowhere are cut."""
    empty: list[list[int]] = []  # moves without a symbol
    moves: list[list[tuple[frozenset[int], int]]] = []
    built = 0

    def state() -> int:
        empty.append([])
        moves.append([])
        return len(empty) - 1

    def build(node: Pattern, start: int) -> int:
        """Adds the states of a node after `start`; returns the one it ends in."""
        nonlocal built
        built += 1
        if built > MAX_PARTS:
            raise UserError(_TOO_LARGE.format(limit=MAX_PARTS, what="parts"))
        if node.kind == "symbol":
            end = state()
            moves[start].append((node.symbols, end))
            return end
        if node.kind == "sequence":
            for part in node.parts:
                start = build(part, start)
            return start
        end = state()
        if node.kind == "choice":
            for part in node.parts:
                first = state()
                empty[start].append(first)
                empty[build(part, first)].append(end)
            return end
        (part,) = node.parts
        for _ in range(node.low):
            start = build(part, start)
        if node.high is None:
            loop = state()
            empty[start].append(loop)
            empty[build(part, loop)].append(loop)
            empty[loop].append(end)
            return end
        for _ in range(node.high - node.low):
            empty[start].append(end)
            start = build(part, start)
        empty[start].append(end)
        return end

    first = state()
    last = build(pattern, first)
    return _determine(empty, moves, first, last)


def _determine(
    empty: list[list[int]], moves: list[list[tuple[frozenset[int], int]]], first: int, last: int
) -> Automaton:
    def closed(states: Iterable[int]) -> frozenset[int]:
        seen, todo = set(states), list(states)
        while todo:
            for target in empty[todo.pop()]:
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return frozenset(seen)

    sets = [closed([first])]
    index = {sets[0]: 0}
    rows: list[np.ndarray] = []
    looked_at = 0
    for here in sets:  # grows as new sets are found
        looked_at += len(here)
        if len(sets) > MAX_STATES or looked_at > MAX_MOVES:
            raise UserError(_TOO_LARGE.format(limit=MAX_STATES, what="states"))
        reached: dict[int, set[int]] = {}
        for one in here:
            for symbols, target in moves[one]:
                for symbol in symbols:
                    reached.setdefault(symbol, set()).add(target)
        row, told = np.full(SYMBOLS, -1, np.int32), {}
        for symbol, targets in reached.items():
            key = frozenset(targets)
            if key not in told:
                there = closed(key)
                if there not in index:
                    index[there] = len(sets)
                    sets.append(there)
                told[key] = index[there]
            row[symbol] = told[key]
        rows.append(row)
    table = np.stack(rows)
    accepting = np.asarray([last in here for here in sets])
    return Automaton(table=_without_dead_ends(table, accepting), accepting=accepting)


def _without_dead_ends(table: Int[np.ndarray, "s a"], accepting: Bool[np.ndarray, " s"]) -> Int[np.ndarray, "s a"]:
    alive = steps_to_end(table, accepting) < FAR
    return np.where((table >= 0) & alive[np.maximum(table, 0)], table, -1)


def steps_to_end(table: Int[np.ndarray, "s a"], accepting: Bool[np.ndarray, " s"]) -> Int[np.ndarray, " s"]:
    """Fewest moves from each state to an accepting one; FAR where there is no way.

    Args:
        table: next state by state and kind of move; -1 = none.
        accepting: whether a text may end in the state.
    """
    before, kind = np.nonzero(table >= 0)
    ends, end = np.flatnonzero(accepting), len(table)  # `end`: one more state, a move before every accepting one
    edges = (np.concatenate([table[before, kind], np.full(len(ends), end)]), np.concatenate([before, ends]))
    graph = csr_array((np.ones(len(edges[0]), np.int32), edges), shape=(end + 1, end + 1))
    steps = dijkstra(graph, unweighted=True, indices=end)[:end] - 1
    return np.where(np.isfinite(steps), steps, FAR).astype(np.int64)
