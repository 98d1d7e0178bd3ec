"""Pictures cut into windows for scoring: every pixel once, where it was."""

import numpy as np
import pytest

from rsfm.scoring.evaluation import result_row
from rsfm.scoring.pieces import Pieces
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Mask, Record


def picture(height: int, width: int) -> Record:
    values = np.arange(2 * height * width, dtype=np.float32).reshape(2, height, width, 1).repeat(3, -1)
    seen = observe(SENSORS["aerial_rgb"], values, time_days=[1.0, 2.0], gsd_m=1.0)
    index = np.arange(height * width).reshape(height, width)
    return Record(id="a", observations={"aerial_rgb": seen}, mask=Mask(class_index=index, legend=("a",)))


@pytest.mark.parametrize("size", [(8, 12), (5, 7), (4, 4), (3, 9)])
def test_every_pixel_is_in_one_piece_with_its_label(size: tuple[int, int]) -> None:
    pieces = Pieces([picture(*size), picture(4, 4)], 4)
    labels = []
    for i in range(len(pieces) - 1):
        piece = pieces[i]
        assert piece.mask is not None and max(piece.mask.class_index.shape) <= 4
        np.testing.assert_array_equal(piece.observations["aerial_rgb"].values[0, :, :, 0], piece.mask.class_index)
        labels += piece.mask.class_index.ravel().tolist()
    assert sorted(labels) == list(range(size[0] * size[1]))
    with pytest.raises(IndexError):
        pieces[len(pieces)]


def test_rows_of_pieces_have_their_own_protocol() -> None:
    score = {"metric": "f1", "value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
    about = {"checkpoint": "a", "dataset": "levir_cd", "split": "test", "command": "x"}
    assert result_row(score, **about)["protocol"] == "whole"
    assert result_row(score, **about, pieces=256)["protocol"] == "windows-256"
