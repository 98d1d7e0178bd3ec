"""A language of texts as fixed arrays over tokens, so that a jitted loop writes nothing else.

s states · v vocabulary · k classes of tokens · b batch
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from rsfm.errors import UserError
from rsfm.pytree import pytree_dataclass
from rsfm.text.automaton import FAR, SYMBOLS, Automaton, Pattern, compile_pattern, steps_to_end, symbols_of
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer

MAX_ENTRIES = 1 << 28  # states times tokens: 1 GB while the table is made


@pytree_dataclass
class Constraint:
    """An automaton over tokens; state 0 is where a text begins. Tokens that act alike share a class: the table is small.

    Attributes:
        token_class: of each token; class 0 is never allowed.
        transition: next state by state and class; -1 = not allowed.
        accepting: whether a text may end.
        distance: fewest tokens from a state to an accepting one.
    """

    token_class: Int[Array, " v"]
    transition: Int[Array, "s k"]
    accepting: Bool[Array, " s"]
    distance: Int[Array, " s"]

    def next(self, state: Int[Array, " b"], token: Int[Array, " b"]) -> Int[Array, " b"]:
        """The state after a token; the old one where the token is not allowed, as an end token is not."""
        vocabulary = self.token_class.shape[0]
        kind = jnp.where(token < vocabulary, self.token_class[jnp.minimum(token, vocabulary - 1)], 0)
        after = self.transition[state, kind]
        return jnp.where(after >= 0, after, state)

    def allowed(
        self, state: Int[Array, " b"], left: Int[Array, ""], end: Int[Array, " e"], vocabulary: int
    ) -> Bool[Array, "b vocabulary"]:
        """The tokens from which a whole text can still be written in `left` tokens, this one included.

        Args:
            state: of each row.
            left: tokens that may still be written; an end token is one only if there is room.
            end: ids that end a text, allowed where it may end; -1 = none.
            vocabulary: width of the logits; rows of the embedding beyond the tokenizer's are never allowed.
        """
        after = self.transition[state]
        inside = (after >= 0) & (self.distance[jnp.maximum(after, 0)] < left)
        kinds = jnp.pad(self.token_class, (0, max(0, vocabulary - self.token_class.shape[0])))[:vocabulary]
        ends = (jnp.arange(vocabulary)[:, None] == end).any(1)
        return jnp.where(ends[None], self.accepting[state][:, None], inside[:, kinds])


def constrain(pattern: Pattern, tokenizer: TextTokenizer) -> Constraint:
    """The pattern over the tokens of a tokenizer.

    Raises:
        UserError: the tokenizer cannot write any text of the pattern.
    """
    automaton = compile_pattern(pattern)
    ids, after = token_moves(automaton, tokenizer)
    useful = (after >= 0).any(0)
    ids, after = ids[useful], after[:, useful]
    keys = np.random.default_rng(0).integers(-(1 << 62), 1 << 62, len(after))
    column = (after + 1).astype(
        np.int64
    ).T @ keys  # wraps around; equal columns have equal keys, 64 bits part the others
    _, first, kind = np.unique(column, return_index=True, return_inverse=True)
    never = np.full((len(after), 1), -1, np.int32)
    transition = np.concatenate([never, after[:, first]], axis=1)
    distance = steps_to_end(transition, automaton.accepting)
    if distance[0] >= FAR:
        raise UserError("The tokenizer holds no tokens to write an answer of this form. Choose another form.")
    token_class = np.zeros(tokenizer.vocab_size, np.int32)
    token_class[ids] = 1 + kind
    return Constraint(
        token_class=jnp.asarray(token_class),
        transition=jnp.asarray(transition),
        accepting=jnp.asarray(automaton.accepting),
        distance=jnp.asarray(distance, jnp.int32),
    )


def token_moves(automaton: Automaton, tokenizer: TextTokenizer) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, "s n"]]:
    """The n tokens whose symbols all occur in the language, and the next state by state and token."""
    table = np.concatenate([automaton.table, np.full((1, SYMBOLS), -1, np.int32)])  # state -1 leads to itself
    used = np.any(automaton.table >= 0, axis=0)
    words = {i: word for i, word in enumerate(token_symbols(tokenizer)) if word and used[word].all()}
    ids = np.fromiter(words, np.int64, len(words))
    if len(automaton.table) * len(ids) > MAX_ENTRIES:
        raise UserError(
            f"This form of answer is too large for {tokenizer.vocab_size:,} tokens: {len(automaton.table):,} states. Name "
            "fewer labels, or bound lists and texts more tightly."
        )
    after = np.full((len(automaton.table), len(ids)), -1, np.int32)
    lengths = np.asarray([len(word) for word in words.values()])
    for length in np.unique(lengths):
        here = lengths == length
        symbols = np.asarray([words[i] for i in ids[here]])
        state = np.broadcast_to(np.arange(len(after), dtype=np.int32)[:, None], (len(after), len(symbols)))
        for j in range(length):
            state = table[state, symbols[None, :, j]]
        after[:, here] = state
    return ids, after


def token_symbols(tokenizer: TextTokenizer) -> list[list[int]]:
    """The symbols each token writes; none for tokens that shape the dialogue."""
    out = [list(piece) for piece in tokenizer.token_bytes()]
    for token in SPECIAL_TOKENS:
        out[tokenizer.special[token]] = symbols_of(token) if not tokenizer.is_control(token) else []
    return out
