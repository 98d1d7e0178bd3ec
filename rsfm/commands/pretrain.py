"""`rsfm pretrain`: an encoder trained further, or from nothing, on a folder of images without labels."""

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import tyro

from rsfm.errors import UserError, lookup

HEAD = "reconstruction"  # predicts what is hidden; of training only, and not in the checkpoint


def pretrain(
    folder: tyro.conf.Positional[Path],
    *,
    out: Path,
    from_: Annotated[str, tyro.conf.arg(name="from")] = "nano",
    size: str = "",
    objective: str = "masked",
    steps: int = 1000,
    batch_size: int = 16,
    learning_rate: float = 3e-4,
    freeze: tuple[str, ...] = (),
    resume: bool = False,
    change: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Trains an encoder on all images below a folder, which need no labels: GeoTIFF, NetCDF, ENVI, products, pictures, any
    sensors mixed.

    Windows are cut at random; no scene is read whole. Images of one sensor on one grid are dates of a place, those of
    several sensors on it streams of one sample. One place in ten is held out for the loss in evaluation.jsonl. Images that
    cannot be read are listed and skipped. The run folder then serves as a checkpoint whose encoder is trained and whose
    words are not: fine-tune it.

    Any field of the training config can be set by its dotted name, as in `rsfm train`.

    Example:
        rsfm pretrain scenes --out runs/mine
        rsfm pretrain scenes --out runs/mine --objective latent --steps 20000 --resume
        rsfm pretrain scenes --out runs/own --size tiny --objective incomplete
        rsfm finetune runs/mine --data labels.csv --out runs/cover
        rsfm train debug --init-from runs/mine --out runs/debug

    Args:
        folder: of the images, at any depth.
        out: run folder.
        from_: name of a shipped checkpoint, or a folder, to start from.
        size: start from random weights of this size (nano, tiny, small, base, large) instead, without the ImageNet pyramid.
        objective: masked, tubes, incomplete, dates, bands, encoded, latent or projected; see rsfm/training/recipes.py.
        steps: optimizer steps.
        batch_size: windows a step.
        learning_rate: highest of the schedule.
        freeze: patterns of parameter names that are left as they are.
        resume: go on from the last state in the run folder.
        change: with --resume: go on though images or settings differ from the run's.
        overrides: fields of the config by dotted name.
    """
    from rsfm.commands.train import check_overrides
    from rsfm.commands.words import command_line
    from rsfm.data.addresses import check_local
    from rsfm.training import loop
    from rsfm.training.overrides import apply_overrides
    from rsfm.training.recipes import RECIPES

    command = command_line("rsfm pretrain", pretrain, locals(), without=("resume", "change"))
    recipe = lookup(RECIPES, "pretraining objective", objective)
    check_local(folder)
    check_local(out)  # before all images are opened
    check_start(from_, size)
    skipped(folder)
    config = start(out.name, from_, size)
    kinds = look_at(folder, config.model)
    config = experiment(
        config, folder, kinds, recipe, steps=steps, batch_size=batch_size, learning_rate=learning_rate, freeze=freeze
    )
    config = apply_overrides(config, overrides)
    check_overrides(config, overrides)
    trained = loop.train(config, out, resume=resume, change=change)
    if trained.exit_code == 0:
        export(trained, out, config, command)
    return trained.exit_code


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Images of one set of instruments.

    Attributes:
        sensors: the instruments.
        streams: that read them.
        windows: of the training split in an epoch.
        held_out: whether the validation split has some.
    """

    sensors: tuple[str, ...]
    streams: tuple[str, ...]
    windows: int
    held_out: bool


def check_start(checkpoint: str, size: str) -> None:
    """Refuses what names neither a checkpoint nor a size, before all images are opened."""
    from rsfm.models.sizes import SIZES
    from rsfm.pretrained import find

    if size:
        lookup(SIZES, "size", size)
    else:
        find(checkpoint)


def skipped(folder: Path) -> None:
    """Opens all images, and tells which of them cannot be read."""
    from rsfm.data.datasets.imagery import Imagery

    for line in Imagery(folder, "train").notes:
        print(f"skipped: {line}", file=sys.stderr)


def look_at(folder: Path, model: Any) -> list[Kind]:
    """What is in the folder, and what of it the model does not read."""
    from rsfm.data.datasets.base import EmptySplit
    from rsfm.data.datasets.imagery import Imagery

    records = Imagery(folder, "train")
    try:
        held = set(Imagery(folder, "val").kinds)
    except EmptySplit:
        held = set()
    kinds = []
    for sensors, windows in records.kinds.items():
        streams = tuple(dict.fromkeys(_stream(sensor, model) for sensor in sensors))
        if "" in streams:
            print(f"skipped: {' with '.join(sensors)}: the model has no stream for it", file=sys.stderr)
            continue
        kinds.append(Kind(sensors=sensors, streams=streams, windows=windows, held_out=sensors in held))
    if not kinds:
        raise UserError(
            f"{folder}: the model reads none of the images' sensors. Its streams: {', '.join(model.streams)}."
        )
    for kind in kinds:
        print(
            f"{' with '.join(kind.sensors)}: {kind.windows} windows an epoch{'' if kind.held_out else ', none held out'}"
        )
    return kinds


def _stream(sensor: str, model: Any) -> str:
    """The stream of pictures that reads a sensor; "" where the model has none, or one with too few bands."""
    from rsfm.sensors.named import sensor_of

    found = sensor_of(sensor)
    for name, stream in model.streams.items():
        if found.family in stream.spec.families and stream.spec.size > 1:
            return str(name) if len(found.bands) <= stream.spec.bands else ""
    return ""


def start(name: str, checkpoint: str, size: str) -> Any:
    """Model, processor, tokenizer and first weights: those of a checkpoint, or of a size with random weights."""
    from rsfm.models.sizes import SIZES
    from rsfm.pretrained import find, load_foundation
    from rsfm.processor import ProcessorConfig
    from rsfm.processor.fitted import fitted_statistics
    from rsfm.training.experiment import ExperimentConfig

    if size:
        processor = ProcessorConfig(streams={}, statistics=fitted_statistics())
        return ExperimentConfig(name=name, model=_without_pyramid(lookup(SIZES, "size", size)), processor=processor)
    loaded, folder = load_foundation(checkpoint), find(checkpoint).absolute()
    tokenizer, weights = str(folder / "tokenizer"), str(folder)
    return ExperimentConfig(
        name=name, model=loaded.config, processor=loaded.processor.config, tokenizer=tokenizer, init_from=weights
    )


def _without_pyramid(model: Any) -> Any:
    """The model with a spectral tokenizer that learns from pixels alone."""
    streams = {
        name: dataclasses.replace(stream, options={k: v for k, v in stream.options.items() if k != "pyramid"})
        for name, stream in model.streams.items()
    }
    return dataclasses.replace(model, streams=streams)


def experiment(
    begun: Any,
    folder: Path,
    kinds: Iterable[Kind],
    recipe: Any,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    freeze: tuple[str, ...],
) -> Any:
    """What to start from with a head that predicts what is hidden, on every kind of images."""
    from rsfm.data.training.opening import IMAGERY
    from rsfm.data.training.pipeline import Source
    from rsfm.data.training.transforms import AugmentConfig
    from rsfm.heads import HeadConfig
    from rsfm.training.config import OptimizerConfig, TrainConfig

    kinds, model = list(kinds), begun.model
    head = HeadConfig(
        kind=HEAD, options={"outputs": dict.fromkeys(recipe.targets, 0), "width": min(128, model.encoder.width)}
    )
    model = dataclasses.replace(model, heads={**model.heads, HEAD: head})
    sources = []
    for kind in kinds:
        crop = max(model.streams[name].spec.size for name in kind.streams)
        source = Source(
            dataset=IMAGERY,
            root=str(folder.absolute()),
            sensors=kind.sensors,
            weight=float(kind.windows),
            batch_size=batch_size,
        )
        augment = AugmentConfig(crop=crop, dates=recipe.dates)
        sources.append(dataclasses.replace(source, objectives=(recipe.objective,), augment=augment, text_length=8))
    held = tuple(
        dataclasses.replace(source, split="val", augment=dataclasses.replace(source.augment, flip=False, rotate=False))
        for source, kind in zip(sources, kinds, strict=True)
        if kind.held_out
    )
    if not held:
        print("all images show one place: none is held out, and no validation loss is measured", file=sys.stderr)
    train = TrainConfig(
        steps=steps,
        optimizer=OptimizerConfig(learning_rate=learning_rate, warmup_steps=min(50, steps // 10)),
        objectives={recipe.objective: recipe.options},
        teacher_decay=recipe.teacher_decay,
        freeze=(*_unread(model, kinds), *freeze),
        save_every=max(1, steps // 5),
        eval_every=max(1, steps // 10) if held else 0,
    )
    return dataclasses.replace(begun, model=model, data=tuple(sources), validation=held, train=train)


def _unread(model: Any, kinds: Iterable[Kind]) -> tuple[str, ...]:
    """Patterns that freeze what the objective does not read, which weight decay would wear away: all but these parts."""
    from flax import nnx

    from rsfm.models.foundation import FoundationModel
    from rsfm.training.optimizer import abstract_model
    from rsfm.training.state import parameter_table

    names = parameter_table(abstract_model(lambda: FoundationModel(model, rngs=nnx.Rngs(0))))
    streams = sorted({stream for kind in kinds for stream in kind.streams})
    read = [
        "encoder",
        "location",
        f"heads.{HEAD}",
        *(f"{part}.{s}" for part in ("tokenizers", "temporal") for s in streams),
    ]
    apart = [f"tokenizers.{stream}.{part}" for stream in streams for part in ("pyramid", "pixel_local")]
    there = [part for part in (*read, *apart) if any(name.startswith(part + ".") for name in names)]
    return ("*", *(part if part in apart else f"!{part}" for part in there))


def export(trained: Any, out: Path, config: Any, command: str) -> None:
    """Writes OUT/model: the network without the head of the pretraining. It is to be fine-tuned: no question is answered."""
    import copy

    import jax

    from rsfm.pretrained import save_checkpoint
    from rsfm.processor import Taught
    from rsfm.scoring.commits import current_commit
    from rsfm.training.taught import ANY_GSD

    model = _bare(trained.model)  # on all hosts: each holds a part of it
    if jax.process_index() != 0:
        return
    processor = copy.copy(trained.processor)
    sensors = sorted({sensor for source in config.data for sensor in source.sensors})
    taught = tuple(
        Taught(task="pretraining", name="images without labels", sensor=sensor, gsd_m=ANY_GSD) for sensor in sensors
    )
    processor.config = dataclasses.replace(processor.config, taught=taught, maps={}, gates={})
    card = (
        f"# {out.name}\n\nAn encoder pretrained without labels by `{command}`, commit {current_commit(Path.cwd())}. "
        "Its words and maps are not trained for it: fine-tune it first (`rsfm finetune`).\n"
    )
    folder = save_checkpoint(out / "model", model, processor, card=card, dtype="float32", seed=config.train.seed)
    print(f"checkpoint: {folder}")


def _bare(model: Any) -> Any:
    """The network without the head that only the pretraining used."""
    import jax
    import numpy as np
    from flax import nnx

    from rsfm.models.foundation import FoundationModel
    from rsfm.nn.weights import assign, named_parameters

    heads = {name: head for name, head in model.config.heads.items() if name != HEAD}
    config = dataclasses.replace(model.config, heads=heads)
    bare = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    arrays = {
        name: np.asarray(jax.device_get(param[...]))
        for name, param in named_parameters(model).items()
        if not name.startswith(f"heads.{HEAD}.")
    }
    assign(bare, arrays, where="the pretrained model")
    return bare
