"""`rsfm finetune`: a checkpoint trained further on one data set."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import tyro

from rsfm.errors import UserError

NUMBERS = {"regression", "counting", "forecasting"}  # tasks that train on numbers of the labels


def finetune(
    checkpoint: tyro.conf.Positional[str],
    *,
    dataset: str = "",
    data: Path | None = None,
    target: tuple[str, ...] = (),
    out: Path,
    split: str = "train",
    task: tuple[str, ...] = (),
    steps: int = 500,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    freeze: tuple[str, ...] = (),
    lora: int = 0,
    lora_alpha: float = 0.0,
    lora_targets: tuple[str, ...] = ("encoder", "decoder"),
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
        rsfm finetune nano --data series.csv --target "severity [1]" --out runs/severity
        rsfm finetune nano --dataset terramesh --freeze "encoder.*" --out runs/cover
        rsfm finetune nano --dataset aid_rsicd --lora 8 --freeze "!value_head" --out runs/lora
        rsfm finetune nano --dataset aid_rsicd --lora 8 --quantize nf4 --out runs/qlora
        rsfm evaluate runs/moisture/model --dataset fuel_moisture
        rsfm finetune nano --dataset gedi_chip --calibrate val --out runs/canopy

    Args:
        checkpoint: name of a shipped checkpoint, or its folder.
        dataset: name of a data set, or the path of a table, a series or a folder that `rsfm data prepare` wrote.
        data: data folder, default RSFM_DATA, else shared/data beside the repository; without --dataset the path of your own
            table, series or folder.
        target: columns of a series to predict.
        out: run folder.
        split: to train on.
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
    from rsfm.commands.data import chosen, open_dataset
    from rsfm.commands.train import export
    from rsfm.data.training.pipeline import Source

    dataset, data = chosen(dataset, data)
    open_dataset(dataset, data, split, target)  # before the weights: the likeliest mistakes
    if calibrate:
        if calibrate == split:
            raise UserError(f"--calibrate {calibrate}: the split is trained on. Choose one that is not.")
        held = open_dataset(dataset, data, calibrate, target)
        asked = task or held.info.tasks
        if not held.maps or "value_map" not in asked:
            raise UserError(
                f"--calibrate {calibrate}: expected maps of numbers there and the task value_map, found {len(held.maps)} "
                f"kinds of maps and the tasks {', '.join(asked)}. Leave it out, or choose another split or --task."
            )
    from rsfm.pretrained import find, load_foundation
    from rsfm.training import loop
    from rsfm.training.config import LoraConfig
    from rsfm.training.overrides import apply_overrides
    from rsfm.training.taught import described

    if quantize and not lora:
        raise UserError("--quantize keeps a base that adapters stand beside. Give the adapters' rank, e.g. --lora 8.")
    adapters = LoraConfig(rank=lora, alpha=lora_alpha, targets=lora_targets, quantize=quantize) if lora else None
    loaded, folder = load_foundation(checkpoint), find(checkpoint).absolute()
    config = experiment(
        loaded,
        folder,
        Source(
            dataset=dataset,
            split=split,
            root=str(data.absolute()) if data else "",
            target=target,
            tasks=task,
            batch_size=batch_size,
        ),
        steps=steps,
        learning_rate=learning_rate,
        freeze=freeze,
        lora=adapters,
    )
    config = apply_overrides(config, overrides)
    trained = loop.train(config, out, resume=resume, change=change)
    if trained.exit_code == 0:
        trained = dataclasses.replace(trained, processor=described(trained.processor, config.data))
        problem = ""
        if calibrate:
            try:
                trained = dataclasses.replace(trained, processor=_calibrated(trained, held, calibrate))
            except UserError as error:  # what was trained is kept
                problem = f"{error} Saved with its intervals as trained."
        words = ["rsfm", "finetune", checkpoint, "--dataset", dataset, "--split", split, "--steps", str(steps)]
        words += ["--target", *target] if target else []
        words += ["--lora", str(lora)] if lora else []
        words += ["--quantize", quantize] if quantize else []
        words += ["--calibrate", calibrate] if calibrate else []
        if config.train.lora is None:
            export(trained, out, config.name, shlex.join([*words, *overrides]))
        else:
            export_adapter(trained, loaded, config.train.lora, checkpoint, out, shlex.join([*words, *overrides]))
        if problem:
            raise UserError(problem)
    return trained.exit_code


def _calibrated(trained: Any, records: Any, split: str) -> Any:
    from rsfm.answer.map_calibration import calibrated

    processor = calibrated(trained.model, trained.processor, (records[i] for i in range(len(records))))
    mapped = [q for q in processor.config.quantities if q.map_edges]
    print(*(f"{q.name}: 90 % intervals stretched by {q.stretch:.2f} on '{split}'" for q in mapped), sep="\n")
    return processor


def export_adapter(trained: Any, loaded: Any, lora: Any, base: str, out: Path, command: str) -> None:
    """Writes OUT/adapter and OUT/model, in which it is merged; on several hosts the first one does."""
    import jax

    from rsfm.pretrained import merged, save_adapter, save_checkpoint
    from rsfm.scoring.commits import current_commit
    from rsfm.training.state import trainable_arrays

    if jax.process_index() != 0:
        return
    card = f"# {out.name}\n\nTrained by `{command}`, commit {current_commit(Path.cwd())}.\n"
    adapter = save_adapter(
        out / "adapter", trainable_arrays(trained.state), lora, base, card=card, processor=trained.processor
    )
    whole = merged(dataclasses.replace(loaded, name=out.name, model=trained.model))
    model = save_checkpoint(out / "model", whole.model, trained.processor, card=card, dtype="float32")
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
) -> Any:
    """The checkpoint's own shapes and processor with one data set to train on; without tasks all that its labels serve."""
    from rsfm.data.training.opening import open_records
    from rsfm.data.training.transforms import AugmentConfig
    from rsfm.processor.targets import fitted
    from rsfm.quantities import mapped
    from rsfm.training.config import OptimizerConfig, TrainConfig
    from rsfm.training.experiment import ExperimentConfig

    records = open_records(source.dataset, source.split, data=source.root or None, target=source.target)
    info, processor = records.info, loaded.processor.config
    tasks = source.tasks or info.tasks
    maps = records.maps if "value_map" in tasks else ()
    for scale in maps:
        processor = dataclasses.replace(processor, quantities=mapped(processor.quantities, scale))
    if NUMBERS & set(tasks):
        quantities, notes = fitted(processor.quantities, records, _validation(source))
        processor = dataclasses.replace(processor, quantities=quantities)
        print(*notes, sep="\n")
    augment = AugmentConfig(label_crop=max(stream.size for stream in processor.streams.values()))
    text_length = max(processor.text_lengths) if maps else source.text_length  # an answer names every class of a map
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup_steps=min(50, steps // 10))
    return ExperimentConfig(
        name=f"{loaded.name}-{info.name}",
        model=loaded.config,
        processor=processor,
        train=TrainConfig(steps=steps, optimizer=optimizer, freeze=freeze, lora=lora, save_every=max(1, steps // 5)),
        data=(dataclasses.replace(source, tasks=tasks, augment=augment, text_length=text_length),),
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
