"""What a head is: one kind of output with everything that belongs to it, from the training target to files and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from rsfm.config import from_json
from rsfm.errors import lookup
from rsfm.heads.scene import Canvas, Window
from rsfm.heads.spans import Fit, HeadConfig, Part, Passage, Spans, Terms, Widths
from rsfm.types import Answer, Memory, Record


class Head(nnx.Module):
    """One kind of output. A new kind is a subclass in a file of its own and a line in HEADS.

    The module itself runs on the device. The class methods run on the host: `targets` in training; `answer` for a span of a
    text; `decode`, `over_dates`, `join` and `placed` for a dense head, whose scene is read window by window; the others for
    what an Answer holds of this kind, where files, pictures and other people's tools want it. Each does nothing by default.

    Attributes:
        config_type: dataclass of the head's own options.
        token: special token of an answer that opens the head; "" = none does.
        slots: tokens a text may hold unless the processor's config says otherwise.
        span: type of the target a dialogue gives for each token.
        dense: whether the head reads the pixels of a neck, so that its output lies on the grid of the window.
        named: whether the words before a token name what it shows, as in "water <mask>"; a scene's tokens are then read with
            the turn that was taught for that name, and not with the sentence they stand in.
        slots_before: the field of processor.json that held the slots before format 2; "" for kinds that came later.
    """

    config_type: ClassVar[type]
    token: ClassVar[str] = ""
    slots: ClassVar[int] = 0
    span: ClassVar[type] = type(None)
    dense: ClassVar[bool] = False
    named: ClassVar[bool] = False
    slots_before: ClassVar[str] = ""
    config: Any

    @classmethod
    def make(cls, config: Any, widths: Widths, *, rngs: nnx.Rngs) -> "Head":
        """The module of a config; a kind with several forms chooses here."""
        return cls(config, widths, rngs=rngs)  # type: ignore[call-arg]

    @classmethod
    def check_vocabulary(cls, config: Any, special: Mapping[str, int]) -> None:
        """Raises UserError where the options name ids that the tokenizer's special tokens do not have."""

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> Any:
        """Outputs of every span, a pytree of the head's own.

        Args:
            spans: hidden states at the head's tokens.
            memory: encoder tokens by stream, pixels by neck.
            neck: the neck whose pixels a dense head reads.
        """
        raise NotImplementedError

    def loss(self, outputs: Any, targets: Mapping[str, Array]) -> Terms:
        """Loss terms, each a sum over targets with their count; "" names the head's main term."""
        raise NotImplementedError

    @classmethod
    def targets(cls, spans: Sequence[Any], record: Record, fit: Fit, slots: int) -> dict[str, np.ndarray]:
        """Arrays of fixed shape for the typed spans of a dialogue, in the order of their tokens; slots may stay empty."""
        return {}

    @classmethod
    def spelled(cls, span: Any) -> str | None:
        """A span as text, where a checkpoint writes its numbers out; None for what no text can hold."""
        return None

    @classmethod
    def answer(cls, outputs: Any, passage: Passage) -> Part:
        """The part of the answer that a span makes, in physical units.

        Args:
            outputs: of this span alone, on the host.
            passage: the text it stands in.
        """
        return Part()

    # --- from windows to the scene

    @classmethod
    def decode(cls, outputs: Any, spans: int) -> Sequence[Any]:
        """The outputs of a batch of windows on the device -> what is kept of each window on the host, one entry a window.

        Args:
            outputs: of the module, leaves `[b v ...]`; slots beyond the tokens that were asked for mean nothing.
            spans: how many of the slots were asked for.

        Returns:
            By default the outputs themselves, leaves `[spans ...]`.
        """
        host = jax.device_get(outputs)
        size = len(jax.tree.leaves(host)[0])
        return [jax.tree.map(lambda leaf, i=i: leaf[i][:spans], host) for i in range(size)]

    @classmethod
    def over_dates(cls, values: Sequence[Any], weights: Float[np.ndarray, " k"]) -> Any:
        """One window out of k parts of a series too long to be read at once.

        Args:
            values: of `decode`, one a part.
            weights: how much each part shows, in pixels with data.

        Returns:
            By default the mean of each leaf by weight.
        """
        return jax.tree.map(lambda *leaves: weighted_mean(leaves, weights), *values)

    @classmethod
    def join(cls, windows: Iterator[Window], canvas: Canvas) -> Any:
        """What the windows of a scene make together: blended probabilities, boxes without doubles, averaged images.

        Args:
            windows: row by row from the top left, those without data among them; each is made when it is asked for, so that
                what is held decides how much memory a scene takes. They must be read to the end.
            canvas: the scene.
        """
        for _ in windows:
            pass

    @classmethod
    def placed(cls, answer: Answer, joined: Any, canvas: Canvas, subjects: Sequence[str]) -> Answer:
        """The answer with what was joined as its part of this kind, in physical units and pixels of the scene.

        Args:
            answer: its text has lost this kind's tokens; "" where a typed call asked, which wants words of the head.
            joined: of `join`.
            canvas: the scene.
            subjects: which of the canvas's subjects were asked for; () = all.
        """
        return answer

    # --- what an answer holds of this kind

    @classmethod
    def to_json(cls, answer: Answer) -> dict[str, Any]:
        """What answer.json says of it."""
        return {}

    @classmethod
    def write(cls, answer: Answer, folder: Path, suffix: str) -> list[str]:
        """Writes its files on `answer.grid` and gives their names, "mask_2.tif" for the suffix "_2"; [] where there is none."""
        return []

    @classmethod
    def overlay(cls, answer: Answer, picture: Shaped[np.ndarray, "h w 3"], path: Path) -> bool:
        """Writes a PNG of it over a picture of the scene, whose size may be another; False where there is nothing to draw."""
        return False

    @classmethod
    def draw(cls, answer: Answer, ax: Any, *, alpha: float) -> None:
        """Draws it on matplotlib axes in pixels of the scene; an `alpha` below 1 lets a picture behind it show."""

    @classmethod
    def layers(cls, answer: Answer) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
        """Variables of an xarray Dataset by name: dimensions, of which "y" and "x" are the map's, values, attributes."""
        return {}

    @classmethod
    def coordinates(cls, answer: Answer) -> dict[str, list[str]]:
        """Labels of the dimensions of `layers` besides "y" and "x"."""
        return {}

    @classmethod
    def features(cls, answer: Answer) -> list[dict[str, Any]] | None:
        """Its shapes as GeoJSON features in pixels; None where the answer has no such part."""
        return None

    @classmethod
    def rows(cls, answer: Answer) -> list[tuple[str, str]]:
        """Its rows of the HTML table that notebooks show, both cells escaped."""
        return []


def weighted_mean(values: Sequence[np.ndarray], weights: Float[np.ndarray, " k"]) -> np.ndarray:
    """The mean of arrays by weight, in double precision on the way; zeros where nothing has weight."""
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    return (total / max(weights.sum(), 1.0)).astype(np.float32)


def head_kind(heads: Mapping[str, type[Head]], name: str, config: HeadConfig) -> type[Head]:
    """The class of a model's head; UserError with the nearest known kind where there is none."""
    return lookup(heads, "head", config.kind or name)


def head_options(kind: type[Head], name: str, config: HeadConfig) -> Any:
    """The kind's own config, checked field by field."""
    return from_json(kind.config_type, config.options, where=f"options of head {name}")
