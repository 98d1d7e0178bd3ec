"""Maps of a whole scene out of overlapping windows: rows as they are finished, at bounded memory, and the map they make.

b windows run at once · m classes of the legend · h w pixels
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.answer import dates
from rsfm.answer.areas import ClassAreas
from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import Footprint
from rsfm.answer.mosaic import mosaic
from rsfm.answer.size import check_map, check_strip
from rsfm.answer.windows import Tiling
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Plan, Processor
from rsfm.types import Mask, Record, Sample


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


def scene_map(
    model: FoundationModel,
    processor: Processor,
    footprint: Footprint,
    plan: Plan,
    *,
    probability: bool = False,
    overlap: float = 0.25,
    batch_size: int = 16,
    progress: bool = False,
) -> SceneMap:
    """Maps a scene, see `collected`."""
    options: dict[str, Any] = {"overlap": overlap, "batch_size": batch_size, "progress": progress}
    found = map_rows(model, processor, footprint, plan, **options)
    return collected(footprint, plan.legend, found, probability=probability)


def collected(
    footprint: Footprint, legend: tuple[str, ...], found: Iterator[MapRows], *, probability: bool = False
) -> SceneMap:
    """The map out of its rows. Memory is a byte a pixel, and 4 bytes a pixel and class with `probability`."""
    shape, classes = (footprint.height, footprint.width), len(legend)
    check_map(footprint, classes, probability=probability)
    index = np.full(shape, -1, np.int8 if classes < 128 else np.int16)
    chance = np.zeros((classes, *shape), np.float32) if probability else None
    areas, sure = ClassAreas(classes, footprint), np.zeros(classes)
    for rows in found:
        here = slice(rows.first, rows.first + len(rows.class_index))
        index[here] = rows.class_index
        areas.add(rows.first, rows.class_index, rows.valid)
        best = rows.probability.max(0)
        sure += np.bincount(rows.class_index[rows.class_index >= 0], best[rows.class_index >= 0], classes)
        if chance is not None:
            chance[:, here] = rows.probability[1:]
    with np.errstate(invalid="ignore"):
        confidence = sure / areas.pixels
    return SceneMap(legend=legend, class_index=index, probability=chance, areas=areas, confidence=confidence)


def map_rows(
    model: FoundationModel,
    processor: Processor,
    footprint: Footprint,
    plan: Plan,
    *,
    overlap: float = 0.25,
    batch_size: int = 16,
    progress: bool = False,
) -> Iterator[MapRows]:
    """The map of a footprint of any size, some rows at a time: one compilation, one strip of windows in memory."""
    probe = processor.for_map(footprint.read((0, 0, 2, 2)))
    processor = dates.bucketed(processor, probe, edge=max(footprint.height, footprint.width))
    size, batch_size = processor.stream_size(probe), dates.windows_together(processor, probe, batch_size)
    dates.check_memory(processor, probe)
    tiling = Tiling(height=footprint.height, width=footprint.width, size=size, overlap=overlap)
    check_strip(tiling, 1 + len(plan.legend))

    def chances(windows: list[Record]) -> Float[np.ndarray, "n _ h w"]:
        return _over_dates(model, processor, windows, plan, tiling.batch_size(batch_size))

    def prepare(window: Record) -> Record:
        record = processor.for_map(window)
        return dates.comparable(processor, record) if plan.of_change else record

    options: dict[str, Any] = {"batch_size": batch_size, "progress": progress, "prepare": prepare}
    for strip in mosaic(footprint, tiling, 1 + len(plan.legend), chances, **options):
        index = np.where(strip.valid, strip.values.argmax(0) - 1, -1).astype(np.int16)
        yield MapRows(first=strip.first, class_index=index, probability=strip.values, valid=strip.valid)


def _over_dates(
    model: FoundationModel, processor: Processor, records: list[Record], plan: Plan, batch: int
) -> Float[np.ndarray, "n _ h w"]:
    """Class probabilities of windows; those of a long series are the mean over chunks of its dates, by what they show."""
    total, weights = 0.0, np.zeros(len(records))
    for part in zip(*(dates.chunks(processor, record) for record in records), strict=True):
        samples = [processor.prompt(record, plan.asked, plan.answer) for record in part]
        chances = run_windows(model, samples, batch, len(plan.legend))
        if all(one is record for one, record in zip(part, records, strict=True)):
            return chances
        seen = np.array([sum(int(each.valid.sum()) for each in record.observations.values()) for record in part])
        total, weights = total + chances * seen[:, None, None, None], weights + seen
    return (total / np.maximum(weights, 1)[:, None, None, None]).astype(np.float32)


def run_windows(model: FoundationModel, samples: list[Sample], batch: int, masks: int) -> Float[np.ndarray, "n _ h w"]:
    """Class probabilities of up to `batch` windows, padded to exactly that many so that one compilation serves all."""
    padded = samples + [samples[0]] * (batch - len(samples))
    logits = forward(model, stack(padded)).outputs["mask"]["logits"]
    return np.asarray(class_probabilities(logits[:, :masks]))[: len(samples)]  # a sample has slots for more masks


@jax.jit
def class_probabilities(mask_logits: Float[jax.Array, "b m h w"]) -> Float[jax.Array, "b _ h w"]:
    """Softmax over "none of the asked", whose logit is 0 by definition, and the m masks."""
    none = jnp.zeros_like(mask_logits[:, :1])
    return jax.nn.softmax(jnp.concatenate([none, mask_logits], axis=1).astype(jnp.float32), axis=1)
