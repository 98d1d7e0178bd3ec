"""Scores of a model on a data set: one question a record, the task's own statistics, intervals by resampling units."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from rsfm.answer.predict import predict
from rsfm.answer.regions import without_tokens
from rsfm.answer.words import answer_records
from rsfm.data.training.pipeline import Records
from rsfm.errors import UserError, lookup
from rsfm.metrics import bootstrap_interval
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.processor.plan import ground_plan
from rsfm.tasks import TASKS, Task
from rsfm.types import Answer, Record

# The rules of split and scoring under which numbers compare; the split's name where there is one way only.
PROTOCOLS: Mapping[str, str] = {
    "aid_rsicd": "published",
    "fuel_moisture": "published",
    "indian_pines": "disjoint30-seed0",
    "terramesh": "tile-out",
    "gedi_chip": "blocks",
    "levir_cd": "whole",
    "landsat_change": "whole",
    "heterogeneous_change": "whole",
}


@runtime_checkable
class CorpusTask(Protocol):
    """A task that scores an answer by all the records it is scored with, as CIDEr-D does."""

    def corpus_statistics(self, records: Sequence[Record], answers: Sequence[Answer]) -> np.ndarray:
        """What the metrics need, a row for each record that has the labels."""
        ...


def statistics_of(task: Task, records: Sequence[Record], answers: Sequence[Answer]) -> np.ndarray:
    """What a task's metrics need of the answers to these records."""
    if isinstance(task, CorpusTask):
        return task.corpus_statistics(records, answers)
    return _joined(
        [task.statistics(record, answer) for record, answer in zip(records, answers, strict=True)], task.name
    )


def _joined(parts: Sequence[np.ndarray], task: str) -> np.ndarray:
    """The rows of all records; those without labels have none, whatever their width."""
    filled = [rows for rows in parts if len(rows)]
    if len({rows.shape[1] for rows in filled}) > 1:
        raise UserError(
            f"The records' labels for '{task}' have different classes, so no one score holds for all. Give all records one "
            "legend."
        )
    return np.concatenate(filled) if filled else np.zeros((0, 1))


def evaluate(
    model: FoundationModel,
    processor: Processor,
    records: Records,
    task: str,
    *,
    batch_size: int = 32,
    limit: int | None = None,
    progress: bool = False,
) -> tuple[list[dict[str, Any]], list[Answer]]:
    """Asks the task's question of every record and scores the answers.

    Args:
        model: weights.
        processor: of the same checkpoint.
        records: a data set's split; read one at a time.
        task: key of TASKS.
        batch_size: records, or windows of a map, answered at once.
        limit: the first so many records only.
        progress: show a bar on stderr.

    Returns:
        For each metric of the task {metric, value, low, high, n, higher_is_better}, and the answers in order.
    """

    def answers(asked: Task, count: int) -> Iterator[tuple[int, Record, Answer]]:
        for batch in batches(processor, records, count, batch_size):
            questions = {i: asked.question(record) for i, record in batch}
            for i, answer in _answered(model, processor, batch, questions, batch_size):
                yield i, dict(batch)[i], answer

    return scores_of(answers, records, task, limit=limit, progress=progress)


def evaluate_each(
    predict_one: Callable[[Record, str], Answer],
    records: Records,
    task: str,
    *,
    limit: int | None = None,
    progress: bool = False,
) -> tuple[list[dict[str, Any]], list[Answer]]:
    """As `evaluate`, of anything that answers a question about a record."""

    def answers(asked: Task, count: int) -> Iterator[tuple[int, Record, Answer]]:
        for i in range(count):
            record = records[i]
            yield i, record, predict_one(record, asked.question(record))

    return scores_of(answers, records, task, limit=limit, progress=progress)


def scores_of(
    answers_of: Callable[[Task, int], Iterator[tuple[int, Record, Answer]]],
    records: Records,
    task: str,
    *,
    limit: int | None,
    progress: bool,
) -> tuple[list[dict[str, Any]], list[Answer]]:
    """Scores answers as they come.

    Args:
        answers_of: number, record and answer of the first so many records, in any order.
        records, task, limit, progress: as of `evaluate`, which also says what is returned.
    """
    asked = lookup(TASKS, "task", task)
    count = len(records) if limit is None else min(limit, len(records))
    if not count:
        raise UserError("Nothing to score: the split holds no record. Check --split and --limit.")
    answers: dict[int, Answer] = {}
    statistics: dict[int, np.ndarray] = {}
    told: dict[int, Record] = {}  # of a task that needs all records at once; without their pictures
    units = 0
    with tqdm(total=count, unit="record", disable=None if progress else True, leave=False) as bar:
        for i, record, answer in answers_of(asked, count):
            answers[i] = answer
            bar.update(1)
            if isinstance(asked, CorpusTask):
                told[i] = dataclasses.replace(record, observations={}, images={})
                continue
            statistics[i] = asked.statistics(record, answer)
            if len(statistics[i]):
                units += _labels(record, answer)
    if isinstance(asked, CorpusTask):
        rows = asked.corpus_statistics([told[i] for i in range(count)], [answers[i] for i in range(count)])
        units = len(rows)
    else:
        rows = _joined([statistics[i] for i in range(count)], task)
    if not len(rows):
        raise UserError(f"The records hold no label for the task '{task}'. Choose another --task.")
    scores = []
    for name, metric in asked.metrics.items():
        low, high = bootstrap_interval(rows, metric)
        score: dict[str, Any] = {"metric": name, "value": float(metric(rows)), "low": low, "high": high, "n": units}
        scores.append(score | {"higher_is_better": asked.higher_is_better[name]})
    return scores, [answers[i] for i in range(count)]


def batches(processor: Processor, records: Records, count: int, batch_size: int) -> Iterator[list[tuple[int, Record]]]:
    """Records with their numbers, together where they make one batch: the same streams and as many dates.

    Numbers come in order inside a batch. A record that is asked for a map makes a batch of its own.
    """
    waiting: dict[tuple[Any, ...], list[tuple[int, Record]]] = {}
    for i in range(count):
        record = records[i]
        key = tuple(
            sorted((processor.stream(name, each), each.values.shape[-4]) for name, each in record.observations.items())
        )
        group = waiting.setdefault(key, [])
        group.append((i, record))
        if len(group) == batch_size:
            yield waiting.pop(key)
    yield from waiting.values()


def _labels(record: Record, answer: Answer) -> int:
    """What an answer is scored by: the labelled pixels under a map, one for words."""
    label = record.mask if answer.mask is not None else record.value_map if answer.value_map is not None else None
    return 1 if label is None else int((label.class_index >= 0).sum())


def result_row(
    score: Mapping[str, Any],
    *,
    checkpoint: str,
    dataset: str,
    split: str,
    command: str,
    seed: int = 0,
    pieces: int = 0,
) -> dict[str, Any]:
    """A score as a row of rsfm.scoring.results; of windows of `pieces` pixels the protocol is "windows-256"."""
    kept = {key: score[key] for key in ("metric", "value", "low", "high", "n")}
    for bound in ("low", "high"):  # NaN where resampling gave no score
        kept[bound] = None if kept[bound] != kept[bound] else kept[bound]
    named = {"config": checkpoint, "model": checkpoint, "command": command, "dataset": dataset, "split": split}
    protocol = f"windows-{pieces}" if pieces else PROTOCOLS.get(dataset, split)
    return {**named, "protocol": protocol, "seeds": [seed], **kept}


def _mapped(processor: Processor, question: str, record: Record) -> bool:
    """Whether the answer to a question lies on the ground."""
    return ground_plan(processor.config, processor.asked(question, record)) is not None


def _answered(
    model: FoundationModel,
    processor: Processor,
    batch: Sequence[tuple[int, Record]],
    questions: Mapping[int, str],
    batch_size: int,
) -> Iterator[tuple[int, Answer]]:
    """Maps go window by window as in prediction; words are generated a batch at a time."""
    maps = [(i, record) for i, record in batch if _mapped(processor, questions[i], record)]
    mapped = {i for i, _ in maps}
    words = [(i, record) for i, record in batch if i not in mapped]
    for i, record in maps:
        yield i, predict(model, processor, record, questions[i], batch_size=batch_size)
    if words:
        found = answer_records(
            model, processor, [record for _, record in words], [questions[i] for i, _ in words], batch_size=batch_size
        )
        plain = [dataclasses.replace(answer, text=without_tokens(answer.text)) for answer in found]
        yield from zip([i for i, _ in words], plain, strict=True)
