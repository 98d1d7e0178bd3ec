"""Checkpoints of format 1 load, and answer as they did; but for the faults that were mended."""

from pathlib import Path

import numpy as np
import pytest

import rsfm
from rsfm.models.upgrade import upgraded_model, upgraded_names
from tests.fixtures.record_nano import outputs

RECORDED = Path(__file__).parents[1] / "fixtures" / "nano_outputs.npz"


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    return outputs(rsfm.load("nano"))


@pytest.mark.parametrize("case", ["rgb", "s2s1", "s2s1mask"])
def test_nano_gives_what_it_gave(found: dict[str, np.ndarray], case: str) -> None:
    with np.load(RECORDED, allow_pickle=False) as recorded:
        names = [name for name in found if name.startswith(f"{case}/")]
        assert len(names) > 1
        for name in names:  # the metres of the positions are no longer shifted: rounding alone differs
            np.testing.assert_allclose(found[name], recorded[name], rtol=1e-5, atol=2e-5, err_msg=name)


def test_a_place_no_longer_turns_the_dates(found: dict[str, np.ndarray]) -> None:
    """Before, the undated place stood at day 0, and all dates 9,000 days away from it."""
    with np.load(RECORDED, allow_pickle=False) as recorded:
        change = np.abs(found["placed/logits"] - recorded["placed/logits"]).max()
        assert 1e-4 < change < 0.1


def test_names_of_heads_move_to_their_rooms() -> None:
    old = {
        "value_head.out.kernel": 1,
        "mask_head.enter.bias": 2,
        "mask_head.embed.up.kernel": 3,
        "decoder.norm.scale": 4,
    }
    assert upgraded_names(old, 1) == {
        "heads.value.head.out.kernel": 1,
        "necks.pixels.enter.bias": 2,
        "heads.mask.head.embed.up.kernel": 3,
        "decoder.norm.scale": 4,
    }
    assert upgraded_names(old, 2) == old


def test_fields_of_heads_become_entries() -> None:
    old = {
        "experts": {"experts": 2},
        "value": {"kind": "bins"},
        "mask": {"pixel_width": 8, "hidden": 16},
        "contrastive": None,
    }
    new = upgraded_model(old, 1)
    assert new["heads"]["value"] == {"options": {"kind": "bins"}, "experts": {"experts": 2}}
    assert new["necks"] == {"pixels": {"width": 8, "hidden": 16}} and set(new["heads"]) == {"value", "mask"}


def test_a_queue_of_pairs_is_no_longer_a_field() -> None:
    old = {"contrastive": {"width": 8, "queue": 4}}
    new = upgraded_model(old, 1)
    assert new["heads"]["contrastive"] == {"options": {"width": 8}}
    assert upgraded_model({"heads": {"joint": {"options": {"width": 8, "queue": 4}}}}, 2) == {
        "heads": {"joint": {"options": {"width": 8}}}
    }
