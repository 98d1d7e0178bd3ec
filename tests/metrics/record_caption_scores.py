"""Records what pycocoevalcap says of some captions, for the tests that run without it and without Java.

    pip install --no-deps --target coco pycocoevalcap
    PYTHONPATH=coco:. python tests/metrics/record_caption_scores.py

Needs Java for its tokenizer. Writes tests/fixtures/caption_scores.json: tokens of sentences made for this, and BLEU-1..4,
ROUGE-L and CIDEr-D of captions made for this and of the prediction files in the data folder (numbers only).
"""

import json
from pathlib import Path
from typing import Any

from rsfm.data.root import data_root

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "caption_scores.json"
FOLDER = Path("earthdial_pred_ref") / "src" / "earthdial" / "eval"
FILES = {
    "ucm": FOLDER / "rs_image_caption" / "results" / "UCM_captions.jsonl",
    "sydney": FOLDER / "rs_image_caption" / "results" / "sydney_Captions.jsonl",
    "levir_mci": FOLDER / "rs_change_detection" / "results" / "LEVIR_MCI.jsonl",
}
SENTENCES = (
    "The river's banks aren't green, but semi-arid.",
    "Planes: two, three or four... who knows?",
    "We can't tell / cannot say.",
    '"Quoted" houses\' roofs -- red/blue.',
    "A U.S. Navy ship near St. John's harbor.",
    "At 12:30 p.m. 3/4 of the field was 50% dry.",
    "houses,trees and roads.",
    "a T-shaped pier & 2 boats",
    "they'll've gone, he'd said 'yes'",
    "Rows of cars [parked] {here} (2 of them)",
    "the area is 10m2 or 1,200 sq. m",
    "An airport's 2 runways, 45.5 m apart.",
    "I'm gonna see the 90s building",
    "e.g. ponds, ca. 20 trees",
)
CANDIDATES = (
    "a large number of planes are parked beside the terminal .",
    "a river .",
    "some green trees and a bridge are over a river , with cars .",
    "nothing of it fits",
)
REFERENCES = (
    ("many planes are parked near a terminal in an airport .", "several planes are parked beside the terminal ."),
    ("a curved river runs through the green fields .", "it is a river .", "a river with dark green water ."),
    ("a bridge is over a river with some green trees in two sides of it .", "a bridge over the river ."),
    ("two tennis courts are surrounded by buildings .", "there are two tennis courts ."),
)


def read_captions(path: Path) -> tuple[list[str], list[list[str]]]:
    """Predicted sentences and their references of one of the FILES."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["answer"] for row in rows], [[row[f"caption{i}"] for i in range(5)] for row in rows]


def tokenized(sentences: list[list[str]]) -> list[list[str]]:
    """The sentences as the COCO scores cut them, by Java."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    found = PTBTokenizer().tokenize({i: [{"caption": text} for text in each] for i, each in enumerate(sentences)})
    return [found[i] for i in range(len(sentences))]


def scores(candidates: list[str], references: list[list[str]]) -> dict[str, Any]:
    """What pycocoevalcap says of sentences that are cut already."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    given = {i: [text] for i, text in enumerate(candidates)}
    wanted = dict(enumerate(references))
    bleus, _ = Bleu(4).compute_score(wanted, given, verbose=0)
    rouge, _ = Rouge().compute_score(wanted, given)
    cider, each = Cider().compute_score(wanted, given)
    named = {f"bleu{order}": float(value) for order, value in enumerate(bleus, start=1)}
    return named | {"rouge_l": float(rouge), "cider_d": float(cider), "cider_d_each": [float(x) for x in each][:5]}


def main() -> None:
    """Writes the fixture."""
    out: dict[str, Any] = {"tokens": dict(zip(SENTENCES, tokenized([list(SENTENCES)])[0], strict=True))}
    corpora = {"made": (list(CANDIDATES), [list(each) for each in REFERENCES])}
    corpora |= {name: read_captions(data_root() / path) for name, path in FILES.items()}
    for name, (candidates, references) in corpora.items():
        cut = [each[0] for each in tokenized([[text] for text in candidates])]
        out[name] = scores(cut, tokenized(references)) | {"n": len(candidates)}
    FIXTURE.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
