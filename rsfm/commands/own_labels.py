"""One's own pictures and labels, made a data set inside the run folder for `rsfm finetune`."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from rsfm.commands.outputs import columns
from rsfm.data.addresses import check_local
from rsfm.data.labels import LabelOptions
from rsfm.data.labels.description import NAME, Description, Reading
from rsfm.data.labels.drawing import class_table, draw_split
from rsfm.data.labels.gather import gather
from rsfm.errors import UserError
from rsfm.training.log import read_rows
from rsfm.training.resume import check_folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own:
    """What the options of `rsfm finetune` say of one's own pictures; see there."""

    images: tuple[Path, ...]
    labels: Path | None
    label_column: str
    classes: str
    background: str
    buffer_m: float
    name: str
    block_m: float
    sensor: str | None
    unit: str | None
    bands: tuple[str, ...]
    gsd_m: float | None
    series: bool


NOTHING = Own(
    images=(), labels=None, label_column="", classes="", background="", buffer_m=0.0, name="", block_m=0.0, sensor=None,
    unit=None, bands=(), gsd_m=None, series=False,
)  # fmt: skip


def check_own(own: Own, dataset: str, data: Path | None, target: tuple[str, ...]) -> None:
    """Refuses options that nothing would read."""
    given = [f.name for f in dataclasses.fields(Own) if getattr(own, f.name) != getattr(NOTHING, f.name)]
    if given and not own.images:
        raise UserError(
            f"--{given[0].replace('_', '-')} is of your own pictures, and there are none. Give --images with it."
        )
    if own.images and (dataset or data or target):
        other = "--dataset" if dataset else "--data" if data else "--target"
        raise UserError(
            f"--images and {other}: expected one of them. A table of pictures goes alone: --data labels.csv."
        )
    if own.buffer_m < 0 or own.block_m < 0:
        raise UserError(f"--buffer-m {own.buffer_m:g}, --block-m {own.block_m:g}: expected metres, 0 or more.")


@contextlib.contextmanager
def own_data(own: Own, checkpoint: str, out: Path, *, resume: bool, change: bool) -> Iterator[Path]:
    """Makes the data set for a checkpoint's window; see `described_data`."""
    from rsfm.pretrained import load_foundation

    check_local(out)
    check_folder(out, resume=resume)
    streams = load_foundation(checkpoint).processor.config.streams
    description = gather(
        own.images,
        own.labels,
        LabelOptions(column=own.label_column, buffer_m=own.buffer_m, classes=own.classes, background=own.background),
        name=own.name,
        reading=Reading(sensor=own.sensor, unit=own.unit, bands=own.bands, gsd_m=own.gsd_m, series=own.series),
        edge=max(stream.size for stream in streams.values()),
        block_m=own.block_m,
    )
    with described_data(description, out, resume=resume, change=change) as file:
        yield file


@contextlib.contextmanager
def described_data(description: Description, out: Path, *, resume: bool, change: bool) -> Iterator[Path]:
    """OUT/data with labels.json and split.png, counted on stdout; taken away again where no step was trained.

    Args:
        description: of the data set.
        out: run folder.
        resume: the run there goes on, with the same data.
        change: it may go on with other data.

    Yields:
        labels.json.

    Raises:
        UserError: the run in the folder was started with other data.
    """
    file, made = out / "data" / NAME, not out.exists()
    if file.exists() and resume and not change and Description.load(file) != description:
        raise UserError(
            f"{file}: pictures, labels or options are not those that the run was started with. Give the same, or --change."
        )
    tell(description)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draw_split(description, file.parent / "split.png")
        description.save(file)
        yield file
    except BaseException:
        if not read_rows(out / "metrics.jsonl"):
            shutil.rmtree(out if made else file.parent, ignore_errors=True)
        raise


def tell(description: Description) -> None:
    """Prints classes, splits and notes."""
    print(*(f"note: {note}" for note in description.notes), sep="\n", end="\n" * bool(description.notes))
    blocks = len({place.block for place in description.places})
    print(f"{len(description.pictures)} pictures, {len(description.places)} places in {blocks} blocks of ground")
    print(columns(class_table(description)))
    lacking = [split for split in ("val", "test") if all(place.split != split for place in description.places)]
    if lacking:
        print(f"note: too few blocks with labels: nothing is held out for {' and '.join(lacking)}. See --block-m")
