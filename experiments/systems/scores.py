"""What a system's config is scored by, and its scores.

A config says SCORE = {"dataset": ..., "split": ..., "metric": ...} with either a "task" of TASKS, or a "kind": "retrieval" (pictures
and sentences, both ways), "place" (coordinates out of those of the training records) or "map" (land cover after a question in words).
n records · m sentences or places · h w pixels
"""

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Float

from experiments.retrieval import hits
from rsfm.answer.batches import forward, stack
from rsfm.answer.retrieval import Retriever
from rsfm.answer.words import answer_records
from rsfm.config import from_json
from rsfm.data.training.pipeline import Records
from rsfm.errors import lookup
from rsfm.heads.mask.targets import fit_mask
from rsfm.metrics import bootstrap_interval
from rsfm.metrics.geolocation import distance_km
from rsfm.metrics.maps import confusion_matrix, mean_iou
from rsfm.objectives.place import seen_without_place
from rsfm.processor import Processor
from rsfm.scoring.evaluation import evaluate, statistics_of
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import MASK, plain
from rsfm.tasks.segmentation import map_question
from rsfm.types import Record

BATCH = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Attributes:
    dataset: of the config's own or of rsfm's.
    split: that is scored.
    metric: the number reported.
    task: key of TASKS, where the score is a task's.
    kind: "retrieval", "place" or "map", where it is not.
    gallery: split of the places to choose among, and of what baselines know.
    before: question that the model answers for itself before it makes a "map"; "" = none.
    form: what answers are bound to, as for `rsfm predict --form`.
    limit: records scored, evenly spread; 0 = all.
    """

    dataset: str
    split: str
    metric: str
    task: str = ""
    kind: str = ""
    gallery: str = "train"
    before: str = ""
    form: str = ""
    limit: int = 0


def score_of(module: ModuleType, side: str) -> Score:
    """What the CONFIG or WITHOUT of a config's file is scored by; SCORE_WITHOUT goes before SCORE where both are there."""
    said = getattr(module, f"SCORE_{side}", module.SCORE)
    return from_json(Score, said, where=f"SCORE of {module.__name__}")


class Spread:
    """So many records of a data set, evenly spread; all of them for 0."""

    def __init__(self, records: Records, limit: int) -> None:
        count = min(limit, len(records)) if limit else len(records)
        self.records, self.places = records, np.linspace(0, len(records) - 1, count).round().astype(int)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> Record:
        return self.records[int(self.places[i])]


def scored(score: Score, model: Any, processor: Processor, open_dataset: Callable[..., Records]) -> dict[str, Any]:
    """{metric, value, low, high, n} of a trained model, the interval by resampling records."""
    records = Spread(open_dataset(score.dataset, score.split), score.limit)
    if score.form:
        return of_form(score, model, processor, records)
    if score.task:
        rows, _ = evaluate(model, processor, records, score.task, batch_size=BATCH)
        return next(row for row in rows if row["metric"] == score.metric)
    gallery = open_dataset(score.dataset, score.gallery)
    measure = lookup({"retrieval": retrieved, "place": placed, "map": mapped}, "kind of score", score.kind)
    return measure(score, model, processor, records, gallery)


def of_form(score: Score, model: Any, processor: Processor, records: Records) -> dict[str, Any]:
    """Answers bound to a form, scored by the task."""
    task, asked = TASKS[score.task], [records[i] for i in range(len(records))]
    questions = [task.question(record) for record in asked]
    answers = answer_records(model, processor, asked, questions, batch_size=BATCH, form=score.form, max_new_tokens=96)
    return interval(score.metric, statistics_of(task, asked, answers), task.metrics[score.metric])


def retrieved(score: Score, model: Any, processor: Processor, records: Records, gallery: Records) -> dict[str, Any]:
    """mR: the mean of the shares found among the first 1, 5 and 10, both ways."""
    known = [records[i] for i in range(len(records))]
    sentences, picture = sentences_of(known)
    retriever = Retriever(model=model, processor=processor)
    return ranked(score.metric, retriever.pictures(known) @ retriever.texts(sentences).T, picture)


def ranked(metric: str, similarity: Float[np.ndarray, "n m"], picture: np.ndarray) -> dict[str, Any]:
    """mR of similarities, in percent, from the picture that each sentence is of."""
    return interval(metric, 100 * hits(similarity, picture), lambda rows: float(rows.mean()))


def sentences_of(records: Sequence[Record]) -> tuple[list[str], np.ndarray]:
    """All captions, and the number of the record that each is of."""
    picture = np.repeat(np.arange(len(records)), [len(record.captions) for record in records])
    return [text for record in records for text in record.captions], picture


def placed(score: Score, model: Any, processor: Processor, records: Records, gallery: Records) -> dict[str, Any]:
    """Median distance between each record's place and the one chosen for it among those of the gallery."""
    known = [records[i] for i in range(len(records))]
    places = places_of(gallery)
    see = nnx.jit(lambda model, sample: head_of(model).pictures(seen_without_place(model, sample)))
    towards = np.asarray(head_of(model).pictures(model.location(places)))
    seen = []
    for start in range(0, len(known), BATCH):
        part = known[start : start + BATCH]
        full = part + part[:1] * (BATCH - len(part))
        prompts = stack([processor.prompt(record, "") for record in full])
        seen.append(np.asarray(see(model, prompts))[: len(part)])
    chosen = places[(np.concatenate(seen) @ towards.T).argmax(1)]
    return off_by(score.metric, chosen, known)


def mapped(score: Score, model: Any, processor: Processor, records: Records, gallery: Records) -> dict[str, Any]:
    """mIoU at the resolution of the model's window, each map asked for behind the model's own answer to `before`."""
    known = [records[i] for i in range(len(records))]
    before: list[tuple[tuple[str, str], ...]] = [()] * len(known)
    if score.before:
        told = answer_records(model, processor, known, [score.before] * len(known), batch_size=BATCH)
        before = [((score.before, answer.text),) for answer in told]
    rows = [confusion(model, processor, *pair) for pair in zip(known, before, strict=True)]
    side = len(known[0].mask.legend) if known[0].mask else 0
    return interval(score.metric, np.stack(rows), lambda rows: mean_iou(rows.sum(0).reshape(side, side)))


def confusion(model: Any, processor: Processor, record: Record, history: tuple[tuple[str, str], ...]) -> np.ndarray:
    """The flattened confusion matrix of one record's map of its whole legend."""
    assert record.mask is not None
    legend = record.mask.legend
    answer = " ".join(f"{plain(name)} {MASK}" for name in legend)
    sample = stack([processor.prompt(record, map_question(legend), answer, history=history)])
    logits = np.asarray(forward(model, sample).outputs["mask"]["logits"])[0, : len(legend)]
    truth = fit_mask(record.mask.class_index.astype(np.int32) + 1, logits.shape[-1]) - 1
    return confusion_matrix(truth, logits.argmax(0), len(legend)).reshape(-1)


def head_of(model: Any) -> Any:
    """The head with the joint space of pictures and places."""
    return next(opened.head for opened in model.heads.values() if hasattr(opened.head, "pictures"))


def places_of(records: Records) -> Float[np.ndarray, "m 2"]:
    """The places of a data set, each once."""
    return np.unique(np.array([records[i].location_deg for i in range(len(records))], np.float32), axis=0)


def off_by(metric: str, chosen: Float[np.ndarray, "n 2"], records: Sequence[Record]) -> dict[str, Any]:
    """Median distance in km."""
    error = distance_km(chosen, np.array([record.location_deg for record in records]))
    return interval(metric, error[:, None], lambda rows: float(np.median(rows)))


def interval(metric: str, rows: Float[np.ndarray, "n k"], measure: Callable[[np.ndarray], float]) -> dict[str, Any]:
    """A number with its 95 % interval."""
    low, high = bootstrap_interval(rows, measure)
    return {"metric": metric, "value": float(measure(rows)), "low": low, "high": high, "n": len(rows)}
