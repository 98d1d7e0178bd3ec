"""What one gets without learning: the answer most given in training, the captions of like pictures, the middle of all places.

n records · k features
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.baselines import picture_statistics
from experiments.captions import nearest
from experiments.retrieval import neighbours_similarity
from experiments.systems.scores import Score, Spread, off_by, places_of, ranked, sentences_of
from rsfm.data.training.pipeline import Records
from rsfm.errors import lookup
from rsfm.heads.contrastive import RET
from rsfm.metrics.geolocation import distance_km
from rsfm.scoring.evaluation import evaluate_each
from rsfm.tasks import TASKS, Task
from rsfm.types import Answer, Mask, Record, Value

LOOKED_AT = 1500  # training records, evenly spread


def baseline(score: Score, open_dataset: Callable[..., Records]) -> tuple[str, dict[str, Any]]:
    """The name of the method, and its {metric, value, low, high, n}."""
    records = Spread(open_dataset(score.dataset, score.split), score.limit)
    known = Spread(open_dataset(score.dataset, score.gallery), LOOKED_AT)
    if task := score.task or ("segmentation" if score.kind == "map" else ""):
        rows, _ = evaluate_each(Prior(TASKS[task], known).answer, records, task)
        return "most frequent answer of training", next(row for row in rows if row["metric"] == score.metric)
    return lookup({"retrieval": neighbours, "place": middle}, "kind of score", score.kind)(score, records, known)


class Prior:
    """Answers without looking: what training gives most often to the same question, else to any; of numbers the mean, of maps the
    class with most pixels."""

    def __init__(self, task: Task, records: Records) -> None:
        self.texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.values: defaultdict[str, list[float]] = defaultdict(list)
        self.pixels: Counter[str] = Counter()
        rng = np.random.default_rng(0)
        for i in range(len(records)):
            record = records[i]
            if record.mask is not None:
                self.pixels.update(dict(zip(record.mask.legend, record.mask.shares, strict=True)))
            known = task.dialogue(record, rng)
            for question, answer in () if known is None else known.turns:
                self.texts[question][answer] += 1
                self.texts[""][answer] += 1
            for span in () if known is None else known.spans:
                if isinstance(span, Value):
                    self.values[span.name].append(span.value)

    def answer(self, record: Record, question: str) -> Answer:
        """The same for every record of a question."""
        counts = self.texts.get(question) or self.texts[""]
        text = counts.most_common(1)[0][0] if counts else ""
        means = tuple(Value(name=v.name, value=self._mean(v.name), unit=v.unit) for v in record.values)
        return Answer(question=question, text=text, values=means, mask=self._map(record))

    def _mean(self, name: str) -> float:
        return float(np.mean(self.values.get(name) or [0.0]))

    def _map(self, record: Record) -> Mask | None:
        if record.mask is None:
            return None
        most = max(record.mask.legend, key=lambda name: self.pixels[name])
        index = np.full_like(record.mask.class_index, record.mask.legend.index(most))
        return dataclasses.replace(record.mask, class_index=index, either=())


def neighbours(score: Score, records: Records, known: Records) -> tuple[str, dict[str, Any]]:
    """Sentences by the words of the captions of pictures alike in colour and texture."""
    train, asked = ([part[i] for i in range(len(part))] for part in (known, records))
    seen, looked = (np.stack([picture_statistics(_picture(record)) for record in part]) for part in (train, asked))
    captions = [[text.replace(RET, "") for text in record.captions] for record in train]
    sentences, picture = sentences_of(asked)
    similarity = neighbours_similarity(captions, nearest(seen, looked, cosine=False), sentences)
    return "captions of ten pictures alike in statistics", ranked(score.metric, similarity, picture)


def middle(score: Score, records: Records, known: Records) -> tuple[str, dict[str, Any]]:
    """The one training place with the least distance to all others."""
    places, asked = places_of(known), [records[i] for i in range(len(records))]
    reach = distance_km(places[:, None], places[None]).sum(1)
    chosen = np.repeat(places[reach.argmin()][None], len(asked), axis=0)
    return "the place nearest to all", off_by(score.metric, chosen, asked)


def _picture(record: Record) -> np.ndarray:
    return np.asarray(next(iter(record.observations.values())).values)[0]
