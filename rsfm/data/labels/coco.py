"""COCO's JSON as labels: pictures by file name, boxes as left, top, width, height in pixels."""

from pathlib import Path

from rsfm.config import read_json
from rsfm.data.labels.boxes import BoxLabels, stacked, upright
from rsfm.errors import UserError, unknown
from rsfm.types import Boxes

_HINT = "Export the labels again."
_BEGINNING = 4096  # bytes in which a COCO file says what it holds


class CocoLabels(BoxLabels):
    """`{"images": [{"id", "file_name"}], "annotations": [{"image_id", "category_id", "bbox"}], "categories": [{"id", "name"}]}`."""

    title = "COCO boxes"
    form = '"annotations" with "bbox": [left, top, width, height]'

    @classmethod
    def matches(cls, path: Path) -> bool:
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        text = path.read_bytes()
        return b'"annotations"' in text and b'"images"' in text and b'"FeatureCollection"' not in text[:_BEGINNING]

    def open(self) -> None:
        data = read_json(self.path, _HINT)
        try:
            names = {row["id"]: str(row["name"]) for row in data["categories"]}
            stems = {row["id"]: Path(row["file_name"]).name for row in data["images"]}
            boxes: dict[str, tuple[list, list[str]]] = {name: ([], []) for name in stems.values()}
            for row in data["annotations"]:
                corners, labels = boxes[stems[row["image_id"]]]
                corners.append(upright(*(float(x) for x in row["bbox"])))
                labels.append(names[row["category_id"]])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{self.path}: expected COCO, {self.form}; found {error!r}. {_HINT}") from None
        self._boxes = {name: stacked(*found) for name, found in boxes.items()}
        here = {picture.name for picture in self.pictures}
        missing = [name for name in self._boxes if name not in here]
        if missing:
            raise UserError(f"{self.path}: {unknown('picture', missing[0], here)} Give its folder with --images.")
        self.pictures = tuple(picture for picture in self.pictures if picture.name in self._boxes)
        self.legend = tuple(dict.fromkeys(name for each in self._boxes.values() for name in each.labels))
        self.check_legend()

    def boxes(self, picture: Path) -> Boxes:
        return self._boxes[picture.name]
