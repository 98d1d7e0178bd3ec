"""Scores what experiments/numbers/run.py kept: rows, a figure, and which way of reading and writing numbers wins by how much.

    python -m experiments.numbers.report [--runs runs/numbers] [--out experiments/results/numbers.jsonl]

Intervals are calibrated on `val` run by run (rsfm.metrics.calibration); months and groups of sites are those of the test records.
n records · s seeds
"""

import argparse
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from experiments.numbers.run import all_records, run_file
from rsfm.data.reading.opening import open_arrays
from rsfm.metrics import bootstrap_interval, mae, r2, rmse
from rsfm.metrics.calibration import coverage_by_group, inside, stretch, widen
from rsfm.scoring.results import append_rows
from rsfm.training.experiment import find_config, load_module

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ("numbers_in", "numbers_out")
COLUMNS = ("mean", "target", "low", "high", "raw_low", "raw_high", "crps", "failed", "cqr_low", "cqr_high", "said")
Rows = Float[np.ndarray, "n k"]


def at(rows: Rows, name: str) -> Float[np.ndarray, " n"]:
    """A column of a run's table."""
    return rows[:, COLUMNS.index(name)]


def known(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest answer and the target, of the records whose likeliest answer holds a number."""
    held = ~np.isnan(at(rows, "said"))
    return at(rows, "said")[held], at(rows, "target")[held]


def covered(low: str, high: str) -> Callable[[Rows], float]:
    """Share of the targets between two columns."""
    return lambda rows: float(inside(at(rows, "target"), at(rows, low), at(rows, high)).mean())


METRICS: Mapping[str, Callable[[Rows], float]] = {
    "rmse %": lambda rows: rmse(at(rows, "mean"), at(rows, "target")),
    "mae %": lambda rows: mae(at(rows, "mean"), at(rows, "target")),
    "r2": lambda rows: r2(at(rows, "mean"), at(rows, "target")),
    "crps %": lambda rows: float(at(rows, "crps").mean()),
    "rmse % of the likeliest answer": lambda rows: rmse(*known(rows)),
    "coverage": covered("low", "high"),
    "width %": lambda rows: float((at(rows, "high") - at(rows, "low")).mean()),
    "coverage before calibration": covered("raw_low", "raw_high"),
    "coverage, CQR": covered("cqr_low", "cqr_high"),
    "width %, CQR": lambda rows: float((at(rows, "cqr_high") - at(rows, "cqr_low")).mean()),
    "parse failures": lambda rows: float(at(rows, "failed").mean()),
}


def table(path: Path) -> Rows:
    """One run's test records, intervals calibrated on its validation records."""
    run = open_arrays(path)
    val, test = ({name: run[f"{split}/{name}"] for name in KEPT} for split in ("val", "test"))
    factor = stretch(val["target"], val["middle"], val["low"], val["high"])
    more = widen(val["target"], val["low"], val["high"])
    low = test["middle"] - factor * (test["middle"] - test["low"])
    high = test["middle"] + factor * (test["high"] - test["middle"])
    columns = (test["mean"], test["target"], low, high, test["low"], test["high"], test["crps"], test["failed"])
    return np.stack([*columns, test["low"] - more, test["high"] + more, test["said"]], axis=1)


KEPT = ("mean", "middle", "low", "high", "crps", "failed", "target", "said")


def mean_over_seeds(metric: Callable[[Rows], float]) -> Callable[[np.ndarray], float]:
    """The metric of runs whose tables stand side by side."""
    return lambda wide: float(np.mean([metric(part) for part in np.split(wide, wide.shape[1] // len(COLUMNS), axis=1)]))


def groups(records: Any) -> dict[str, list[str]]:
    """Month of the label and quarter of the country (by the median place of the records), for each record."""
    lon, lat = np.array([record.location_deg for record in records]).T
    quarter = [
        ("north" if y > np.median(lat) else "south") + ("west" if x < np.median(lon) else "east")
        for x, y in zip(lon, lat, strict=True)
    ]
    epoch = datetime.date(2000, 1, 1)
    ends = [float(next(iter(record.observations.values())).time_days[-1]) + 15 for record in records]
    month = [f"{(epoch + datetime.timedelta(days=end)).month:02d}" for end in ends]
    return {"month": month, "sites": quarter}


def main() -> None:
    """Writes rows and figure, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "numbers")
    parser.add_argument("--out", type=Path, default=ROOT / "experiments" / "results" / "numbers.jsonl")
    parser.add_argument("--figure", type=Path, default=ROOT / "experiments" / "figures" / "numbers.png")
    args = parser.parse_args()
    records = all_records("fuel_moisture", "test")
    by, rows = groups(records), []
    wide: dict[tuple[str, str], np.ndarray] = {}
    for experiment in EXPERIMENTS:
        for variant in load_module(find_config(experiment)).VARIANTS:
            seeds = [s for s in range(100) if run_file(args.runs, experiment, variant, s).exists()]
            if seeds:
                tables = [table(run_file(args.runs, experiment, variant, s)) for s in seeds]
                wide[experiment, variant] = np.concatenate(tables, axis=1)
                rows += scored(experiment, variant, seeds, tables, by)
    args.out.unlink(missing_ok=True)
    append_rows(args.out, rows)
    for experiment in EXPERIMENTS:
        show({v: w for (e, v), w in wide.items() if e == experiment}, experiment)
    draw(rows, args.figure)


def scored(
    experiment: str, variant: str, seeds: list[int], tables: list[Rows], by: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Rows of one variant: mean over the seeds, 95 % interval by drawing the records again."""
    wide, out = np.concatenate(tables, axis=1), []
    common = {"config": experiment, "command": f"python -m experiments.numbers.run {experiment}", "model": variant}
    common |= {"dataset": "fuel_moisture", "split": "test", "protocol": "published, trained without val"}
    for name, metric in METRICS.items():
        over = mean_over_seeds(metric)
        low, high = bootstrap_interval(wide, over, resamples=400)
        row = common | {"metric": name, "value": over(wide), "low": low, "high": high}
        out.append(row | {"seeds": seeds, "n": len(wide)})
    for kind, names in by.items():
        each = [coverage_by_group(inside(at(t, "target"), at(t, "low"), at(t, "high")), names) for t in tables]
        for name, (_, n) in each[0].items():
            value = float(np.mean([found[name][0] for found in each]))
            out.append(common | {"metric": f"coverage, {kind} {name}", "value": value, "seeds": seeds, "n": n})
    return out


def show(wide: dict[str, np.ndarray], experiment: str) -> None:
    """Prints the table, and by how much the best by CRPS leads, with the interval of the paired difference."""
    if not wide:
        return
    print(f"\n{experiment}\n{'':16}" + "".join(f"{name[:14]:>15}" for name in METRICS))
    for variant, rows in wide.items():
        print(f"{variant:16}" + "".join(f"{mean_over_seeds(metric)(rows):15.3f}" for metric in METRICS.values()))
    for name in ("rmse %", "crps %"):
        over = mean_over_seeds(METRICS[name])
        best = min(wide, key=lambda variant: over(wide[variant]))
        for variant in wide.keys() - {best}:
            both = np.concatenate([wide[best], wide[variant]], axis=1)
            cut = wide[best].shape[1]
            lead = lambda rows, cut=cut, over=over: over(rows[:, cut:]) - over(rows[:, :cut])  # noqa: E731
            low, high = bootstrap_interval(both, lead, resamples=400)
            print(f"  {name}: {best} before {variant} by {lead(both):.2f} ({low:.2f} to {high:.2f})")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """RMSE, CRPS and coverage of every variant, with their intervals."""
    matplotlib.use("Agg")
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True, layout="constrained")
    names = list(dict.fromkeys((row["config"], row["model"]) for row in rows))
    colours = {"numbers_in": "tab:blue", "numbers_out": "tab:orange"}
    for axis, metric in zip(axes, ("rmse %", "crps %", "coverage"), strict=True):
        chosen = [row for row in rows if row["metric"] == metric]
        limit = 1.5 * float(np.median([row["value"] for row in chosen]))
        for row in chosen:
            y = names.index((row["config"], row["model"]))
            if row["value"] > limit:  # one written number of ten digits moves a mean by thousands
                axis.annotate(
                    f"{row['value']:,.0f}, off the scale", (1, y), xycoords=("axes fraction", "data"), ha="right"
                )
                continue
            arms = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
            axis.errorbar(row["value"], y, xerr=arms, fmt="o", color=colours[row["config"]], capsize=2)
        axis.set(title=metric, yticks=range(len(names)), yticklabels=[f"{c[8:]}: {m}" for c, m in names])
        axis.grid(axis="x", alpha=0.3)
    axes[0].axvline(25.28, color="grey", linestyle=":", label="Presto, fine-tuned (published)")
    figure.legend(loc="outside lower left", fontsize=7, frameon=False)
    axes[2].axvspan(0.87, 0.93, color="grey", alpha=0.2)
    axes[0].invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
