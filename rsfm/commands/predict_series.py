"""`rsfm predict` on a series in one file: an answer a place."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.types import Answer

BATCH = 64  # places answered at once


def predict_series(
    path: Path,
    ask: Sequence[str],
    *,
    checkpoint: str,
    form: str = "",
    max_new_tokens: int = 64,
    out: Path | None = None,
    as_json: bool = False,
) -> None:
    """Asks the questions of every place of a series; --out keeps them as answers.csv, a row a place and question.

    Args:
        path: what `rsfm.data.datasets.series.Series` reads; no target is needed.
        ask: questions.
        checkpoint: name or folder.
        form, max_new_tokens: as of `predict`.
        out: folder for answers.csv.
        as_json: print JSON only.
    """
    from rsfm.commands.data import open_dataset
    from rsfm.commands.outputs import output_folder, print_json

    records = open_dataset(str(path), None, "all")  # before jax: errors come at once
    from rsfm import pretrained
    from rsfm.answer.words import answer_records

    loaded = pretrained.load_foundation(checkpoint)
    options: dict[str, Any] = {"batch_size": min(BATCH, len(records)), "form": form, "max_new_tokens": max_new_tokens}
    rows: list[tuple[str, Answer]] = []
    for start in range(0, len(records), BATCH):
        part = [records[i] for i in range(start, min(start + BATCH, len(records)))]
        for question in ask:
            answers = answer_records(loaded.model, loaded.processor, part, [question] * len(part), **options)
            rows += [(record.id.removeprefix("series/"), answer) for record, answer in zip(part, answers, strict=True)]
    if out is not None:
        with output_folder(out) as folder:
            write_answers(folder / "answers.csv", rows)
    if as_json:
        listed = [{"id": name, **answer.to_json()} for name, answer in rows]
        print_json({"series": str(path), "checkpoint": checkpoint, "answers": listed})
        return
    for name, answer in rows:
        print(f"{name}: {answer.text}")
    if out is not None:
        print(f"wrote answers.csv to {out}")


def write_answers(path: Path, rows: Sequence[tuple[str, Answer]]) -> None:
    """A row a place and question: id, question, text and, where it holds a number, name, value, low, high and unit."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "question", "answer", "name", "value", "low", "high", "unit"))
        for name, answer in rows:
            value = answer.values[0] if answer.values else None
            numbers = (
                () if value is None else (value.name, *map(_digits, (value.value, value.low, value.high)), value.unit)
            )
            writer.writerow((name, answer.question, answer.text, *numbers))


def _digits(number: float | None) -> str:
    return "" if number is None or not np.isfinite(number) else f"{number:.6g}"
