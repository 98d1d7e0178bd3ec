"""RSVQA: questions on Sentinel-2 (low resolution) and aerial (high resolution) pictures, answered by OpenStreetMap."""

from typing import ClassVar

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.texts import observe_pictures, read_rows, take
from rsfm.errors import UserError
from rsfm.types import Record, Turn

CITATION = "Lobry et al. 2020, RSVQA: Visual Question Answering for Remote Sensing Data (IEEE TGRS 58)"


class Rsvqa(Dataset):
    """A record a question: the evaluation asks every question of the split, as the published one does.

    Files: <prefix>_split_<split>_questions.json and ..._answers.json, each with a list of entries that are active or
    not, and <img_id>.tif in the picture folder. No picture is in two splits.
    """

    prefix: ClassVar[str]
    pictures: ClassVar[str]
    gsd_m: ClassVar[float]

    def index(self) -> None:
        tables = {
            kind: self.folder / f"{self.prefix}_split_{self.split}_{kind}.json" for kind in ("questions", "answers")
        }
        self.rows: list[tuple[int, int, str, str]] = []
        if not tables["questions"].exists():
            return
        listed = {kind: read_rows(self.info.name, path, kind) for kind, path in tables.items()}
        answers = {row.get("id"): row for row in listed["answers"] if row.get("active", True)}
        for row in listed["questions"]:
            if not row.get("active", True):
                continue
            where = f"{self.info.name}: {tables['questions']} question {row.get('id')}"
            known = [answers[key] for key in take(row, "answers_ids", list, where) if key in answers]
            if not known:
                raise UserError(f"{where}: none of its answers is in {tables['answers'].name}. Fetch both files again.")
            answer = take(known[0], "answer", (str, int), where)
            number, picture = take(row, "id", int, where), take(row, "img_id", int, where)
            self.rows.append((number, picture, take(row, "question", str, where).strip(), str(answer).strip()))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        number, picture, question, answer = self.rows[self.check_index(i)]
        path = self.folder / self.pictures / f"{picture}.tif"
        return Record(
            id=f"{self.info.name}/{picture}_{number}",
            observations=observe_pictures(self.info.name, [path], self.gsd_m),
            turns=(Turn(question=question, answers=(answer,)),),
        )

    def group(self, i: int) -> str:
        return str(self.rows[self.check_index(i)][1])


class RsvqaLr(Rsvqa):
    """RSVQA-LR: 772 pictures of 256 x 256 pixels of 10 m over the Netherlands, 77,232 questions; RGB of Sentinel-2 in 8 bits.

    Files: `LR_split_<split>_questions.json`, `LR_split_<split>_answers.json` and `Images_LR/<img_id>.tif`. Questions ask
    for presence, comparison, counts and rural or urban; 10,004 of them are test. A record is one question.
    """

    prefix, pictures, gsd_m = "LR", "Images_LR", 10.0
    info = DatasetInfo(
        name="rsvqa_lr",
        title="RSVQA low resolution (Sentinel-2)",
        url="https://doi.org/10.5281/zenodo.6344334",
        licence="CC-BY-4.0",
        citation=CITATION,
        layout="LR_split_<split>_questions.json, LR_split_<split>_answers.json and Images_LR/<img_id>.tif.",
        splits={
            "train": "the published train list",
            "val": "the published val list",
            "test": "the published test list",
        },
        sensors=("aerial_rgb",),
        tasks=("vqa",),
        folder="RSVQA_LR",
        needs=("Images_LR",),
    )


class RsvqaHr(Rsvqa):
    """RSVQA-HR: 10,659 pictures of 512 x 512 pixels of 15 cm over the north-east of the USA, 1,066,316 questions.

    Files: `USGS_split_<split>_questions.json`, `USGS_split_<split>_answers.json` and `Data/<img_id>.tif`. Questions ask
    for presence, comparison, counts and areas ("41m2"). A record is one question.
    """

    prefix, pictures, gsd_m = "USGS", "Data", 0.15
    info = DatasetInfo(
        name="rsvqa_hr",
        title="RSVQA high resolution (USGS aerial)",
        url="https://doi.org/10.5281/zenodo.6344367",
        licence="CC-BY-4.0",
        citation=CITATION,
        layout="USGS_split_<split>_questions.json, USGS_split_<split>_answers.json and Data/<img_id>.tif.",
        splits={
            "train": "the published train list",
            "val": "the published val list",
            "test": "the published test list 1",
            "test_phili": "the published test list 2: Philadelphia, a town of no other split",
        },
        sensors=("aerial_rgb",),
        tasks=("vqa",),
        folder="RSVQA_HR",
        needs=("Data",),
    )
