"""`rsfm evaluate`: the score of a checkpoint on a data set's split, with its interval."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import tyro

from rsfm.commands.outputs import columns, print_json
from rsfm.data.addresses import check_local
from rsfm.errors import lookup


def evaluate(
    checkpoint: tyro.conf.Positional[str],
    *,
    dataset: str = "",
    split: str = "test",
    data: Path | None = None,
    target: tuple[str, ...] = (),
    task: tuple[str, ...] = (),
    batch_size: int = 32,
    limit: int | None = None,
    pieces: int = 0,
    out: Path | None = None,
    answers: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Scores a checkpoint from its own answers: generated text, predicted numbers, maps made window by window.

    Example:
        rsfm evaluate nano --dataset aid_rsicd --split val
        rsfm evaluate nano --dataset fuel_moisture --json --out experiments/results/nano.jsonl
        rsfm evaluate runs/mine/model --data series.csv --target "severity [1]"

    Args:
        checkpoint: name of a shipped checkpoint, or its folder.
        dataset: name of a data set, or the path of a table, a series or a folder that `rsfm data prepare` wrote.
        split: of the data set.
        data: data folder, default RSFM_DATA, else shared/data beside the repository; without --dataset the path of your own
            table, series or folder.
        target: columns of a series to predict.
        task: tasks to score; none scores the data set's first.
        batch_size: records or windows answered at once.
        limit: score the first so many records only; such rows are not written to --out.
        pieces: cut pictures into windows of so many pixels and answer each by itself, 256 as papers on change do; 0: whole.
        out: results file to append rows to.
        answers: print so many answers beside their questions.
        as_json: print JSON only.
    """
    from rsfm.commands.data import chosen, open_dataset
    from rsfm.tasks import TASKS

    check_local(checkpoint)
    dataset, data = chosen(dataset, data)
    records = open_dataset(dataset, data, split, target)
    name = records.info.name
    tasks = task or records.info.tasks[:1]
    for each in tasks:
        lookup(TASKS, "task", each)
    from rsfm.scoring.results import append_rows, check_writable

    if out is not None and limit is None:
        check_writable(out)
    from rsfm import pretrained
    from rsfm.scoring.evaluation import evaluate as score_of
    from rsfm.scoring.evaluation import evaluate_each, result_row
    from rsfm.scoring.pieces import Pieces

    loaded = pretrained.load(checkpoint)
    scored = Pieces(records, pieces) if pieces > 0 else records
    rows: list[dict[str, Any]] = []
    lines: list[tuple[str, ...]] = [("task", "metric", "value", "95 % interval", "n")]
    shown: list[str] = []
    words = ["rsfm", "evaluate", checkpoint, "--dataset", dataset, "--split", split]
    words += ["--data", str(data)] if data else []
    words += ["--pieces", str(pieces)] if pieces else []
    command = shlex.join([*words, *(["--target", *target] if target else [])])
    for each in tasks:
        options: dict[str, Any] = {"limit": limit, "progress": True}
        if isinstance(loaded, pretrained.Pretrained):
            scores, given = score_of(loaded.model, loaded.processor, scored, each, batch_size=batch_size, **options)
        else:
            scores, given = evaluate_each(loaded.predict, scored, each, **options)
        told = command if each == records.info.tasks[0] else f"{command} --task {each}"
        about: dict[str, Any] = {"checkpoint": loaded.name, "dataset": name, "split": split, "command": told}
        about |= {"seed": getattr(loaded, "seed", 0), "pieces": pieces}
        rows += [result_row(score, **about) for score in scores]
        for s in scores:
            interval = f"{s['low']:.4f} to {s['high']:.4f}"
            lines.append((each, s["metric"], f"{s['value']:.4f}", interval, f"{s['n']:,}"))
        shown += [f"{scored[i].id}: {answer.question} -> {answer.text}" for i, answer in enumerate(given[:answers])]
    if out is not None and limit is None:
        append_rows(out, rows)
    if as_json:
        print_json({"rows": rows, "answers": shown} if shown else {"rows": rows})
    else:
        print(columns(lines), *shown, sep="\n")
