"""Fits bin edges and the spread of numbers on the questions of training splits only.

python tokenizers/numeric/fit.py            (needs the data folder; writes edges.json beside this file)

Half of the bins hold equal shares of the numbers seen; the others are even steps of the signed logarithm from -1e6 to 1e6, so
that a number of any size falls into a bin of its size.
"""

import json
import sys
from pathlib import Path

import numpy as np

from rsfm.data.datasets import DATASETS
from rsfm.data.root import REPOSITORY, data_root
from rsfm.quantities import NUMBER

sys.path.insert(0, str(REPOSITORY))
from experiments.numbers.table import in_words  # noqa: E402

SEEN, STEPS_A_DECADE, LARGEST, SMALLEST = 128, 8, 6, -6


def fit(numbers: np.ndarray) -> np.ndarray:
    """Rising edges: shares of the numbers seen, and a grid over all sizes and both signs."""
    grid = 10.0 ** np.linspace(SMALLEST, LARGEST, (LARGEST - SMALLEST) * STEPS_A_DECADE + 1)
    shares = np.quantile(numbers, np.linspace(0, 1, SEEN + 1)[1:-1])
    around_zero = 10.0 ** (SMALLEST - 1)
    edges = np.unique(np.round(np.concatenate([-grid[::-1], [-around_zero, around_zero], grid, shares]), 9))
    keep = np.concatenate([[True], np.diff(edges) > 1e-3 * np.abs(edges[1:])])
    return edges[keep]


def main() -> None:
    """Writes edges.json."""
    records = DATASETS["fuel_moisture"](data_root(), "train")
    numbers = np.asarray([float(x) for i in range(len(records)) for x in NUMBER.findall(in_words(records[i]))])
    edges = fit(numbers)
    out = {
        "source": "fuel_moisture train, as experiments/numbers/table.py puts it in words",
        "numbers": len(numbers),
        "scale": float(numbers.std()),
        "edges": [float(f"{edge:.9g}") for edge in edges],
    }
    (Path(__file__).parent / "edges.json").write_text(json.dumps(out) + "\n", encoding="utf-8")
    print(f"{len(numbers)} numbers of {len(records)} records, spread {numbers.std():.4g}, {len(edges) - 1} bins")


if __name__ == "__main__":
    main()
