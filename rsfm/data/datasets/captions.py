"""Captioned aerial pictures in Karpathy's JSON: RSICD, UCM-Captions and Sydney-Captions."""

from typing import ClassVar

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.texts import first_of, observe_pictures, read_rows, take
from rsfm.types import Record

SPLITS = {"train": "the published train list", "val": "the published val list", "test": "the published test list"}
PLACE = "https://github.com/201528014227051/RSICD_optimal"


class KarpathyCaptions(Dataset):
    """Pictures with about five sentences each.

    Files: a JSON with `images`, a list of `filename`, `split` (train, val, test) and `sentences`, each with `raw`; and a
    folder of the pictures it names. Splits are those of the file. The ground sampling distance is nominal.
    """

    tables: ClassVar[tuple[str, ...]]
    pictures: ClassVar[tuple[str, ...]]
    gsd_m: ClassVar[float]

    def index(self) -> None:
        table = first_of(self.folder, self.tables)
        self.images = first_of(self.folder, self.pictures)
        rows = [(i, row) for i, row in enumerate(read_rows(self.info.name, table, "images"))]
        self.rows = []
        for i, row in rows:
            where = f"{self.info.name}: {table} image {i}"
            if take(row, "split", str, where) == self.split:
                sentences = [take(each, "raw", str, where).strip() for each in take(row, "sentences", list, where)]
                self.rows.append((take(row, "filename", str, where), tuple(filter(None, sentences))))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        filename, sentences = self.rows[self.check_index(i)]
        return Record(
            id=f"{self.info.name}/{filename.rsplit('.', 1)[0]}",
            observations=observe_pictures(self.info.name, [self.images / filename], self.gsd_m),
            captions=sentences,
        )

    def group(self, i: int) -> str:
        return self.rows[self.check_index(i)][0]


class Rsicd(KarpathyCaptions):
    """RSICD: 10,921 pictures of 224 x 224 pixels, 30 scene classes, five sentences each.

    Files: `dataset_rsicd.json` (images: filename, split, sentences with raw) and `RSICD_images/<name>.jpg`. Splits
    are those of the file: 8,734 train, 1,094 val, 1,093 test. Of many pictures some sentences are repeated. Pictures
    were resized to 224 from 0.5-8 m sources; the nominal distance is 2 m at 600 pixels, as for AID.
    """

    tables = ("dataset_rsicd.json", "annotations_rsicd/dataset_rsicd.json")
    pictures = ("RSICD_images", "images")
    gsd_m = 2.0 * 600 / 224
    info = DatasetInfo(
        name="rsicd",
        title="RSICD, remote sensing image captioning dataset",
        url=PLACE,
        licence="research use",
        citation="Lu et al. 2018, Exploring Models and Data for Remote Sensing Image Caption Generation (IEEE TGRS 56)",
        layout="dataset_rsicd.json (images: filename, split, sentences) and RSICD_images/<name>.jpg.",
        splits=SPLITS,
        sensors=("aerial_rgb",),
        tasks=("captioning",),
        folder="RSICD",
        needs=("dataset_rsicd.json|annotations_rsicd/dataset_rsicd.json", "RSICD_images|images"),
    )


class UcmCaptions(KarpathyCaptions):
    """UCM-Captions: the 2,100 pictures of UC Merced, 21 classes, 256 x 256 pixels of one foot, five sentences each.

    Files: `dataset.json` (images: filename, split, sentences with raw) and `imgs/<number>.tif`. Splits are those of the
    file: 1,680 train, 210 val, 210 test. The sentences of a class differ in few words: a model that names the class
    scores high.
    """

    tables = ("dataset.json",)
    pictures = ("imgs", "images")
    gsd_m = 0.3048
    info = DatasetInfo(
        name="ucm_captions",
        title="UCM-Captions (UC Merced)",
        url=PLACE,
        licence="research use; pictures: USGS National Map, public domain",
        citation="Qu et al. 2016, Deep Semantic Understanding of High Resolution Remote Sensing Image (CITS)",
        layout="dataset.json (images: filename, split, sentences) and imgs/<number>.tif.",
        splits=SPLITS,
        sensors=("aerial_rgb",),
        tasks=("captioning",),
        folder="UCM_captions",
        needs=("dataset.json", "imgs|images"),
    )


class SydneyCaptions(KarpathyCaptions):
    """Sydney-Captions: 613 pictures of Sydney, 500 x 500 pixels of 0.5 m, 7 scene classes, five sentences each.

    Files: `dataset.json` (images: filename, split, sentences with raw) and `imgs/<number>.tif`. Splits are those of the
    file: 497 train, 58 val, 58 test, all from one mosaic of the city.
    """

    tables = ("dataset.json",)
    pictures = ("imgs", "images")
    gsd_m = 0.5
    info = DatasetInfo(
        name="sydney_captions",
        title="Sydney-Captions",
        url=PLACE,
        licence="research use; pictures from Google Earth under its terms",
        citation="Qu et al. 2016, Deep Semantic Understanding of High Resolution Remote Sensing Image (CITS)",
        layout="dataset.json (images: filename, split, sentences) and imgs/<number>.tif.",
        splits=SPLITS,
        sensors=("aerial_rgb",),
        tasks=("captioning",),
        folder="Sydney_captions",
        needs=("dataset.json", "imgs|images"),
    )
