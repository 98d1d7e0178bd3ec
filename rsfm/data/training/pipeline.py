"""From datasets to an endless stream of batches: shuffled, augmented, mixed by weight, sharded by host, resumable.

Every batch is a function of (seed, step) alone: threads, caches and the number of hosts change the time it takes, never
what is in it. Each source is batched by itself, so that batches have few structures, and the batches are mixed by weight.
"""

import dataclasses
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import grain
import jax
import numpy as np

from rsfm.data.training.collate import collate
from rsfm.data.training.opening import open_records
from rsfm.data.training.transforms import AugmentConfig, augment, reference_size
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import Array, Mask, Record, Sample

PICTURE_STEP = np.float32(1 / 255)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """One dataset's part in a training mixture.

    Attributes:
        dataset: a name in DATASETS, or the path of a table, a series or a folder written by `prepare`; "imagery": all images
            below `root`, without labels.
        split: of the dataset.
        root: data folder of a named dataset; "" = RSFM_DATA, else shared/data beside the repository.
        target: columns of a series to predict.
        sensors: of "imagery": only what exactly these instruments saw.
        tasks: names of the tasks asked in one conversation, each where the record has the labels; () for objectives that
            need no labels.
        objectives: what is learned from the samples: keys of rsfm.objectives.OBJECTIVES.
        weight: share of the batches, relative to the other sources.
        batch_size: samples a batch, over all hosts.
        augment: what may be varied.
        cache_mb: memory for decoded records; beyond it records are decoded each time they are read.
        text_length: tokens a conversation is padded to; short ones are quicker. 0: the shortest length of the processor that
            holds all of a batch, on one host.
        rename: classes of the mask to be called otherwise, so that data sets of one meaning share words. Several names: one of
            them, not known which (a mown meadow is grass to one data set and crops to another).
        weak_masks: a picture without a mask, whose scene or tags are all keys, counts all over as one of the classes they
            name. Weak labels: farmland has its trees.
        legend: the classes asked for in a map, of which a data set may hold a part; empty: its own.
    """

    dataset: str
    split: str = "train"
    root: str = ""
    target: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ("dialogue",)
    weight: float = 1.0
    batch_size: int
    augment: AugmentConfig = AugmentConfig()
    cache_mb: int = 1024
    text_length: int = 64
    rename: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    weak_masks: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    legend: tuple[str, ...] = ()

    def where(self) -> dict[str, Any]:
        """What `open_records` is to be given beside name and split."""
        given = {"data": self.root, "target": self.target, "sensors": self.sensors}
        return {name: value for name, value in given.items() if value}


@runtime_checkable
class Records(Protocol):
    """What a dataset is to the pipeline."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Record: ...


@runtime_checkable
class Windows(Records, Protocol):
    """A dataset of scenes too large to be read whole: of each a random window is read, another one each time."""

    def window(self, i: int, rng: np.random.Generator, edge: int) -> Record: ...


class Cached:
    """A dataset that keeps its decoded records in memory up to a limit. Threads may share it."""

    def __init__(self, records: Records, limit_mb: float) -> None:
        self._records, self._limit, self._used = records, limit_mb * 2**20, 0
        self._kept: dict[int, _Packed] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, i: int) -> Record:
        kept = self._kept.get(i)
        if kept is not None:
            return kept.record()
        record = self._records[i]
        packed = _Packed(record)
        with self._lock:
            if i not in self._kept and self._used + packed.nbytes <= self._limit:
                self._kept[i] = packed
                self._used += packed.nbytes
        return record


class _Packed:
    """A record, picture values as the bytes they were read from where that loses nothing: a quarter of the memory."""

    def __init__(self, record: Record) -> None:
        leaves, self._structure = jax.tree.flatten(record.observations)
        self._leaves = [_pack(leaf) for leaf in leaves]
        self._rest = replace(record, observations={})
        mask = () if record.mask is None else (record.mask.class_index,)
        numbers = () if record.value_map is None else (record.value_map.values,)
        labels = (*mask, *numbers, *record.images.values())
        self.nbytes = sum(np.asarray(array).nbytes for array in (*self._leaves, *labels))

    def record(self) -> Record:
        leaves = [_unpack(leaf) for leaf in self._leaves]
        return replace(self._rest, observations=jax.tree.unflatten(self._structure, leaves))


def make_batches(
    sources: Sequence[Source],
    to_sample: Callable[[Record, Any, int], Sample],
    *,
    converse: Callable[[tuple[str, ...], Record, np.random.Generator], Any],
    seed: int,
    host: int = 0,
    hosts: int = 1,
    threads: int = 2,
    open_dataset: Callable[..., Records] = open_records,
) -> grain.DatasetIterator[Sample]:
    """An endless iterator of stacked Samples. `get_state()` is JSON-able; `set_state` goes on with the same numbers.

    Args:
        sources: the mixture.
        to_sample: from a record, its conversation and its source's text_length to a Sample (`Processor.sample`).
        converse: from task names, record and random numbers to a conversation, or None (`rsfm.tasks.converse`).
        seed: of order, augmentation and wording.
        host, hosts: this process reads rows [host, host + 1) / hosts of each batch.
        threads: readers.
        open_dataset: from name and split, with the source's root as `data`, its `target` and `sensors`, to records.

    Example:
        >>> batches = make_batches(config.sources, processor.sample, converse=rsfm.tasks.converse, seed=0)
        >>> sample = next(batches)
    """
    if not sources:
        raise UserError("The mixture is empty: expected at least one source. Add one to `sources`.")
    parts = []
    for number, source in enumerate(sources):
        records = open_dataset(source.dataset, source.split, **source.where())
        records = records if isinstance(records, Windows) else Cached(records, float(source.cache_mb))
        parts.append(_batches(source, records, to_sample, converse, seed=seed + 1000 * number, host=host, hosts=hosts))
    mixed = parts[0] if len(parts) == 1 else grain.MapDataset.mix(parts, weights=[source.weight for source in sources])
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * max(threads, 1))
    return iter(mixed.to_iter_dataset(options))


def _batches(
    source: Source, records: Records, to_sample: Callable, converse: Callable, *, seed: int, host: int, hosts: int
) -> grain.MapDataset:
    """The endless batches of one source, this host's rows of each."""
    if not len(records):
        raise UserError(f"{source.dataset} {source.split}: expected records, found none. Check data folder and split.")
    if source.batch_size % hosts:
        raise UserError(
            f"{source.dataset}: batch_size {source.batch_size} cannot be shared by {hosts} hosts. "
            f"Use a multiple of {hosts}."
        )
    if hosts > 1 and not source.text_length:
        raise UserError(
            f"{source.dataset}: text_length 0 is for one host. Give a length, e.g. 192: hosts must agree on it."
        )
    share = source.batch_size // hosts

    def element(drawn: tuple[int, int]) -> Sample:
        index, number = drawn
        rng = np.random.default_rng(number)
        step = _stride(len(records))  # neighbours often share what they lack
        for skip in range(len(records)):
            record = read(records, (index + skip * step) % len(records), rng, source.augment)
            record = augment(labelled(record, source), rng, source.augment)
            dialogue = converse(source.tasks, record, rng)
            if dialogue is not None:
                return replace(to_sample(record, dialogue, source.text_length), objectives=source.objectives)
        raise UserError(
            f"{source.dataset} {source.split}: no record has labels for the tasks {', '.join(source.tasks)}. "
            "See `rsfm data list` for the tasks of each dataset."
        )

    # Drawn for each place in the order, before hosts take their rows: a batch is the same however it is shared.
    order = grain.MapDataset.range(len(records)).seed(seed).shuffle().repeat()
    drawn = order.random_map(lambda index, rng: (int(index), int(rng.integers(2**62))))
    rows = drawn.batch(source.batch_size, batch_fn=lambda batch: batch[host * share : (host + 1) * share])
    return rows.map(lambda batch: collate([element(each) for each in batch]))


def read(records: Records, i: int, rng: np.random.Generator, config: AugmentConfig) -> Record:
    """Record i; of a scene too large for that a window as large as the augmentation cuts its own from."""
    if isinstance(records, Windows):
        return records.window(i, rng, math.ceil(config.crop * (1 + config.zoom)))
    return records[i]


def _stride(count: int) -> int:
    """A step that visits all of `count` places before it comes back, far from the last ones each time."""
    return next(step for step in range(max(1, round(0.618 * count)), count + 2) if math.gcd(step, count) == 1)


def labelled(record: Record, source: Source) -> Record:
    """The record with its mask in the source's words and legend; pixels of classes outside the legend have no label."""
    if record.mask is not None:
        shown, names = record.mask.class_index, [source.rename.get(name, (name,)) for name in record.mask.legend]
        if not (source.rename or source.legend):
            return record
    else:
        said = (record.scene,) if record.scene else record.tags
        if not said or not all(name in source.weak_masks for name in said):
            return record
        shown = np.zeros(reference_size(record), np.int64)
        names = [tuple(dict.fromkeys(name for each in said for name in source.weak_masks[each]))]
    legend = source.legend or tuple(dict.fromkeys(name for each in names for name in each))
    places, either = [], list[tuple[int, ...]]()
    for each in names:
        classes = tuple(legend.index(name) for name in each if name in legend)
        if len(classes) < len(each):
            places.append(-1)
        elif len(classes) == 1:
            places.append(classes[0])
        else:
            places.append(len(legend) + len(either))
            either.append(classes)
    table = np.array([*places, -1])  # class_index -1 reads the last entry
    return dataclasses.replace(record, mask=Mask(class_index=table[shown], legend=legend, either=tuple(either)))


def _pack(values: Array) -> Array:
    if values.ndim < 4 or values.dtype != np.float32 or not (values.min() >= 0 and values.max() <= 1):
        return values
    packed = np.rint(values * 255).astype(np.uint8)
    return packed if np.array_equal(_unpack(packed), values) else values


def _unpack(values: Array) -> Array:
    return values.astype(np.float32) * PICTURE_STEP if values.dtype == np.uint8 else values
