"""The one map of a scene out of class probabilities of its windows: rows as they are finished, at bounded memory.

m classes of the legend · h w pixels
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.heads.mask.areas import ClassAreas
from rsfm.heads.scene.blending import strips
from rsfm.heads.scene.canvas import Canvas, Window
from rsfm.heads.scene.size import check_map, check_strip
from rsfm.types import Answer, Mask


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapRows:
    """Finished rows of a map, from the top down.

    Attributes:
        first: their first row in the scene.
        class_index: index into the legend; -1 where the scene holds no data or none of the classes is likeliest.
        probability: of "none of the legend" and then of each legend entry.
        valid: whether the scene holds data.
    """

    first: int
    class_index: Int[np.ndarray, "h w"]
    probability: Float[np.ndarray, "_ h w"]
    valid: Bool[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneMap:
    """The one map of a scene for one legend; every question about its classes reads it.

    Attributes:
        legend: its classes.
        class_index: index into the legend; -1 where there is no data or no class.
        probability: of each class, where they were to be kept.
        areas: of the classes on the ground.
        confidence: mean probability of each class over its own pixels; NaN where it has none.
    """

    legend: tuple[str, ...]
    class_index: Int[np.ndarray, "h w"]
    probability: Float[np.ndarray, "m h w"] | None
    areas: ClassAreas
    confidence: Float[np.ndarray, " m"]

    def of(self, classes: Sequence[str]) -> tuple[Mask, Float[np.ndarray, "_ h w"] | None]:
        """The pixels of these classes alone, and their probabilities: what is of another class stays -1."""
        chosen = [self.legend.index(name) for name in classes]
        table = np.full(len(self.legend) + 1, -1, self.class_index.dtype)  # class_index -1 reads the last entry
        table[chosen] = np.arange(len(chosen))
        probability = None if self.probability is None else self.probability[chosen]
        return Mask(class_index=table[self.class_index], legend=tuple(classes)), probability

    def share(self, name: str) -> float:
        """Share of the whole picture, pixels without data included, as the mask has it."""
        return np.count_nonzero(self.class_index == self.legend.index(name)) / max(self.class_index.size, 1)

    def sureness(self, classes: Sequence[str]) -> float | None:
        """Mean probability of the classes over their own pixels; None where they have none."""
        at = [self.legend.index(name) for name in classes]
        pixels = self.areas.pixels[at]
        return float(np.average(self.confidence[at][pixels > 0], weights=pixels[pixels > 0])) if pixels.any() else None


def map_rows(windows: Iterable[Window], canvas: Canvas) -> Iterator[MapRows]:
    """The map some rows at a time, out of windows of probabilities of "none of the legend" and its classes."""
    count = 1 + len(canvas.subjects)
    check_strip(canvas.tiling, count)
    for strip in strips(windows, canvas.tiling, count):
        index = np.where(strip.valid, strip.values.argmax(0) - 1, -1).astype(np.int16)
        yield MapRows(first=strip.first, class_index=index, probability=strip.values, valid=strip.valid)


def collected(rows: Iterable[MapRows], canvas: Canvas) -> SceneMap:
    """The map out of its rows. Memory is a byte a pixel, and 4 bytes a pixel and class where probabilities are kept."""
    shape, classes = (canvas.height, canvas.width), len(canvas.subjects)
    check_map(canvas, classes, probability=canvas.probability)
    index = np.full(shape, -1, np.int8 if classes < 128 else np.int16)
    chance = np.zeros((classes, *shape), np.float32) if canvas.probability else None
    areas, sure = ClassAreas(classes, canvas), np.zeros(classes)
    for part in rows:
        here = slice(part.first, part.first + len(part.class_index))
        index[here] = part.class_index
        areas.add(part.first, part.class_index, part.valid)
        best = part.probability.max(0)
        sure += np.bincount(part.class_index[part.class_index >= 0], best[part.class_index >= 0], classes)
        if chance is not None:
            chance[:, here] = part.probability[1:]
    with np.errstate(invalid="ignore"):
        confidence = sure / areas.pixels
    return SceneMap(legend=canvas.subjects, class_index=index, probability=chance, areas=areas, confidence=confidence)


@jax.jit
def class_probabilities(mask_logits: Float[jax.Array, "b m h w"]) -> Float[jax.Array, "b _ h w"]:
    """Softmax over "none of the asked", whose logit is 0 by definition, and the m masks."""
    none = jnp.zeros_like(mask_logits[:, :1])
    return jax.nn.softmax(jnp.concatenate([none, mask_logits], axis=1).astype(jnp.float32), axis=1)


def placed_map(answer: Answer, found: SceneMap, classes: Sequence[str]) -> Answer:
    """The answer with the mask of some classes; one without words names those that are there, largest share first."""
    mask, probability = found.of(classes)
    answer = dataclasses.replace(answer, mask=mask, probability=probability)
    if answer.text:
        return answer
    shares = sorted(zip(classes, mask.shares, strict=True), key=lambda pair: -pair[1])
    text = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares if share)
    return dataclasses.replace(
        answer, text=text or "None of the classes asked for.", confidence=found.sureness(classes)
    )
