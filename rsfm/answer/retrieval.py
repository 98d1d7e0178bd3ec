"""Pictures and words in one space: search both ways, and classes by their names, with a model that has a contrastive head.

n records · m texts · c classes · e joint width
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import UserError
from rsfm.heads import ContrastiveHead
from rsfm.heads.contrastive import RET
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.tasks.captioning import QUESTIONS
from rsfm.types import Record, Sample, concatenate

# Ways to say that a picture shows something: the mean over them is steadier than any one (CLIP, arXiv:2103.00020).
TEMPLATES = (
    "a satellite photo of {}.",
    "an aerial image of {}.",
    "a remote sensing image of {}.",
    "this is {}.",
    "there is {} in the picture.",
    "{} seen from above.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retriever:
    """Unit vectors of records and texts; their products are the similarities.

    Attributes:
        model: with a contrastive head.
        processor: of the model.
        batch_size: rows a forward pass; every batch is filled up to it, so each kind compiles once.

    >>> retriever = Retriever(model=loaded.model, processor=loaded.processor)
    >>> similarity = retriever.pictures(records) @ retriever.texts(captions).T
    """

    model: FoundationModel
    processor: Processor
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self._head_name is None:
            raise UserError(
                "This checkpoint has no contrastive head, so it compares no pictures with texts. "
                "Train one with experiments/configs/contrastive_aid.py."
            )

    @property
    def _head_name(self) -> str | None:
        """The head with the joint space."""
        heads = self.model.heads.items()
        return next((name for name, opened in heads if isinstance(opened.head, ContrastiveHead)), None)

    def _head(self, model: FoundationModel) -> ContrastiveHead:
        head = model.heads[self._head_name].head
        assert isinstance(head, ContrastiveHead)
        return head

    def _embed_pictures(self, model: FoundationModel, sample: Sample) -> Float[Array, "b e"]:
        tokens, _ = model.encode(sample.observations, sample.location_deg)
        return self._head(model).pictures(concatenate(list(tokens.values())))

    def _embed_texts(self, model: FoundationModel, sample: Sample) -> Float[Array, "b e"]:
        hidden, ids, valid = model.read_words(sample)
        head = self._head(model)
        return head.texts(hidden, head.place(ids, valid))

    def pictures(self, records: Sequence[Record]) -> Float[np.ndarray, "n e"]:
        """One vector a record, of whatever sensors it holds."""
        samples = [self.processor.prompt(records[i], QUESTIONS[0]) for i in range(len(records))]
        return self._rows(samples, self._embed_pictures)

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "m e"]:
        """One vector a sentence, read as the answer to the first wording of the captioning task."""
        return self._rows([self._text(text) for text in texts], self._embed_texts)

    def classes(self, names: Sequence[str], templates: Sequence[str] = TEMPLATES) -> Float[np.ndarray, "c e"]:
        """One vector a class: the direction of the mean over its wordings."""
        said = self.texts([template.format(name) for name in names for template in templates])
        mean = said.reshape(len(names), len(templates), -1).mean(1)
        return mean / np.linalg.norm(mean, axis=-1, keepdims=True)

    def classify(
        self, records: Sequence[Record], names: Sequence[str], templates: Sequence[str] = TEMPLATES
    ) -> Float[np.ndarray, "n c"]:
        """Shares of probability of classes the model may never have been taught, told by their names alone."""
        logits = float(self._head(self.model).scale()) * self.pictures(records) @ self.classes(names, templates).T
        share = np.exp(logits - logits.max(1, keepdims=True))
        return share / share.sum(1, keepdims=True)

    def _text(self, text: str) -> Sample:
        ids, learn = self.processor.text.chat([(QUESTIONS[0], f"{text.strip()} {RET}")])
        lengths = sorted(self.processor.config.text_lengths)
        length = next((n for n in lengths if n >= len(ids)), None)
        if length is None:
            raise UserError(
                f"The text has {len(ids)} tokens, {len(ids) - lengths[-1]} over the {lengths[-1]} allowed. Shorten it."
            )
        fill = length - len(ids)
        return Sample(
            observations={},
            location_deg=np.full(2, np.nan, np.float32),
            text_ids=np.asarray(ids + [self.processor.text.special["<pad>"]] * fill, np.int32),
            text_valid=np.arange(length) < len(ids),
            loss_mask=np.asarray(learn + [False] * fill),
            targets={},
        )

    def _rows(
        self, samples: Sequence[Sample], embed: Callable[[FoundationModel, Sample], Any]
    ) -> Float[np.ndarray, "n e"]:
        out = np.zeros((len(samples), self._head(self.model).config.width), np.float32)
        graphdef, state = nnx.split(self.model)
        run = jax.jit(lambda state, batch: embed(nnx.merge(graphdef, state), batch))
        for index, batch in _batches(samples, self.batch_size):
            out[index] = np.asarray(run(state, batch))[: len(index)]
        return out


def _batches(samples: Sequence[Sample], size: int) -> Iterator[tuple[list[int], Sample]]:
    """Samples of one structure together, the last batch of each filled up with its first row."""
    kinds: dict[Any, list[int]] = {}
    for i, sample in enumerate(samples):
        leaves, tree = jax.tree.flatten(sample)
        kinds.setdefault((tree, tuple(np.shape(leaf) for leaf in leaves)), []).append(i)
    for members in kinds.values():
        for start in range(0, len(members), size):
            index = members[start : start + size]
            filled = index + index[:1] * (size - len(index))
            yield index, jax.tree.map(lambda *rows: np.stack(rows), *(samples[i] for i in filled))
