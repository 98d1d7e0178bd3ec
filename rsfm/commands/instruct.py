"""`rsfm data instruct`: instruction data out of a data set's labels, as conversations with pictures."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from rsfm.commands.outputs import output_folder
from rsfm.errors import UserError, lookup
from rsfm.sensors.observe import at_dates
from rsfm.types import Record

MOST_DATES = 4  # a record of more is shown by its clearest date alone


def instruct(
    dataset: tyro.conf.Positional[str] = "",
    *,
    out: Path,
    split: str = "train",
    task: tuple[str, ...] = ("instruction", "description"),
    turns: int = 4,
    seed: int = 0,
    limit: int | None = None,
    data: Path | None = None,
) -> None:
    """Writes questions and answers made of a data set's labels in LLaVA's layout: conversations.json beside its pictures.

    Counts, areas in hectares, presence, comparison, change, places and boxes (on a grid of 100), descriptions, and
    questions that no picture answers, in many wordings; the same for the same seed. Read them back as data set "llava".

    Example:
        rsfm data instruct dota --out instructions --turns 6
        rsfm data instruct levir_cd --split test --task instruction --out instructions

    Args:
        dataset: name of the data set, or the path of a table.
        out: folder to write to; the pictures go to a folder in it that is named after the split.
        split: of the data set; "test" is written to conversations_test.json.
        task: tasks that ask, in turn.
        turns: the most turns a record gets.
        seed: of the choice of questions and wordings.
        limit: the first so many records only.
        data: data folder, default RSFM_DATA, else shared/data beside the repository; without a data set's name the path of
            your own table.
    """
    from rsfm.commands.data import chosen, open_dataset
    from rsfm.tasks import TASKS
    from rsfm.tasks.conversation import conversation

    for name in task:
        lookup(TASKS, "task", name)
    if (out / split).exists():
        raise UserError(
            f"{out / split}: pictures of this split are there already. Remove them or choose another --out."
        )
    dataset, data = chosen(dataset, data)
    records = open_dataset(dataset, data, split)
    count = len(records) if limit is None else min(limit, len(records))
    rows, asked = [], 0
    with output_folder(out) as folder:
        (folder / split).mkdir()
        for i in range(count):
            record = records[i]
            said = conversation(task, record, turns=turns, seed=seed)
            if said:
                names = write_pictures(record, folder / split, str(i))
                rows.append(_row(record, [f"{split}/{name}" for name in names], said))
                asked += len(said)
        if not rows:
            raise UserError(
                f"{dataset} {split}: no label that the tasks {', '.join(task)} ask for. Choose another --task."
            )
        table = "conversations_test.json" if split == "test" else "conversations.json"
        (folder / table).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{out / table}: {len(rows)} conversations, {asked} questions")


def write_pictures(record: Record, folder: Path, stem: str) -> list[str]:
    """Writes the record's dates as PNG files in order of time and returns their names."""
    from rsfm.data.writing.overlay import stretch
    from rsfm.data.writing.quicklook import quicklook
    from rsfm.sensors.display import is_picture
    from rsfm.sensors.named import sensor_of

    dates = max(each.values.shape[0] for each in record.observations.values())
    if 1 < dates <= MOST_DATES:
        shown = [_of_date(record, dates, t) for t in range(dates)]
    else:
        shown = [record]
    names = []
    for t, each in enumerate(shown):
        names.append(f"{stem}.png" if len(shown) == 1 else f"{stem}_{t}.png")
        values = quicklook(each)
        eight_bit = any(is_picture(sensor_of(name)) for name in each.observations)
        pixels = np.nan_to_num(values * 255).round().astype(np.uint8) if eight_bit else stretch(values)
        Image.fromarray(pixels).save(folder / names[-1], optimize=True)
    return names


def _of_date(record: Record, dates: int, t: int) -> Record:
    """The record at one of its dates; observations with fewer dates are left out."""
    at = slice(t, t + 1)
    kept = {name: at_dates(each, at) for name, each in record.observations.items() if each.values.shape[0] == dates}
    return dataclasses.replace(record, observations=kept)


def _row(record: Record, names: list[str], said: tuple[tuple[str, str], ...]) -> dict[str, object]:
    turns: list[dict[str, str]] = []
    for question, answer in said:
        mark = "" if turns else "<image>\n" * len(names)
        turns += [{"from": "human", "value": mark + question}, {"from": "gpt", "value": answer}]
    return {"id": record.id, "image": names[0] if len(names) == 1 else names, "conversations": turns}
