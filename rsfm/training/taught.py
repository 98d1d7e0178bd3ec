"""What a mixture of data teaches, written down for processor.json: which names of which task, of which sensors."""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rsfm.data.training.opening import open_records
from rsfm.data.training.pipeline import Records, Source, labelled
from rsfm.errors import lookup
from rsfm.processor import Processor, ProcessorConfig, Taught
from rsfm.processor.asked import LEGENDS
from rsfm.processor.config import FORMAT
from rsfm.processor.taught import joined
from rsfm.sensors.named import sensor_of
from rsfm.tasks import TASKS
from rsfm.types import Observation, Record, base_name

ANY_GSD = (0.0, 1e6)  # of data that do not tell theirs
MOST_RECORDS = 20_000  # of a source that are looked at, evenly spread


def taught(
    sources: Sequence[Source],
    config: ProcessorConfig,
    *,
    open_dataset: Callable[..., Records] = open_records,
    before: Sequence[Taught] = (),
) -> tuple[Taught, ...]:
    """Looks at the records of each source as training sees them.

    Args:
        sources: the training mixture.
        config: names the legends that it holds; any other is named by its data set.
        open_dataset: from name and split to records.
        before: what the weights that training started from were taught.
    """
    entries: list[Taught] = []
    seen: set[Taught] = set()
    for source in sources:
        if not source.tasks:  # learned from without words
            continue
        records = open_dataset(source.dataset, source.split, **source.where())
        for i in range(0, len(records), max(1, math.ceil(len(records) / MOST_RECORDS))):
            for entry in _of_record(labelled(records[i], source), source, config):
                if entry not in seen:
                    seen.add(entry)
                    entries.append(entry)
    return joined((*entries, *before))  # the newest first: of two legends with one class it is the one meant


def _of_record(record: Record, source: Source, config: ProcessorConfig) -> Iterator[Taught]:
    for task in source.tasks:
        subjects = lookup(TASKS, "task", task).subjects(record)
        if subjects is None:
            continue
        pixels = task in (*LEGENDS, "value_map")
        name = _legend_name(subjects, source, config) if task == "segmentation" else ""
        name = ", ".join(subjects) if task == "change" else name
        for sensor, gsd_m, series in _views(record.observations.items(), config, mapped=pixels):
            yield Taught(task=task, name=name, subjects=subjects, sensor=sensor, gsd_m=gsd_m, series=series)


def _legend_name(legend: tuple[str, ...], source: Source, config: ProcessorConfig) -> str:
    """The name of a map: the config's for this legend, else the data set's."""
    known = next((name for name, each in config.legends.items() if set(each) == set(legend)), "")
    return known or source.dataset.rstrip("/").split("/")[-1].replace("_", " ")


def _views(
    observations: Iterable[tuple[str, Observation]], config: ProcessorConfig, *, mapped: bool
) -> Iterator[tuple[str, tuple[float, float], bool]]:
    """(sensor, ground sampling distance from and to, single pixels) of what is read; a map leaves out some streams."""
    for sensor, each in observations:
        series = np.shape(each.values)[-3:-1] == (1, 1)
        family = sensor_of(sensor).family
        stream = next(
            (n for n, spec in config.streams.items() if family in spec.families and (spec.size == 1) == series), ""
        )
        if not mapped or not config.map_streams or stream in config.map_streams:
            gsd = float(np.asarray(each.gsd_m))
            rounded = float(f"{gsd:.3g}") if gsd > 0 and math.isfinite(gsd) else 0.0
            yield base_name(sensor), (rounded, rounded) if rounded else ANY_GSD, series


def described(processor: Processor, sources: Sequence[Source], **options: Any) -> Processor:
    """The processor of newly trained weights: it says what they were taught, and trusts nothing measured on older ones."""
    config = processor.config
    told = taught(sources, config, before=config.taught, **options)
    made = copy.copy(processor)
    made.config = dataclasses.replace(config, taught=told, maps={}, gates={}, format=FORMAT)
    return made
