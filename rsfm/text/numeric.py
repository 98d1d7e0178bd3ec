"""Numbers on their way into a text, five ways: as they fall, digit by digit, value-scaled, as Fourier features, in bins.

s text length · d width · w waves
The first two write the number as tokens. The others put a <value> token in its place and hand the model the number
itself; its unit stays in the text. Value-scaled: xVal, Golkar et al. 2023, arXiv:2310.02989.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import UserError, lookup
from rsfm.nn.linear import Linear
from rsfm.quantities import NUMBER, read_number
from rsfm.text.tokenizer import TextTokenizer

SLOT = "<value>"
SMALLEST, DECADES = 1e-6, 12.1  # the signed logarithm: even steps a decade above SMALLEST, 1 at about 1e6
WAVES = 14  # of 1/4 to 2048 turns from 0 to 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumericConfig:
    """How numbers in questions are read; saved with the processor.

    Attributes:
        kind: a key of NUMERIC.
        scale: what "xval" divides by: the spread of the numbers in training texts.
        edges: of "bins", rising; fitted by tokenizers/numeric/fit.py.
    """

    kind: str = "text"
    scale: float = 1.0
    edges: tuple[float, ...] = ()


class NumberCodec(Protocol):
    """One number to what the model is handed for it, and back."""

    def __init__(self, config: NumericConfig): ...

    def enter(self, number: float) -> float:
        """Number -> what goes in beside the <value> token."""
        ...

    def leave(self, entered: float) -> float:
        """The number again, as far as the model can tell it."""
        ...

    def precision(self, number: float) -> float:
        """How far off it may be, in the number's unit."""
        ...


class Scaled:
    """The number over the training texts' spread: the model multiplies a vector by it (xVal)."""

    def __init__(self, config: NumericConfig):
        self.scale = config.scale

    def enter(self, number: float) -> float:
        return float(np.float32(number / self.scale))

    def leave(self, entered: float) -> float:
        return entered * self.scale

    def precision(self, number: float) -> float:
        return 1e-7 * abs(number)


class Waves:
    """The signed logarithm, which the model spreads over sines and cosines of rising frequency."""

    def __init__(self, config: NumericConfig):
        pass

    def enter(self, number: float) -> float:
        return float(np.float32(signed_log(number)))

    def leave(self, entered: float) -> float:
        return signed_exp(read_waves(np.asarray(waves(jnp.float32(entered)))))

    def precision(self, number: float) -> float:
        return 2e-5 * (abs(number) + SMALLEST)


class Bins:
    """The index of a fitted bin; numbers beyond the outer edges go to the outer bins."""

    def __init__(self, config: NumericConfig):
        if len(config.edges) < 2:
            raise UserError("numbers of kind 'bins' need fitted edges, found none. Take tokenizers/numeric/edges.json.")
        self.edges = np.asarray(config.edges)

    def enter(self, number: float) -> float:
        return float(np.clip(np.searchsorted(self.edges, number, side="right") - 1, 0, len(self.edges) - 2))

    def leave(self, entered: float) -> float:
        index = int(entered)
        return float(self.edges[index] + self.edges[index + 1]) / 2

    def precision(self, number: float) -> float:
        index = int(self.enter(number))
        half = float(self.edges[index + 1] - self.edges[index]) / 2
        return max(half, abs(number - self.leave(float(index)))) * (1 + 1e-12)


# kind -> what is handed over beside the text; None where the text says it all
NUMERIC: dict[str, type[NumberCodec] | None] = {
    "text": None,
    "digits": None,
    "xval": Scaled,
    "fourier": Waves,
    "bins": Bins,
}


class NumericText(TextTokenizer):
    """A text tokenizer that reads numbers in its config's way.

    Answers are written and read in plain tokens, or digit by digit; a number in an answer is the value head's.
    """

    def __init__(self, text: TextTokenizer, config: NumericConfig):
        """Wraps `text`; UserError for an unknown kind, or a tokenizer that lays out dialogues in its own way."""
        codec = lookup(NUMERIC, "numeric interface", config.kind)
        if text.template is not None:
            raise UserError(
                f"Numbers of kind '{config.kind}' need our own chat layout, the tokenizer brings a template. "
                "Take numbers of kind 'text' with it."
            )
        super().__init__(text._tokenizer, text.roles)
        self.config, self.codec = config, codec(config) if codec is not None else None

    def encode_literal(self, text: str) -> list[int]:
        """Ids of a question, a <value> for each number where the kind has numbers apart."""
        if self.codec is None:
            return self._plain(text)
        ids, start = [], 0
        for found in NUMBER.finditer(text):
            ids += [*self._plain(text[start : found.start()]), self.special[SLOT]]
            start = found.end()
        return ids + self._plain(text[start:])

    def encode(self, text: str) -> list[int]:
        """Ids of an answer, in which the names of special tokens mean the tokens."""
        pieces = self.split_special(text)
        return [i for p in pieces for i in ([self.special[p]] if p in self.special else self._plain(p))]

    def numbers(
        self, ids: Sequence[int], learn: Sequence[bool], questions: Sequence[str]
    ) -> Float[np.ndarray, " s"] | None:
        """What stands beside each id of a dialogue: a number in its codec's form, NaN elsewhere; None without a codec."""
        if self.codec is None:
            return None
        given = [self.codec.enter(float(found)) for question in questions for found in NUMBER.findall(question)]
        slots = [i for i, index in enumerate(ids) if index == self.special[SLOT] and not learn[i]]
        assert len(slots) == len(given), "each number of a question has its slot"
        out = np.full(len(ids), np.nan, np.float32)
        out[slots] = given
        return out

    def encode_number(self, number: float) -> tuple[list[int], float]:
        """Ids of one number, and what goes in beside them (NaN where nothing does)."""
        if not math.isfinite(number):
            raise UserError(f"Expected a number, found {number}. Leave out what was not measured.")
        if self.codec is None:
            return self._plain(f"{number:.7g}"), math.nan
        return [self.special[SLOT]], self.codec.enter(number)

    def decode_number(self, ids: Sequence[int], entered: float) -> float:
        """The number that `encode_number` was given, within `precision`; UserError where the text holds none."""
        return read_number(self.decode(ids)) if self.codec is None else self.codec.leave(entered)

    def precision(self, number: float) -> float:
        """How far off a number may come back."""
        return 5.1e-7 * abs(number) if self.codec is None else self.codec.precision(number)

    def _plain(self, text: str) -> list[int]:
        pieces = re.split(r"(\d)", text) if self.config.kind == "digits" else [text]
        return [i for piece in pieces if piece for i in super(NumericText, self).encode_literal(piece)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberConfig:
    """The model's side of NumericConfig.

    Attributes:
        kind: a key of NUMERIC, the same as the processor's.
        bins: of "bins": one fewer than its edges.
    """

    kind: str = "text"
    bins: int = 0


class NumberEmbedding(nnx.Module):
    """`embedding(numbers, rows) -> (b s d)`, added to the text embeddings; zeros where there is no number."""

    def __init__(self, config: NumberConfig, width: int, *, rngs: nnx.Rngs):
        lookup(NUMERIC, "numeric interface", config.kind)
        self.config = config
        fourier, bins = config.kind == "fourier", config.kind == "bins"
        self.waves = Linear(2 * WAVES, width, axes=(None, "embed"), scale=0.1, rngs=rngs) if fourier else None
        table = 0.02 * jax.random.normal(rngs.params(), (config.bins, width)) if bins else None
        self.table = nnx.Param(table, out_sharding=(None, "embed")) if table is not None else None

    def __call__(self, numbers: Float[Array, "b s"], rows: Float[Array, "b s d"]) -> Float[Array, "b s d"]:
        """`rows`: the text's embeddings as they are, that of <value> where there is a number."""
        known = ~jnp.isnan(numbers)
        number = jnp.where(known, numbers, 0.0)
        if self.waves is not None:
            out = self.waves(waves(number))
        elif self.table is not None:
            out = self.table[...][number.astype(jnp.int32)]
        else:
            out = (number - 1)[..., None] * rows  # row + (x - 1) row = x row
        return jnp.where(known[..., None], out, 0.0)


def signed_log(number: float) -> float:
    """sign(x) log10(1 + |x| / 1e-6), scaled to 1 at about 1e6."""
    return math.copysign(math.log10(1 + abs(number) / SMALLEST) / DECADES, number)


def signed_exp(y: float) -> float:
    """The inverse of `signed_log`."""
    return math.copysign(SMALLEST * math.expm1(abs(y) * DECADES * math.log(10)), y)


def waves(y: Float[Array, "*b"]) -> Float[Array, "*b w"]:
    """Sines, then cosines, of 1/4, 1/2, 1, ... turns."""
    angle = y[..., None] * (2 * np.pi * _turns())
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def read_waves(features: Float[np.ndarray, " w"]) -> float:
    """The number behind `waves`: the slowest tells it roughly, each faster one more closely."""
    sine, cosine = np.split(features.astype(np.float64), 2)
    phase, y = np.arctan2(sine, cosine) / (2 * np.pi), 0.0
    for turns, share in zip(_turns(), phase, strict=True):
        y = (share + round(turns * y - share)) / turns
    return float(y)


def _turns() -> Float[np.ndarray, " w"]:
    return (2.0 ** np.arange(-2, WAVES - 2)).astype(np.float32)
