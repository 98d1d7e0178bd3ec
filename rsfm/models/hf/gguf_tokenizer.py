"""The tokenizer and chat template inside a GGUF file, as the files of a Hugging Face tokenizer folder."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from rsfm.errors import UserError
from rsfm.models.hf.gguf import read_gguf

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # tokenizer.ggml.token_type
ROLES = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
}
# How the text is cut before the merges, by tokenizer.ggml.pre: contractions, a word with what stands before it, digits
# by threes (Llama 3) or one by one (Qwen 2), signs with the line ends after them, white space.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CUTS: dict[str, str] = {"llama-bpe": _WORDS % r"\p{N}{1,3}", "qwen2": _WORDS % r"\p{N}"}
PLAIN_CUTS = ("gpt-2", "default", "")  # the byte-level cut of GPT-2, built into the library
DIGIT_CUTS = ("smollm",)  # the same after every digit stands alone


def load_gguf_tokenizer(path: str | Path) -> Tokenizer:
    """Byte-level BPE from a GGUF file's metadata.

    Raises:
        UserError: a tokenizer of another family, such as SentencePiece.
    """
    reader, path = read_gguf(Path(path)), Path(path)
    model, pre = _text(reader, "tokenizer.ggml.model"), _text(reader, "tokenizer.ggml.pre")
    if model != "gpt2":
        raise UserError(
            f"{path}: tokenizer '{model}' is not supported. Known: gpt2. Take tokenizer.json of the original."
        )
    tokens, kinds = _contents(reader, "tokenizer.ggml.tokens", []), _contents(reader, "tokenizer.ggml.token_type", [])
    merges = [tuple(merge.split(" ", 1)) for merge in _contents(reader, "tokenizer.ggml.merges", [])]
    tokenizer = Tokenizer(BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = _cut(pre, path)
    tokenizer.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    special = [token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    defined = [token for token, kind in zip(tokens, kinds, strict=False) if kind == USER_DEFINED]
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in defined])
    return tokenizer


def save_gguf_tokenizer(path: str | Path, folder: str | Path) -> Path:
    """Writes tokenizer.json and tokenizer_config.json with roles and chat template, as transformers' AutoTokenizer reads."""
    tokenizer, reader, folder = load_gguf_tokenizer(path), read_gguf(Path(path)), Path(folder)
    tokens = _contents(reader, "tokenizer.ggml.tokens", [])
    ids = {role: _contents(reader, key, None) for role, key in ROLES.items()}
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config |= {role: tokens[index] for role, index in ids.items() if index is not None and index < len(tokens)}
    context = _contents(reader, f"{_text(reader, 'general.architecture')}.context_length", None)
    config |= {"model_max_length": context} if context else {}
    template = _text(reader, "tokenizer.chat_template")
    config |= {"chat_template": template} if template else {}
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def _cut(pre: str, path: Path) -> Any:
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pre in PLAIN_CUTS:
        return plain
    if pre in DIGIT_CUTS:
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain])
    if pre not in CUTS:
        known = ", ".join([*PLAIN_CUTS[:-1], *DIGIT_CUTS, *CUTS])
        raise UserError(f"{path}: a text cut as '{pre}' does is not supported. Known: {known}.")
    split = pre_tokenizers.Split(Regex(CUTS[pre]), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _text(reader: Any, key: str) -> str:
    return str(_contents(reader, key, ""))


def _contents(reader: Any, key: str, default: Any) -> Any:
    field = reader.get_field(key)
    return default if field is None else field.contents()
