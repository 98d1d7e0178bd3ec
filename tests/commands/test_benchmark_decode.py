"""`rsfm benchmark decode` on a tiny checkpoint: what it prints, and that a prompt of another length compiles nothing."""

import json

import pytest

from rsfm.cli import main
from tests.models.test_decoder_parity import RECORDED


def test_rates_and_no_compilation_at_another_length(capsys):
    words = ["benchmark", "decode", str(RECORDED / "smollm2"), "--batch-sizes", "2", "--tokens", "4", "--repeats", "1"]
    assert main([*words, "--no-reference", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["batches"]
    assert row["batch"] == 2 and row["compilations_at_another_length"] == 0
    assert row["tokens_per_s"] > 0 and 0 < row["share_of_bandwidth"] < 10 and row["read_gb_per_s"] > 0
    assert "ratio_to_transformers" not in row


@pytest.mark.parity
def test_the_ratio_to_transformers(capsys):
    pytest.importorskip("torch")
    words = ["benchmark", "decode", str(RECORDED / "smollm2"), "--batch-sizes", "1", "--tokens", "4", "--repeats", "1"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batches"][0]["ratio_to_transformers"] > 0
