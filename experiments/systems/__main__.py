"""python -m experiments.systems run [NAME ...] [--seeds 0 1 2]     trains and scores, resumably
python -m experiments.systems page                                writes experiments/SYSTEMS.md from the rows
"""

from pathlib import Path

import tyro

from experiments.systems.page import page
from experiments.systems.runs import OUT, known_rows, run_all
from rsfm.data.root import REPOSITORY
from rsfm.data.writing.atomic import write_text

PAGE = REPOSITORY / "experiments" / "SYSTEMS.md"


def run(
    *names: str, seeds: tuple[int, ...] = (0,), runs: Path = REPOSITORY / "runs" / "systems", out: Path = OUT
) -> None:
    """Trains and scores systems with and without their mechanism; what has its row in `out` is not run again.

    Args:
        names: of systems; none = all that have a config.
        seeds: of weights and order, one after the other over all systems.
        runs: run folders; a run that was stopped goes on there.
        out: the rows.
    """
    run_all(names, seeds, runs=runs, out=out)


def write(*, out: Path = OUT, page_file: Path = PAGE) -> None:
    """Writes the page of the systems from the rows.

    Args:
        out: the rows.
        page_file: the page.
    """
    write_text(page_file, page(known_rows(out)))
    print(f"{page_file.name}: {len(known_rows(out))} rows")


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "page": write})
