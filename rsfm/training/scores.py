"""Scores of the tasks on the validation data of an experiment while it is trained, as `rsfm evaluate` gives them in the end."""

import functools
from collections.abc import Callable
from typing import Any

from rsfm.processor import Processor
from rsfm.scoring.evaluation import evaluate
from rsfm.training.experiment import ExperimentConfig, opener
from rsfm.training.state import TrainState, whole_model
from rsfm.training.taught import described


def make_scores(config: ExperimentConfig, processor: Processor) -> Callable[[TrainState], dict[str, float]]:
    """A function from a state to scores by "task/metric".

    Args:
        config: its validation sources and their tasks, `eval_records` of each.
        processor: of the training.
    """
    open_dataset = opener(config)

    @functools.cache
    def told() -> Processor:  # once: the records of training are looked through
        return described(processor, config.data, open_dataset=open_dataset)

    @functools.cache
    def records(number: int) -> Any:
        source = config.validation[number]
        where: dict[str, Any] = {"data": source.root} if source.root else {}
        where |= {"target": source.target} if source.target else {}
        return open_dataset(source.dataset, source.split, **where)

    def scores(state: TrainState) -> dict[str, float]:
        model = whole_model(state)
        found: dict[str, float] = {}
        for number, source in enumerate(config.validation):
            for task in source.tasks:
                if task != config.train.watch.partition("/")[0]:
                    continue
                rows, _ = evaluate(model, told(), records(number), task, limit=config.train.eval_records)
                found |= {f"{task}/{row['metric']}": float(row["value"]) for row in rows}
        return found

    return scores
