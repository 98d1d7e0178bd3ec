"""The records of one's own pictures and labels: read window by window when they are asked for."""

import dataclasses
import functools
import threading
from pathlib import Path

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.labels import open_labels
from rsfm.data.labels.description import NAME, Description, Place
from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError, unknown
from rsfm.types import MapScale, Mask, Record

ALL, EVEN = "all", "even"
MOST_REPEATS = 8  # of a place in the split "even"


class LabelledPlaces(Dataset):
    """What `rsfm finetune --images ... --labels ...` made.

    Splits are "train", "val", "test", "all", and "even": those of "train" with the places of rare classes several times, the
    root of how much rarer they are (square-root sampling).
    """

    info = DatasetInfo(
        name="labels",
        title="Your own pictures and labels",
        url="your own disk: rsfm finetune --images DIR --labels FILE",
        licence="yours",
        citation="none",
        layout="labels.json, which names pictures, labels and the split of each block of ground.",
        splits={
            "train": "three fifths of the labels, by blocks of ground",
            "val": "a fifth, for choosing the checkpoint",
            "test": "a fifth, never looked at in training",
            EVEN: "train, rare classes several times",
            ALL: "every place",
        },
        sensors=(),
        tasks=("segmentation", "scene", "counting", "grounding"),
        folder="labels",
        needs=(NAME,),
    )
    maps: tuple[MapScale, ...] = ()

    def __init__(self, root: Path | str, split: str) -> None:
        """Args: root: labels.json, or its folder."""
        root = Path(root)
        self.file = root / NAME if root.is_dir() else root
        super().__init__(self.file.parent, split)

    def find(self, root: Path) -> Path:
        return root

    def index(self) -> None:
        self.description = Description.load(self.file)
        found = self.description
        pictures = [Path(paths[0]) for paths in found.pictures]
        self.labels = open_labels(Path(found.labels), found.options, pictures)
        self.info = dataclasses.replace(type(self).info, name=found.name, tasks=self.labels.tasks)  # type: ignore[misc]
        if self.labels.tasks[0] == "segmentation":
            self.legends = {found.name: found.legend}
        known = {place.split for place in found.places}
        if self.split not in (ALL, EVEN) and self.split not in known:
            raise unknown(f"split of {self.file}", self.split, {*known, ALL, EVEN})
        named = "train" if self.split == EVEN else self.split
        self.places = [place for place in found.places if named in (ALL, place.split)]
        if self.split == EVEN:
            self.places = repeated(self.places)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> Record:
        place = self.places[self.check_index(i)]
        scene = self._scene(place.picture)
        row, column, height, width = place.window
        if row + height > scene.height or column + width > scene.width:
            raise UserError(f"{self._files(place)[0]}: is smaller than when {self.file} was made. Make it anew.")
        record = self.labels.put(scene.read(place.window), self._files(place)[0], place.window)
        record = dataclasses.replace(record, id=f"{self.info.name}/{record.id}_{row}_{column}")
        return record if record.mask is None else dataclasses.replace(record, mask=self._in_legend(record.mask))

    def _in_legend(self, mask: Mask) -> Mask:
        """The mask with the classes that are there at all."""
        legend = self.description.legend
        table = [legend.index(name) if name in legend else -1 for name in mask.legend]
        index = mask.class_index.copy()
        for i, to in enumerate(table):
            index[mask.class_index == i] = to
        return Mask(class_index=index, legend=legend)

    def group(self, i: int) -> str:
        return self.places[self.check_index(i)].block

    def _files(self, place: Place) -> tuple[Path, ...]:
        return tuple(Path(path) for path in self.description.pictures[place.picture])

    def _scene(self, picture: int) -> Scene:
        with self._lock:
            return self._opened(picture)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - as long as the data set is used
    def _opened(self, picture: int) -> Scene:
        paths = [Path(path) for path in self.description.pictures[picture]]
        return open_scene(paths, **self.description.reading.options())


def repeated(places: list[Place]) -> list[Place]:
    """Places with their rarest class as often as the root of how much rarer it is than the most frequent one."""
    totals: dict[str, int] = {}
    for place in places:
        for name, n in place.counts.items():
            totals[name] = totals.get(name, 0) + n
    most = max(totals.values(), default=1)
    rarity = {name: (most / n) ** 0.5 for name, n in totals.items()}
    return [
        place
        for place in places
        for _ in range(min(MOST_REPEATS, max(1, round(max((rarity[name] for name in place.counts), default=1)))))
    ]
