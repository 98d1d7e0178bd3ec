"""How well are scenes named by a linear classifier on the network that nano sees with, frozen?

Command:  python -m experiments.scene_probe        (some minutes of one core; `eval` extra)
Expected: about .86 on aid_rsicd val: the bar for the words that nano writes.
Result:   experiments/results/scene_probe.jsonl; `rsfm results` prints it.

The features are means over the picture of EfficientNet-lite0's last level (ImageNet, frozen); the classifier is logistic regression
on them, standardized, with the default strength. Nothing was tuned. Train 7,946, val 1,027 pictures.
"""

from pathlib import Path

import tyro
from sklearn.linear_model import LogisticRegression

from experiments.baselines import Bench, standardized
from experiments.captions import eye, features
from rsfm.data.training.opening import open_records
from rsfm.scoring.results import append_rows
from rsfm.types import Answer

OUT = Path(__file__).parent / "results" / "scene_probe.jsonl"


def main(out: Path = OUT) -> None:
    """Fits on train, names val, appends the rows."""
    pyramid = eye()
    (train, seen), (val, asked) = (features(open_records("aid_rsicd", split), pyramid) for split in ("train", "val"))
    classifier = standardized(LogisticRegression(max_iter=2000))
    classifier.fit(seen["EfficientNet"], [record.scene for record in train])
    names = classifier.predict(asked["EfficientNet"])
    command = "python -m experiments.scene_probe"
    bench = Bench(dataset="aid_rsicd", split="val", protocol="published", task="scene", records=val, command=command)
    rows = bench.rows("EfficientNet + logistic regression", [[Answer(question="", text=str(name)) for name in names]])
    append_rows(out, rows)
    for row in rows:
        print(row["metric"], f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")


if __name__ == "__main__":
    tyro.cli(main)
