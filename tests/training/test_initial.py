"""Weights of another network are taken by name, and it is said which."""

import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.training.initial import taken


def test_what_both_have_is_taken_and_the_rest_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    own = {name: np.zeros(2) for name in ("encoder.a", "encoder.b", "tokenizers.sar.k", "heads.value.w")}
    other = {name: np.ones(2) for name in ("encoder.a", "encoder.b", "tokenizers.sar.k", "heads.reconstruction.w")}
    found = taken(other, own, "runs/mine")
    assert found.keys() == own.keys()
    assert [name for name in own if found[name].all()] == ["encoder.a", "encoder.b", "tokenizers.sar.k"]
    assert capsys.readouterr().out.splitlines() == [
        "weights from runs/mine: 3 of 4 arrays taken (encoder 2, tokenizers.sar 1)",
        "  new, drawn from the seed: heads.value 1",
        "  not in this model, left out: heads.reconstruction 1",
    ]


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"init_from: runs/other has no weights of this model \(it has blocks 1; the model"
    ):
        taken({"blocks.a": np.ones(1)}, {"encoder.a": np.ones(1)}, "runs/other")
