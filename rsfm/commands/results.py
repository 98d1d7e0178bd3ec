"""`rsfm results`: the measured numbers as tables, and the README's copy of them."""

from pathlib import Path
from typing import Annotated

import tyro

from rsfm.commands.outputs import print_json
from rsfm.config import to_json
from rsfm.scoring.results import latest, read_rows, tables, write_readme_tables


def results(
    *,
    folder: Path = Path("experiments/results"),
    dataset: str | None = None,
    readme: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Prints the result rows as tables, baselines first, with their 95 % intervals.

    Example:
        rsfm results --dataset fuel_moisture
        rsfm results --readme README.md

    Args:
        folder: of the .jsonl files.
        dataset: this data set only.
        readme: write the tables between the marks of this file, too.
        as_json: the rows as JSON.
    """
    rows = [row for row in latest(read_rows(folder)) if dataset in (None, row.dataset)]
    if readme is not None:
        write_readme_tables(readme, folder)
    if as_json:
        print_json([to_json(row) for row in rows])
    else:
        print(tables(rows))
