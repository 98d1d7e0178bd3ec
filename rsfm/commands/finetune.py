"""`rsfm finetune`: a checkpoint trained further on one data set."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import tyro

from rsfm.errors import UserError, lookup

TARGETS = ("encoder", "decoder")  # parts whose linear layers get adapters
PATIENCE = 4  # of ten evaluations in a run: so many without a better one end it
NUMBERS = {"regression", "counting", "forecasting"}  # tasks that train on numbers of the labels


def finetune(
    checkpoint: tyro.conf.Positional[str],
    *,
    dataset: str = "",
    data: Path | None = None,
    target: tuple[str, ...] = (),
    images: tuple[Path, ...] = (),
    labels: Path | None = None,
    label_column: str = "",
    classes: str = "",
    background: str = "",
    buffer_m: float = 0.0,
    name: str = "",
    block_m: float = 0.0,
    sensor: str | None = None,
    unit: str | None = None,
    bands: tuple[str, ...] = (),
    gsd_m: float | None = None,
    series: bool = False,
    out: Path,
    split: str = "train",
    validation: str = "",
    task: tuple[str, ...] = (),
    steps: int = 500,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    freeze: tuple[str, ...] = (),
    lora: int = 0,
    lora_alpha: float = 0.0,
    lora_targets: tuple[str, ...] = TARGETS,
    quantize: str = "",
    calibrate: str = "",
    resume: bool = False,
    change: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Trains a checkpoint further on a data set; the result is the checkpoint OUT/model.

    With --lora only low-rank adapters train: OUT/adapter holds them and works as a checkpoint beside its base, OUT/model
    has them merged in. What trained is listed in OUT/trainable.json.

    Any field of the training config can be set by its dotted name, as in `rsfm train`.

    Example:
        rsfm finetune nano --dataset fuel_moisture --out runs/moisture
        rsfm finetune nano --images scenes --labels parcels.geojson --label-column crop --out runs/crops
        rsfm finetune nano --images photos --out runs/kinds
        rsfm finetune nano --data series.csv --target "severity [1]" --out runs/severity
        rsfm finetune nano --dataset terramesh --freeze "encoder.*" --out runs/cover
        rsfm finetune nano --dataset aid_rsicd --lora 8 --freeze "!heads.value" --out runs/lora
        rsfm finetune nano --dataset aid_rsicd --lora 8 --quantize nf4 --out runs/qlora
        rsfm finetune nano --dataset fuel_moisture --validation val --train.eval_every 50 --out runs/watched
        rsfm evaluate runs/moisture/model --dataset fuel_moisture
        rsfm finetune nano --dataset gedi_chip --calibrate val --out runs/canopy

    Args:
        checkpoint: name of a shipped checkpoint, or its folder.
        dataset: name of a data set, or the path of a table, a series or a folder that `rsfm data prepare` wrote.
        data: data folder, default RSFM_DATA, else shared/data beside the repository; without --dataset the path of your own
            table, series or folder.
        target: columns of a series to predict.
        images: your own pictures: files, folders of files, or one folder that holds a folder for each class.
        labels: of the pictures: polygons, points or lines (.geojson, .gpkg, .shp), a raster of classes on any grid or a folder
            of them, boxes (COCO .json, folder of YOLO or DOTA .txt). They are parted by blocks of ground: OUT/data/split.png.
        label_column: of a vector file, with the class of each shape.
        classes: names of class numbers, "1=water;2=trees".
        background: class of the pixels that no label covers; without it they are unlabelled.
        buffer_m: metres around points and lines that get their class, too.
        name: of the classes as a whole: "Map the NAME." asks for them all; without it the column's, else the file's.
        block_m: edge in metres of the blocks of ground that are held out; without it twice the model's window, less where
            labels are few.
        sensor: of the pictures, a key of SENSORS or a .toml of your own; told from the files where they say it.
        unit: of the pictures' numbers where that is not plain.
        bands: names of each picture's layers in order.
        gsd_m: metres of a pixel's edge, of pictures without a georeference.
        series: the pictures are dates of one place.
        out: run folder.
        split: to train on.
        validation: split whose losses are written to evaluation.jsonl ten times in a run, or every --train.eval_every steps. With
            --train.watch "scene/accuracy" the scores of that task are, too, and the result is the state that is best by it;
            --train.patience 4 ends the run after so many looks without a better one. Both are set for your own pictures, whose
            blocks held out for it are looked at.
        task: tasks to train; none trains all that the data set's labels serve.
        steps: optimizer steps.
        batch_size: samples a step.
        learning_rate: highest of the schedule.
        freeze: patterns of parameter names that are left as they are; with a "!" in front they train after all.
        lora: rank of the adapters; 0 = train the weights themselves.
        lora_alpha: scale of the adapters times their rank; 0 = twice the rank.
        lora_targets: names of linear layers, or their beginnings, that get adapters.
        quantize: keep the adapted layers' own weights in int8 or nf4 while training.
        calibrate: split, not trained on, whose maps of numbers the 90 % intervals are stretched to hold.
        resume: go on from the last state in the run folder.
        change: with --resume: go on though data, batch size, rate or another setting differ from the run's.
        overrides: fields of the config by dotted name.
    """
    from rsfm.commands.own_labels import Own, check_own, own_data
    from rsfm.commands.words import command_line

    command = command_line("rsfm finetune", finetune, locals(), without=("resume", "change"))
    check_options(lora, lora_alpha, lora_targets, quantize)
    check_tasks(task)
    own = Own(
        images=images, labels=labels, label_column=label_column, classes=classes, background=background, buffer_m=buffer_m,
        name=name, block_m=block_m, sensor=sensor, unit=unit, bands=bands, gsd_m=gsd_m, series=series,
    )  # fmt: skip
    check_own(own, dataset, data, target)
    with contextlib.ExitStack() as stack:
        if own.images:
            dataset = str(stack.enter_context(own_data(own, checkpoint, out, resume=resume, change=change)))
            split, validation = _own_splits(dataset, split, validation)
        return _train(
            checkpoint, dataset, data, out, command,
            target=target, split=split, validation=validation, calibrate=calibrate, task=task, steps=steps,
            batch_size=batch_size, learning_rate=learning_rate, freeze=freeze, resume=resume, change=change,
            overrides=overrides, lora=(lora, lora_alpha, lora_targets, quantize),
        )  # fmt: skip


def _own_splits(dataset: str, split: str, validation: str) -> tuple[str, str]:
    """Rare classes are trained on more often, and the held-out places are watched where there are some."""
    from rsfm.data.labels.description import Description
    from rsfm.data.labels.places import EVEN

    held = any(place.split == "val" for place in Description.load(Path(dataset)).places)
    return EVEN if split == "train" else split, validation or ("val" if held and split == "train" else "")


def _train(
    checkpoint: str,
    dataset: str,
    data: Path | None,
    out: Path,
    command: str,
    *,
    target: tuple[str, ...],
    split: str,
    validation: str,
    calibrate: str,
    task: tuple[str, ...],
    steps: int,
    batch_size: int,
    learning_rate: float,
    freeze: tuple[str, ...],
    lora: tuple[int, float, tuple[str, ...], str],
    resume: bool,
    change: bool,
    overrides: tuple[str, ...],
) -> int:
    from rsfm.commands.data import chosen
    from rsfm.commands.train import check_overrides
    from rsfm.data.training.pipeline import Source

    dataset, data = chosen(dataset, data)
    # Before the weights: the likeliest mistakes.
    check_splits(dataset, data, target, split, validation, calibrate, task)
    from rsfm.pretrained import find, load_foundation
    from rsfm.training import loop
    from rsfm.training.config import LoraConfig
    from rsfm.training.overrides import apply_overrides
    from rsfm.training.taught import described

    rank, alpha, targets, quantize = lora
    adapters = LoraConfig(rank=rank, alpha=alpha, targets=targets, quantize=quantize) if rank else None
    loaded, folder = load_foundation(checkpoint), find(checkpoint).absolute()
    root = str(data.absolute()) if data else ""
    source = Source(
        dataset=dataset, split=split, root=root, target=target, tasks=task, batch_size=batch_size, text_length=0
    )
    config = experiment(
        loaded,
        folder,
        source,
        steps=steps,
        learning_rate=learning_rate,
        freeze=freeze,
        lora=adapters,
        validation=validation,
    )
    config = apply_overrides(config, overrides)
    check_overrides(config, overrides)
    trained = loop.train(config, out, resume=resume, change=change)
    if trained.exit_code == 0:
        trained = dataclasses.replace(trained, processor=described(trained.processor, config.data))
        keep(trained, loaded, config, checkpoint, out, command, calibrate)
        report(trained, config, out, command)
    return trained.exit_code


def check_options(lora: int, lora_alpha: float, lora_targets: tuple[str, ...], quantize: str) -> None:
    """Refuses options of adapters where there are none."""
    given = {"--lora-alpha": lora_alpha != 0, "--lora-targets": lora_targets != TARGETS, "--quantize": bool(quantize)}
    for name, is_given in given.items():
        if is_given and not lora:
            raise UserError(
                f"{name} is of adapters, and there are none. Give their rank, e.g. --lora 8, or leave it out."
            )


def check_tasks(names: tuple[str, ...]) -> None:
    """Refuses a task that there is not."""
    from rsfm.tasks import TASKS

    for name in names:
        lookup(TASKS, "task", name)


def check_splits(
    dataset: str,
    data: Path | None,
    target: tuple[str, ...],
    split: str,
    validation: str,
    calibrate: str,
    task: tuple[str, ...],
) -> None:
    """Opens every split that is named, and sees that what is held out is not trained on."""
    from rsfm.commands.data import open_dataset

    open_dataset(dataset, data, split, target)
    for option, name in (("--validation", validation), ("--calibrate", calibrate)):
        if name and name == split:
            raise UserError(f"{option} {name}: the split is trained on. Choose one that is not.")
    if validation:
        open_dataset(dataset, data, validation, target)
    if calibrate:
        held = open_dataset(dataset, data, calibrate, target)
        tasks = task or held.info.tasks
        if not held.maps or "value_map" not in tasks:
            raise UserError(
                f"--calibrate {calibrate}: expected maps of numbers there and the task value_map, found {len(held.maps)} "
                f"kinds of maps and the tasks {', '.join(tasks)}. Leave it out, or choose another split or --task."
            )


def keep(trained: Any, loaded: Any, config: Any, checkpoint: str, out: Path, command: str, calibrate: str) -> None:
    """Writes what was trained; where its intervals cannot be calibrated, as they are, and says so after."""
    from rsfm.commands.train import export
    from rsfm.data.training.opening import open_records

    problem, source = "", config.data[0]
    if calibrate:
        held = open_records(source.dataset, calibrate, data=source.root or None, target=source.target)
        try:
            trained = dataclasses.replace(trained, processor=_calibrated(trained, held, calibrate))
        except UserError as error:  # what was trained is kept
            problem = f"{error} Saved with its intervals as trained."
    if config.train.lora is None:
        export(trained, out, config.name, command, seed=config.train.seed)
    else:
        export_adapter(trained, loaded, config.train, checkpoint, out, command)
    if problem:
        raise UserError(problem)


def report(trained: Any, config: Any, out: Path, command: str) -> None:
    """Writes OUT/report.html, judged by what was held out; where that cannot be, says why."""
    import jax

    from rsfm.data.labels.description import Description, is_description
    from rsfm.scoring.report import judged, write_report

    source, held = config.data[0], [each.split for each in config.validation if config.train.watch]
    model = trained.model
    if jax.process_index() != 0:
        return
    try:
        own = Description.load(Path(source.dataset)) if is_description(Path(source.dataset)) else None
        if own is not None:
            held += [split for split in ("test",) if any(place.split == split for place in own.places)]
        found = [
            judged(model, trained.processor, _opened(source, split), source.tasks[0], split)
            for split in dict.fromkeys(held)
        ]
        best = int(trained.state.step) if config.train.watch else 0
        options: dict[str, Any] = {"title": config.name, "command": command, "best": best, "description": own}
        print(f"report: {write_report(out, model, trained.processor, found, **options)}")
    except UserError as error:
        print(f"note: no report: {error}")


def _opened(source: Any, split: str) -> Any:
    from rsfm.data.training.opening import open_records

    return open_records(source.dataset, split, data=source.root or None, target=source.target)


def _calibrated(trained: Any, records: Any, split: str) -> Any:
    from rsfm.answer.map_calibration import calibrated

    processor = calibrated(trained.model, trained.processor, (records[i] for i in range(len(records))))
    mapped = [q for q in processor.config.quantities if q.map_edges]
    print(*(f"{q.name}: 90 % intervals stretched by {q.stretch:.2f} on '{split}'" for q in mapped), sep="\n")
    return processor


def export_adapter(trained: Any, loaded: Any, train: Any, base: str, out: Path, command: str) -> None:
    """Writes OUT/adapter and OUT/model, in which it is merged; on several hosts the first one does.

    Args:
        trained: what training gave back.
        loaded: the base.
        train: the TrainConfig, with the adapters' config and the seed.
        base: name or folder of the base.
        out: run folder.
        command: that trained, for the card.
    """
    import jax

    from rsfm.pretrained import merged, save_adapter, save_checkpoint
    from rsfm.scoring.commits import current_commit
    from rsfm.training.state import trainable_arrays

    if jax.process_index() != 0:
        return
    card = f"# {out.name}\n\nTrained by `{command}`, commit {current_commit(Path.cwd())}.\n"
    options: dict[str, Any] = {"card": card, "processor": trained.processor, "seed": train.seed}
    adapter = save_adapter(out / "adapter", trainable_arrays(trained.state), train.lora, base, **options)
    whole = merged(dataclasses.replace(loaded, name=out.name, model=trained.model))
    model = save_checkpoint(out / "model", whole.model, dtype="float32", **options)
    print(f"adapter: {adapter}\ncheckpoint: {model}")


def experiment(
    loaded: Any,
    folder: Path,
    source: Any,
    *,
    steps: int,
    learning_rate: float,
    freeze: tuple[str, ...],
    lora: Any = None,
    validation: str = "",
) -> Any:
    """The checkpoint's own shapes and processor with one data set to train on; without tasks all that its labels serve."""
    import jax

    from rsfm.data.labels.description import is_description
    from rsfm.data.training.opening import open_records
    from rsfm.data.training.transforms import AugmentConfig
    from rsfm.processor.targets import fitted
    from rsfm.quantities import mapped
    from rsfm.tasks import TASKS
    from rsfm.tasks.dialogue import plain
    from rsfm.training.config import OptimizerConfig, TrainConfig
    from rsfm.training.experiment import ExperimentConfig
    from rsfm.training.validation import first_score

    records = open_records(source.dataset, source.split, data=source.root or None, target=source.target)
    info, processor = records.info, loaded.processor.config
    tasks = _readable(source.tasks, info.tasks, processor)
    legends = {name: tuple(map(plain, legend)) for name, legend in records.legends.items()}
    processor = dataclasses.replace(processor, legends={**processor.legends, **legends})
    maps = records.maps if "value_map" in tasks else ()
    for scale in maps:
        processor = dataclasses.replace(processor, quantities=mapped(processor.quantities, scale))
    if NUMBERS & set(tasks):
        quantities, notes = fitted(processor.quantities, records, _validation(source))
        processor = dataclasses.replace(processor, quantities=quantities)
        print(*notes, sep="\n")
    augment = AugmentConfig(label_crop=max(stream.size for stream in processor.streams.values()))
    # Hosts do not see each other's texts, and all need one length.
    text_length = source.text_length or (max(processor.text_lengths) if jax.process_count() > 1 else 0)
    source = dataclasses.replace(source, tasks=tasks, augment=augment, text_length=text_length)
    still = dataclasses.replace(augment, flip=False, rotate=False)
    train = TrainConfig(steps=steps, freeze=freeze, lora=lora, save_every=max(1, steps // 5))
    if validation and is_description(Path(source.dataset)):  # your own: the best of ten looks at the first task's score
        train = dataclasses.replace(train, watch=first_score(tasks, TASKS), patience=PATIENCE)
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup_steps=min(50, steps // 10))
    return ExperimentConfig(
        name=f"{loaded.name}-{info.name}",
        model=loaded.config,
        processor=processor,
        train=dataclasses.replace(train, optimizer=optimizer, eval_every=max(1, steps // 10) if validation else 0),
        data=(source,),
        validation=(dataclasses.replace(source, split=validation, augment=still),) if validation else (),
        tokenizer=str(folder / "tokenizer"),
        init_from=str(folder),
    )


def _validation(source: Any) -> Any | None:
    """The validation split of the data trained on, where there is one that is not trained on."""
    from rsfm.data.training.opening import open_records

    try:
        where = {"data": source.root or None, "target": source.target}
        return None if source.split in ("val", "all", "trainval") else open_records(source.dataset, "val", **where)
    except UserError:
        return None


def _readable(wanted: tuple[str, ...], served: tuple[str, ...], processor: Any) -> tuple[str, ...]:
    """The tasks to train: those wanted, or those served by the labels whose answers open no head that is not there."""
    from rsfm.tasks import TASKS, GroundTask

    missing: dict[str, str] = {}
    for name in wanted or served:
        task: Any = TASKS.get(name)
        if isinstance(task, GroundTask) and not processor.head(task.opens):
            missing[name] = task.opens
    if wanted and missing:
        name, token = next(iter(missing.items()))
        raise UserError(
            f"The task {name} needs a head that {token} opens, which this checkpoint has not. "
            "Train one that has it: see experiments/configs/boxes_trees.py."
        )
    return tuple(name for name in wanted or served if name not in missing)
