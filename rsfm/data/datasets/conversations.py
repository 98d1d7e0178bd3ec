"""Instruction data as conversations: LLaVA's JSON, and GeoChat-Instruct in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.texts import first_of, observe_pictures, read_rows, take
from rsfm.errors import UserError
from rsfm.types import Record, Turn

ASKS, ANSWERS = ("human", "user"), ("gpt", "assistant")
NOMINAL_GSD_M = 1.0  # pictures of mixed origin: none is told


class Conversations(Dataset):
    """A record a conversation: a picture, or several of one size in order of time, and its questions with their answers.

    Files: a list of objects with `id`, `image` (a path, or a list of paths) and `conversations`, in which turns "from"
    human and gpt alternate and hold their text as "value" (or "role" user and assistant with "content"). The mark
    <image> is taken out of the questions; task tags and boxes in text stay as they are. Objects without picture are
    passed over. The ground sampling distance is not told: nominal.
    """

    tables: ClassVar[dict[str, tuple[str, ...]]]  # of each split
    pictures: ClassVar[tuple[str, ...]]  # folders, "." = that of the table

    def index(self) -> None:
        table = first_of(self.folder, self.tables[self.split])
        self.images = first_of(self.folder, self.pictures)
        self.rows: list[tuple[str, tuple[str, ...], tuple[Turn, ...]]] = []
        for i, row in enumerate(read_rows(self.info.name, table) if table.exists() else []):
            where = f"{self.info.name}: {table} entry {i}"
            images = row.get("image")
            if images:
                paths = (images,) if isinstance(images, str) else tuple(take(row, "image", list, where))
                turns = tuple(_turns(take(row, "conversations", list, where), where))
                self.rows.append((f"{i}_{Path(paths[0]).stem}", paths, turns))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        name, paths, turns = self.rows[self.check_index(i)]
        files = [self.images / path for path in paths]
        return Record(
            id=f"{self.info.name}/{name}",
            observations=observe_pictures(self.info.name, files, NOMINAL_GSD_M),
            turns=turns,
        )

    def group(self, i: int) -> str:
        return self.rows[self.check_index(i)][1][0]


def _turns(listed: list[Any], where: str) -> Iterator[Turn]:
    question: str | None = None
    for k, each in enumerate(listed):
        here = f"{where} turn {k}"
        if not isinstance(each, dict):
            raise UserError(f"{here}: expected an object with 'from' and 'value', found {str(each)[:40]!r}.")
        role = str(each.get("from", each.get("role", "")))
        text = take(each, "value" if "value" in each else "content", str, here)
        if role in ASKS and question is None:
            question = text.replace("<image>", " ").strip()
        elif role in ANSWERS and question is not None:
            yield Turn(question=question, answers=(text.strip(),))
            question = None
        elif role != "system":
            expected = "gpt" if question is not None else "human"
            raise UserError(f"{here}: expected a turn of {expected}, found '{role}'. Questions and answers alternate.")
    if question is not None:
        raise UserError(f"{where}: the last question has no answer. Each turn of human needs one of gpt behind it.")


class Llava(Conversations):
    """Anybody's conversations in LLaVA's layout, as `rsfm data instruct` writes them, too.

    Files: `conversations.json` (train) and `conversations_test.json` (test), lists of objects with `id`, `image` and
    `conversations`, or .jsonl files of the same objects; the pictures lie in `images/` or beside the table. Keep the
    pictures of one place in one split.
    """

    tables = {
        "train": ("conversations.json", "conversations.jsonl"),
        "test": ("conversations_test.json", "conversations_test.jsonl"),
    }
    pictures = ("images", ".")
    info = DatasetInfo(
        name="llava",
        title="your own conversations in LLaVA's layout",
        url="https://github.com/haotian-liu/LLaVA (docs/Finetune_Custom_Data.md)",
        licence="that of the data",
        citation="Liu et al. 2023, Visual Instruction Tuning (NeurIPS)",
        layout="conversations.json (id, image, conversations: from, value) and images/ that hold the paths under image.",
        splits={"train": "conversations.json", "test": "conversations_test.json"},
        sensors=("aerial_rgb",),
        tasks=("vqa",),
        folder="llava",
        needs=("conversations.json|conversations.jsonl|conversations_test.json|conversations_test.jsonl",),
    )


class GeoChatInstruct(Conversations):
    """GeoChat-Instruct: 318k conversations on aerial pictures: questions, captions, [refer], [identify] and [grounding].

    Files: `GeoChat_Instruct.json` (id, image, conversations) and the unpacked pictures. Boxes stay in the text, in
    the convention "grid100_angle" of rsfm.boxes. There is no published test split.
    """

    tables = {"train": ("GeoChat_Instruct.json",)}
    pictures = ("final_images_llava", "images")
    info = DatasetInfo(
        name="geochat_instruct",
        title="GeoChat-Instruct",
        url="https://huggingface.co/datasets/MBZUAI/GeoChat_Instruct",
        licence="research use, as of the pictures' sources (DOTA, DIOR, FAIR1M, NWPU-RESISC45, LRBEN, FloodNet)",
        citation="Kuckreja et al. 2024, GeoChat: Grounded Large Vision-Language Model for Remote Sensing (CVPR)",
        layout="GeoChat_Instruct.json (id, image, conversations) and final_images_llava/<image>.",
        splits={"train": "all conversations"},
        sensors=("aerial_rgb",),
        tasks=("vqa",),
        folder="GeoChat_Instruct",
        needs=("GeoChat_Instruct.json",),
    )
