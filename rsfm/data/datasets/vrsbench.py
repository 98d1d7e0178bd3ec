"""VRSBench: a long caption, labelled objects with referring sentences, and questions, each checked by people."""

from typing import Any

import numpy as np

from rsfm.boxes import encode
from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.texts import observe_pictures, read_json, take
from rsfm.errors import UserError
from rsfm.types import Boxes, Record, Turn

NOMINAL_GSD_M = 0.3
REFER = "Where is this: {}?"
CONVENTION = "grid100"  # of rsfm.boxes: the set's own


class VrsBench(Dataset):
    """Captioning, visual questions and referring on 29,614 pictures of 512 x 512 pixels.

    Files: `Annotations_<split>/<name>.json` with `image`, `caption`, `objects` (obj_cls, obj_corner: four corners as
    shares of the picture, referring_sentence) and `qa_pairs` (question, answer, type), and `Images_<split>/<name>.png`.
    Splits are the published train and val, the latter the benchmark. A referring sentence becomes a question whose answer
    is the box in text. All objects of a picture cut from DOTA (P....png) are labelled, so there they are boxes of
    the record, too; DIOR names its classes otherwise and labels fewer. The ground sampling distance is nominal, 0.3 m.
    """

    info = DatasetInfo(
        name="vrsbench",
        title="VRSBench",
        url="https://huggingface.co/datasets/xiang709/VRSBench",
        licence="CC-BY-4.0; pictures as of DOTA-v2 and DIOR",
        citation="Li, Ding, Elhoseiny 2024, VRSBench: A Versatile Vision-Language Benchmark Dataset (NeurIPS)",
        layout="Annotations_<split>/<name>.json (image, caption, objects, qa_pairs) and Images_<split>/<name>.png.",
        splits={"train": "the published train pictures", "val": "the published val pictures, the benchmark"},
        sensors=("aerial_rgb",),
        tasks=("captioning", "vqa", "grounding"),
        folder="VRSBench",
        needs=("Annotations_train|Annotations_val", "Images_train|Images_val"),
    )

    def index(self) -> None:
        self.tables = sorted((self.folder / f"Annotations_{self.split}").glob("*.json"))

    def __len__(self) -> int:
        return len(self.tables)

    def __getitem__(self, i: int) -> Record:
        path = self.tables[self.check_index(i)]
        where = f"{self.info.name}: {path}"
        row = read_json(self.info.name, path)
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected an object with image, caption, objects and qa_pairs. Fetch it again.")
        image = self.folder / f"Images_{self.split}" / take(row, "image", str, where)
        observations = observe_pictures(self.info.name, [image], NOMINAL_GSD_M)
        height, width = next(iter(observations.values())).values.shape[1:3]
        boxes, sentences = _objects(take(row, "objects", list, where), (height, width), where)
        asked = [
            Turn(question=take(pair, "question", str, where), answers=(str(take(pair, "answer", (str, int), where)),))
            for pair in take(row, "qa_pairs", list, where)
        ]
        return Record(
            id=f"vrsbench/{path.stem}",
            observations=observations,
            captions=(take(row, "caption", str, where).strip(),),
            turns=(*asked, *sentences),
            boxes=boxes if path.stem.startswith("P") else None,
        )

    def group(self, i: int) -> str:
        """The whole picture that the 512 x 512 piece was cut from."""
        return self.tables[self.check_index(i)].stem.split("_")[0]


def _objects(listed: list[dict[str, Any]], size: tuple[int, int], where: str) -> tuple[Boxes, list[Turn]]:
    """The boxes in pixels, and a question for each that has a referring sentence."""
    corners, labels, turns = [], [], []
    for k, each in enumerate(listed):
        here = f"{where} object {k}"
        numbers = take(each, "obj_corner", list, here)
        if len(numbers) != 8 or not all(isinstance(x, (int, float)) for x in numbers):
            raise UserError(f"{here}: expected obj_corner as eight numbers from 0 to 1, found {numbers}.")
        shape = np.array(numbers, float).reshape(4, 2) * [size[1], size[0]]
        corners.append(shape)
        labels.append(take(each, "obj_cls", str, here))
        sentence = str(each.get("referring_sentence") or "").strip().rstrip(".")
        if sentence:
            box = encode(Boxes(corners=shape[None], labels=(labels[-1],)), CONVENTION, size=size)
            turns.append(Turn(question=REFER.format(sentence), answers=(box,)))
    return Boxes(corners=np.array(corners, float).reshape(-1, 4, 2), labels=tuple(labels)), turns
