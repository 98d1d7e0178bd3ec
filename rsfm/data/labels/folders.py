"""Folders named after classes, with the pictures of each in them, as labels."""

from pathlib import Path

from rsfm.data.labels.base import PICTURES, Labels, Window
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import Record


class FolderLabels(Labels):
    """DIR/<class>/<picture>.jpg: a picture has one class, its folder's name; "_" is read as a space."""

    title = "a folder for each class"
    tasks = ("scene",)
    whole = True

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_dir() and not _pictures(path) and any(_pictures(folder) for folder in _folders(path))

    def open(self) -> None:
        folders = {folder: _pictures(folder) for folder in _folders(self.path)}
        empty = [folder.name for folder, inside in folders.items() if not inside]
        if empty:
            raise UserError(f"{self.path}: no picture of the class '{empty[0]}'. Add some, or take the folder away.")
        self._classes = {picture: _plain(folder) for folder, inside in folders.items() for picture in inside}
        self.pictures, self.legend = tuple(self._classes), tuple(dict.fromkeys(self._classes.values()))
        if len(self.legend) < 2:
            raise UserError(f"{self.path}: one class only, {self.legend[0]}: there is nothing to tell it from.")

    def put(self, record: Record, picture: Path, window: Window) -> Record:
        """The record with its scene."""
        return replace(record, scene=self._classes[picture])

    def files(self) -> tuple[Path, ...]:
        return ()  # the pictures' places are the labels


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES and p.is_file())


def _plain(folder: Path) -> str:
    return folder.name.replace("_", " ").strip()
