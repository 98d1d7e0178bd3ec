"""Trains and scores the survey's systems, resumably, and writes their page.

Command:  python -m experiments.systems run reo_vlm geoclip --seeds 0 1 2      (without names: all that have a config)
          python -m experiments.systems page
Result:   experiments/results/systems.jsonl and experiments/SYSTEMS.md
"""

import argparse
from pathlib import Path

from experiments.systems.page import page
from experiments.systems.runs import OUT, known_rows, run_all
from rsfm.data.root import REPOSITORY
from rsfm.data.writing.atomic import write_text

PAGE = REPOSITORY / "experiments" / "SYSTEMS.md"


def main() -> None:
    """Runs what has no row yet, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", choices=("run", "page"))
    parser.add_argument("names", nargs="*", help="of systems; none: all that have a config")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one after the other over all systems")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "systems", help="run folders, to go on in")
    parser.add_argument("--out", type=Path, default=OUT, help="the rows")
    args = parser.parse_args()
    if args.word == "run":
        run_all(args.names, args.seeds, runs=args.runs, out=args.out)
    else:
        write_text(PAGE, page(known_rows(args.out)))
        print(f"{PAGE.name}: {len(known_rows(args.out))} rows")


if __name__ == "__main__":
    main()
