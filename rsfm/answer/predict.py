"""Answers for scenes of any size: words and numbers from the whole, maps from overlapping windows at bounded memory.

b windows run at once · m masks asked for · h w pixels
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float, Int

from rsfm.answer.areas import AreaSum
from rsfm.answer.footprint import Footprint, RecordFootprint, SceneFootprint
from rsfm.answer.mosaic import mosaic
from rsfm.answer.windows import Tiling
from rsfm.data.reading.scene import Scene
from rsfm.errors import UserError
from rsfm.heads import value_band
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import generate
from rsfm.processor import Plan, Processor
from rsfm.pytree import replace
from rsfm.quantities import Quantity, digits, interval, unit_in_words
from rsfm.quantities import text as value_text
from rsfm.tasks.dialogue import MASK, VALUE, special_tokens
from rsfm.tasks.forecasting import check_series
from rsfm.text import forms
from rsfm.text.constraint import constrain
from rsfm.text.questions import plain
from rsfm.types import Answer, Mask, Predictions, Record, Sample, Value


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapRows:
    """Finished rows of a map, from the top down.

    Attributes:
        first: their first row in the scene.
        class_index: index into the legend; -1 where the scene holds no data or none of the classes is likeliest.
        probability: of "none of the asked" and then of each legend entry.
        valid: whether the scene holds data.
    """

    first: int
    class_index: Int[np.ndarray, "h w"]
    probability: Float[np.ndarray, "_ h w"]
    valid: Bool[np.ndarray, "h w"]


def predict(
    model: FoundationModel,
    processor: Processor,
    source: Footprint | Scene | Record,
    question: str,
    *,
    overlap: float = 0.25,
    batch_size: int = 16,
    max_new_tokens: int = 64,
    probability: bool = False,
    progress: bool = False,
    form: str = "",
) -> Answer:
    """Asks one question of a scene.

    A question for a map or an area is answered window by window at the scene's own resolution; any other one from the
    whole scene, shrunk to what the model reads at once.

    Args:
        model: weights.
        processor: of the same checkpoint.
        source: scene, scenes on one grid, or record.
        question: in words, e.g. "Map the land cover: water, trees, crops."
        overlap: least share of a window's edge that neighbours have in common.
        batch_size: most windows to run at once.
        max_new_tokens: longest answer in tokens.
        probability: keep the map's class probabilities, 4 bytes a pixel and class.
        progress: show a bar on stderr.
        form: what an answer in words may look like, see rsfm.text.forms.form: "number", "label: a, b", ...

    Returns:
        The answer; a mask lies on the scene's grid.
    """
    question = plain(question)
    footprint, plan = as_footprint(source), processor.plan(question)
    check_series(question, footprint.read((0, 0, 1, 1)))
    if not plan.legend:
        return answer_in_words(model, processor, footprint, question, max_new_tokens=max_new_tokens, form=form)
    options: dict[str, Any] = {"overlap": overlap, "batch_size": batch_size, "progress": progress}
    found = map_rows(model, processor, footprint, question, **options)
    return answer_from_rows(footprint, question, plan, found, probability=probability)


def answer_from_rows(
    footprint: Footprint, question: str, plan: Plan, found: Iterator[MapRows], *, probability: bool = False
) -> Answer:
    """The answer that is read from the rows of a map: an area, a map of numbers, or a mask.

    Args:
        footprint: what the question is about.
        question: in words.
        plan: of the question, with a legend.
        found: the map's rows, from the top down.
        probability: keep a mask's class probabilities.
    """
    if plan.area:
        return area_answer(footprint, question, plan, found)
    if plan.quantity is not None:
        return value_map_answer(footprint, question, plan.quantity, found)
    index = np.full((footprint.height, footprint.width), -1, np.int8 if len(plan.legend) < 128 else np.int16)
    chance = np.zeros((len(plan.legend), *index.shape), np.float32) if probability else None
    for rows in found:
        here = slice(rows.first, rows.first + len(rows.class_index))
        index[here] = rows.class_index
        if chance is not None:
            chance[:, here] = rows.probability[1:]
    return map_answer(footprint, question, plan, index, chance)


def answer_in_words(
    model: FoundationModel,
    processor: Processor,
    footprint: Footprint,
    question: str,
    *,
    max_new_tokens: int = 64,
    form: str = "",
) -> Answer:
    """Text, and the numbers in it, from the whole footprint shrunk to one window of the model."""
    record = whole(processor, footprint)
    answer = answer_records(model, processor, [record], [question], max_new_tokens=max_new_tokens, form=form)[0]
    return dataclasses.replace(answer, grid=footprint.grid, notes=(*answer.notes, *footprint.notes))


def whole(processor: Processor, footprint: Footprint) -> Record:
    """The footprint shrunk to one window of the model; UserError where it holds no data."""
    single = footprint.height == footprint.width == 1  # a pixel series
    record = footprint.overview(1 if single else processor.stream_size(footprint.read((0, 0, 1, 1))))
    if not any(observation.valid.any() for observation in record.observations.values()):
        raise UserError(f"{record.id}: every pixel is nodata. Check the file's nodata value and its masks.")
    return record


def answer_records(
    model: FoundationModel,
    processor: Processor,
    records: Sequence[Record],
    questions: Sequence[str],
    *,
    batch_size: int = 1,
    max_new_tokens: int = 64,
    form: str = "",
) -> list[Answer]:
    """Text answers to one question a record, `batch_size` at a time; fewer records are padded to a full batch.

    The records hold the same sensors, so that they make one batch; each is read whole. `form`: see `predict`.
    """
    answers: list[Answer] = []
    constraint = constrain(forms.form(form), processor.text) if form else None
    for start in range(0, len(records), batch_size):
        part = list(zip(records[start : start + batch_size], questions[start : start + batch_size], strict=True))
        full = part + [part[0]] * (batch_size - len(part))
        said = ["" if form else processor.plan(question).answer for _, question in full]
        if not all(said):  # some are to be written
            prompts = stack([processor.prompt(record, question) for record, question in full])
            # What `written` would cut off must not be written under a form: it is whole only at its end.
            limit = min([max_new_tokens, *(room(processor, *each) for each in full)]) if form else max_new_tokens
            ends = processor.text.end_ids
            ids = np.asarray(generate(model, prompts, max_new_tokens=limit, stop=ends, constraint=constraint))
            pairs = zip(said, full, ids, strict=True)
            said = [forced or written(processor, *each, row) for forced, each, row in pairs]
        outputs: dict[str, Any] = {}
        if any(special_tokens(text) for text in said):  # heads are read from the whole turn
            again = [
                processor.prompt(record, question, text) for (record, question), text in zip(full, said, strict=True)
            ]
            outputs = jax.device_get(forward(model, stack(again)).outputs)
        for i, (_, question) in enumerate(part):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], outputs)
            answers.append(processor.decode(question, said[i], one))
    return answers


def room(
    processor: Processor, record: Record, question: str, *, history: Sequence[tuple[str, str]] = (), system: str = ""
) -> int:
    """How many tokens of an answer the processor can read back, its end token not among them."""
    return -processor.tokens_over(record, history, question, system=system) - 1


def written(
    processor: Processor,
    record: Record,
    question: str,
    ids: Int[np.ndarray, " k"],
    *,
    history: Sequence[tuple[str, str]] = (),
    system: str = "",
) -> str:
    """The text of generated ids, cut to what the processor can read back: its length, its numbers, no stray mask."""
    limit = room(processor, record, question, history=history, system=system)
    text = processor.text.decode(ids[:limit].tolist())
    while MASK in text:  # again: what closes up over a removed one may be one, too
        text = text.replace(MASK, "")
    pieces = text.split(VALUE)
    return VALUE.join(pieces[: processor.config.slots(VALUE) + 1]) or " "


def map_rows(
    model: FoundationModel,
    processor: Processor,
    footprint: Footprint,
    question: str,
    *,
    overlap: float = 0.25,
    batch_size: int = 16,
    progress: bool = False,
) -> Iterator[MapRows]:
    """The map of a footprint of any size, some rows at a time: one compilation, one strip of windows in memory."""
    plan = processor.plan(question)
    size = processor.stream_size(footprint.read((0, 0, 1, 1)))
    tiling = Tiling(height=footprint.height, width=footprint.width, size=size, overlap=overlap)

    def chances(windows: list[Record]) -> Float[np.ndarray, "n _ h w"]:
        samples = [processor.prompt(record, plan.asked, plan.answer) for record in windows]
        return run_windows(model, samples, tiling.batch_size(batch_size), len(plan.legend))

    options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    for strip in mosaic(footprint, tiling, 1 + len(plan.legend), chances, prepare=processor.for_map, **options):
        index = np.where(strip.valid, strip.values.argmax(0) - 1, -1).astype(np.int16)
        yield MapRows(first=strip.first, class_index=index, probability=strip.values, valid=strip.valid)


def map_answer(
    footprint: Footprint,
    question: str,
    plan: Plan,
    class_index: Int[np.ndarray, "h w"],
    probability: Float[np.ndarray, "m h w"] | None = None,
) -> Answer:
    """An Answer from a finished map: its text names the classes that were found, largest share first."""
    mask = Mask(class_index=class_index, legend=plan.legend)
    found = sorted(zip(mask.shares, plan.legend, strict=True), key=lambda pair: -pair[0])
    shares = [f"{name} {100 * share:.1f} %" for share, name in found if share]
    return Answer(
        question=question,
        text=", ".join(shares) if shares else "None of the classes asked for.",
        mask=mask,
        probability=probability,
        grid=footprint.grid,
        notes=footprint.notes,
    )


def area_answer(footprint: Footprint, question: str, plan: Plan, found: Iterator[MapRows]) -> Answer:
    """An Answer from the rows of a map: the area of one of its classes, by the chances of all pixels."""
    corner = next(iter(footprint.read((0, 0, 1, 1)).observations.values()))
    total = AreaSum(float(corner.gsd_m), footprint.grid, (footprint.height, footprint.width))
    place = 1 + plan.legend.index(plan.area)
    for rows in found:
        total.add(rows.probability[place], rows.valid, rows.first)
    value = total.value(plan.area)
    text = f"There are about {value_text(value)} ha of {plan.area}{interval(value)}."
    return Answer(question=question, text=text, values=(value,), grid=footprint.grid, notes=footprint.notes)


def value_map_answer(footprint: Footprint, question: str, quantity: Quantity, found: Iterator[MapRows]) -> Answer:
    """An Answer from the rows of a map of numbers: value and interval of each pixel, and their mean in words."""
    band = np.full((footprint.height, footprint.width, 3), np.nan, np.float32)
    for rows in found:
        here = value_band(quantity.map_edges, rows.probability[1:], stretch=quantity.stretch)
        band[rows.first : rows.first + len(here)] = np.where(rows.valid[..., None], here, np.nan)
    known = band[..., 0][np.isfinite(band[..., 0])].astype(np.float64)
    mean, low, high = known.mean(), *np.quantile(known, (0.05, 0.95))
    shown = [digits(float(number), quantity.unit or "1") for number in (mean, low, high)]
    unit = f" {unit_in_words(quantity.unit)}".rstrip()
    return Answer(
        question=question,
        text=f"{quantity.name}: {shown[0]}{unit} on average, {shown[1]} to {shown[2]}{unit} in nine tenths of the pixels.",
        values=(Value(name=f"mean {quantity.name}", value=float(mean), unit=quantity.unit),),
        value_map=band,
        grid=footprint.grid,
        notes=footprint.notes,
    )


def run_windows(model: FoundationModel, samples: list[Sample], batch: int, masks: int) -> Float[np.ndarray, "n _ h w"]:
    """Class probabilities of up to `batch` windows, padded to exactly that many so that one compilation serves all."""
    padded = samples + [samples[0]] * (batch - len(samples))
    logits = forward(model, stack(padded)).outputs["mask"]["logits"]
    return np.asarray(class_probabilities(logits[:, :masks]))[: len(samples)]  # a sample has slots for more masks


@nnx.jit
def forward(model: FoundationModel, sample: Sample) -> Predictions:
    """The jitted forward pass of a batch."""
    return model(sample)


@jax.jit
def class_probabilities(mask_logits: Float[jax.Array, "b m h w"]) -> Float[jax.Array, "b _ h w"]:
    """Softmax over "none of the asked", whose logit is 0 by definition, and the m masks."""
    none = jnp.zeros_like(mask_logits[:, :1])
    return jax.nn.softmax(jnp.concatenate([none, mask_logits], axis=1).astype(jnp.float32), axis=1)


def stack(samples: list[Sample]) -> Sample:
    """A batch of samples of the same streams; shorter texts are padded to the longest."""
    length = max(sample.text_ids.shape[0] for sample in samples)

    def lengthened(sample: Sample) -> Sample:
        pad = (0, length - sample.text_ids.shape[0])
        texts = {name: np.pad(getattr(sample, name), pad) for name in ("text_ids", "text_valid", "loss_mask")}
        if sample.text_numbers is not None:
            texts["text_numbers"] = np.pad(sample.text_numbers, pad, constant_values=np.nan)
        if sample.text_images is not None:
            texts["text_images"] = np.pad(sample.text_images, pad, constant_values=-1)
        return replace(sample, **texts)

    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(lengthened, samples))


def as_footprint(source: Footprint | Scene | Record) -> Footprint:
    """A footprint of whatever can be predicted."""
    if isinstance(source, Record):
        return RecordFootprint(source)
    return SceneFootprint([source]) if isinstance(source, Scene) else source
