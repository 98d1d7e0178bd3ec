"""The windows of a scene of any size, read through a head that lies on the ground, one batch after the other.

b windows run at once · h w pixels
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from rsfm.answer import dates
from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import Footprint, RecordFootprint
from rsfm.errors import UserError
from rsfm.heads import HEADS, Canvas, Head, Window
from rsfm.heads.scene import Tiling
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Plan, Processor
from rsfm.types import Record, Sample


def plan_head(processor: Processor, plan: Plan) -> tuple[str, type[Head]]:
    """Name and kind of the head that a plan's answer opens.

    Raises:
        UserError: the checkpoint has no such head.
    """
    name = processor.config.head(plan.token)
    if not name:
        raise UserError(
            f"This checkpoint has no head that {plan.token} opens, so '{plan.asked}' cannot be asked of it."
        )
    return name, HEADS[processor.config.heads[name].kind or name]


def scene_windows(
    model: FoundationModel,
    processor: Processor,
    footprint: Footprint,
    plan: Plan,
    *,
    probability: bool = False,
    overlap: float = 0.25,
    batch_size: int = 16,
    progress: bool = False,
) -> tuple[Iterator[Window], Canvas]:
    """What a dense head gives for every window of a footprint of any size, and the canvas to join them on.

    Nothing is run before the first window is asked for; one batch of windows is in memory, one compilation serves all.

    Args:
        model: weights.
        processor: of the same checkpoint.
        footprint: of any size.
        plan: the turn every window is asked; its answer opens the head.
        probability: what takes much memory is wanted, too, see Canvas.
        overlap: least share of a window's edge that neighbours have in common.
        batch_size: most windows to run at once.
        progress: show a bar on stderr.
    """
    name, kind = plan_head(processor, plan)
    corner = footprint.read((0, 0, 2, 2))
    probe = processor.for_map(corner)
    processor = dates.bucketed(processor, probe, edge=max(footprint.height, footprint.width))
    size, batch_size = processor.stream_size(probe), dates.windows_together(processor, probe, batch_size)
    dates.check_memory(processor, probe)
    tiling = Tiling(height=footprint.height, width=footprint.width, size=size, overlap=overlap)

    def run(records: list[Record]) -> Sequence[Any]:
        return _over_dates(model, processor, records, plan, name, kind, tiling.batch_size(batch_size))

    def prepare(window: Record) -> Record:
        record = processor.for_map(window)
        return dates.comparable(processor, record) if plan.compares else record

    options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    windows = read_windows(footprint, tiling, run, prepare=prepare, **options)
    return windows, canvas(footprint, tiling, plan, probability=probability)


def canvas(footprint: Footprint, tiling: Tiling, plan: Plan, *, probability: bool = False) -> Canvas:
    """What a head has to know of a footprint to join its windows."""
    return Canvas(
        tiling=tiling,
        grid=footprint.grid,
        gsd_m=gsd_of(footprint),
        question=plan.asked,
        subjects=plan.legend,
        quantity=plan.quantity,
        probability=probability,
    )


def gsd_of(footprint: Footprint) -> float:
    """Metres of a pixel's edge, of the first sensor; NaN where unknown."""
    return float(next(iter(footprint.read((0, 0, 1, 1)).observations.values())).gsd_m)


def read_windows(
    footprint: Footprint,
    tiling: Tiling,
    run: Callable[[list[Record]], Sequence[Any]],
    *,
    prepare: Callable[[Record], Record] = lambda record: record,
    batch_size: int = 16,
    progress: bool = False,
) -> Iterator[Window]:
    """Runs a model over the windows of a footprint, row by row from the top left.

    Args:
        footprint: of any size.
        tiling: its windows.
        run: a value for each of up to `tiling.batch_size(batch_size)` windows; never called with none.
        prepare: takes from a window what the model does not read; what it leaves decides where there is data.
        batch_size: most windows to run at once.
        progress: show a bar on stderr.

    Raises:
        UserError: after the last window, where none held data.
    """
    anything = False
    with tqdm(total=len(tiling), unit="window", disable=None if progress else True, leave=False) as bar:
        for i, columns in tiling.batches(batch_size):
            records = [prepare(record) for record in _cut(footprint, tiling, i, columns)]
            valid = [_any_valid(record, tiling.size) for record in records]
            full = [k for k, seen in enumerate(valid) if seen.any()]  # on windows without data no time is spent
            values = dict(zip(full, run([records[k] for k in full]), strict=True)) if full else {}
            anything = anything or bool(full)
            bar.update(len(columns))
            for k, j in enumerate(columns):
                yield Window(row=i, column=j, valid=valid[k], value=values.get(k))
    if not anything:
        raise UserError("Every pixel of the scene is nodata. Check the file's nodata value and its masks.")


def _over_dates(
    model: FoundationModel,
    processor: Processor,
    records: list[Record],
    plan: Plan,
    name: str,
    kind: type[Head],
    batch: int,
) -> Sequence[Any]:
    """Values of windows; those of a long series are put together from chunks of its dates, weighed by what they show."""
    values, weights = list[Sequence[Any]](), list[list[float]]()
    for part in zip(*(dates.chunks(processor, record) for record in records), strict=True):
        samples = [processor.prompt(record, plan.asked, plan.answer) for record in part]
        values.append(run_windows(model, samples, batch, name, kind, plan.spans))
        if all(one is record for one, record in zip(part, records, strict=True)):
            return values[0]
        weights.append([float(_seen_pixels(record)) for record in part])
    table = np.array(weights)
    return [kind.over_dates([each[i] for each in values], table[:, i]) for i in range(len(records))]


def run_windows(
    model: FoundationModel, samples: list[Sample], batch: int, name: str, kind: type[Head], spans: int
) -> Sequence[Any]:
    """Values of up to `batch` windows, padded to exactly that many so that one compilation serves all."""
    padded = samples + [samples[0]] * (batch - len(samples))
    return kind.decode(forward(model, stack(padded)).outputs[name], spans)[: len(samples)]


def _seen_pixels(record: Record) -> int:
    return sum(int(each.valid.sum()) for each in record.observations.values())


def _cut(footprint: Footprint, tiling: Tiling, i: int, columns: tuple[int, ...]) -> list[Record]:
    """The windows of one batch out of a single read: neighbours share pixels, and files are read by blocks."""
    top, lefts, size = tiling.rows[i], [tiling.columns[j] for j in columns], tiling.size
    together = RecordFootprint(footprint.read((top, lefts[0], size, lefts[-1] - lefts[0] + size)))
    return [
        dataclasses.replace(
            together.read((0, left - lefts[0], size, size)), location_deg=footprint.location((top, left, size, size))
        )
        for left in lefts
    ]


def _any_valid(record: Record, size: int) -> Bool[np.ndarray, "h w"]:
    """Pixels at which some sensor has data at some date."""
    valid = np.zeros((size, size), bool)
    for observation in record.observations.values():
        seen = observation.valid.any(axis=-3)
        if seen.shape == valid.shape:
            valid |= seen
    return valid
