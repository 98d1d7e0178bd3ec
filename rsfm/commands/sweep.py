"""`rsfm sweep`: one experiment with several values of its fields, from several seeds, as one table."""

from pathlib import Path

import tyro


def sweep(
    config: tyro.conf.Positional[str],
    *,
    out: Path,
    vary: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (0,),
    dataset: str = "",
    split: str = "val",
    task: str = "",
    limit: int | None = None,
) -> int:
    """Trains every combination of values from every seed, one after the other, and prints a line for each combination.

    Without --dataset a run is scored by its loss at the end, held-out where the config has an evaluation; with it by the first
    metric of a task. What has been scored is not run again, and a run that was stopped goes on: the same command resumes.

    Example:
        rsfm sweep debug --out runs/rates --vary train.optimizer.learning_rate=1e-3,5e-3 --seeds 0 1 2
        rsfm sweep small --out runs/depths --vary model.encoder.depth=1,2 --dataset aid_rsicd --task scene

    Args:
        config: as for `rsfm train`.
        out: folder of the run folders and of table.json.
        vary: fields by dotted name with their values, separated by commas.
        seeds: of weights and order.
        dataset: scored on it; none: by the loss.
        split: of the data set.
        task: of the data set; none scores its first.
        limit: score the first so many records only.
    """
    from rsfm.commands.outputs import columns
    from rsfm.config import to_json
    from rsfm.data.addresses import check_local
    from rsfm.data.training.opening import open_records
    from rsfm.data.writing.atomic import write_json
    from rsfm.errors import lookup
    from rsfm.scoring.evaluation import evaluate
    from rsfm.tasks import TASKS
    from rsfm.training.experiment import load_config, opener
    from rsfm.training.loop import train
    from rsfm.training.sweep import Trial, last_loss, read_values, trials
    from rsfm.training.sweep import sweep as run
    from rsfm.training.taught import described

    check_local(out)
    wanted = trials(load_config(config), read_values(vary), seeds, out)
    records = open_records(dataset, split) if dataset else None
    asked = task or (records.info.tasks[0] if records is not None else "")
    metric = next(iter(lookup(TASKS, "task", asked).metrics)) if asked else "loss"

    def score(trial: Trial) -> float:
        trained = train(trial.config, trial.folder, resume=trial.folder.exists())
        if trained.signal is not None:
            raise KeyboardInterrupt
        if records is None:
            return last_loss(trial.folder)
        parts = trial.config.stages or (trial.config,)
        sources = [source for part in parts for source in part.data if source.tasks]
        processor = described(trained.processor, sources, open_dataset=opener(trial.config))
        return float(evaluate(trained.model, processor, records, asked, limit=limit)[0][0]["value"])

    lines = run(wanted, score)
    write_json(out / "table.json", {"config": config, "metric": metric, "lines": to_json(lines)})
    head = (*(name for name, _ in wanted[0].values), metric, "least to largest", "seeds")
    body = [
        (
            *(value for _, value in line.values),
            f"{line.mean:.4f}",
            f"{line.low:.4f} to {line.high:.4f}",
            str(line.seeds),
        )
        for line in lines
    ]
    print(columns([head, *body]))
    return 0
