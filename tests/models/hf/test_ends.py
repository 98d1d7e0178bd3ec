"""A published language model ends an answer in each of its own ways."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder
from rsfm.models.generate import generate, prompt_sample
from rsfm.models.hf import decoder_config, export_decoder
from rsfm.text.tokenizer import TextTokenizer
from tests.models.test_decoder_parity import RECORDED

TEMPLATES = {
    "<|im_end|>": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "<|eot_id|>": "{% for m in messages %}<|h|>{{ m.role }}\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}",
    "<end_of_turn>": "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}",
}


def tokenizer(template: str | None) -> TextTokenizer:
    raw = Tokenizer(models.WordLevel({"[UNK]": 0, "yes": 1, "no": 2}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|h|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>")
    raw.add_special_tokens([AddedToken(name, special=True) for name in names])
    return TextTokenizer(raw, {"<bos>": "<s>", "<eos>": "</s>"}, template)


@pytest.mark.parametrize("end", TEMPLATES)
def test_the_mark_that_a_chat_template_writes_behind_an_answer_ends_it(end: str) -> None:
    text = tokenizer(TEMPLATES[end])
    (index,) = text.end_ids
    assert (
        text.decode([index], keep_control=True) == end
        and "yes" in text.decode([1, index])
        and end not in text.decode([1, index])
    )


def test_templates_without_a_mark_or_with_eos_add_none() -> None:
    plain = "{% for m in messages %}{{ m.content }} {% endfor %}"
    assert tokenizer(None).end_ids == tokenizer(plain).end_ids == ()
    assert tokenizer("{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}").end_ids == ()
    assert tokenizer("{{ raise_exception('no') }}").end_ids == ()


def test_lists_of_both_configs_are_read_and_written_back(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(RECORDED / "llama3", tmp_path / "llama"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": [3, 5]}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 7]}))
    read = decoder_config(folder)
    assert (read.end_id, read.end_ids) == (3, (5, 7))
    export_decoder(Decoder(read, rngs=nnx.Rngs(0)), tmp_path / "out")
    assert decoder_config(tmp_path / "out").end_ids == (5, 7)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [10**9]}))
    with pytest.raises(UserError, match="eos_token_id 1000000000 has no row"):
        decoder_config(folder)
    (folder / "generation_config.json").write_text("{")
    with pytest.raises(UserError, match="generation_config.json: not valid JSON"):
        decoder_config(folder)


def test_generation_stops_at_any_of_them() -> None:
    config = dataclasses.replace(decoder_config(RECORDED / "llama3"), end_id=-1, pad_id=0)
    decoder = Decoder(config, rngs=nnx.Rngs(1))
    prompt = prompt_sample([[5, 6, 7]], 4)
    free = np.asarray(generate(decoder, prompt, max_new_tokens=8))[0].tolist()
    third = next(i for i in range(1, 8) if free[i] not in free[:i])
    decoder.config = dataclasses.replace(config, end_ids=(free[third],))
    ended = np.asarray(generate(decoder, prompt, max_new_tokens=8))[0].tolist()
    assert ended == [*free[: third + 1], *[0] * (7 - third)]
