"""Text to ids and back: our byte-level BPE, or any Hugging Face tokenizer with our special tokens added to it.

Turns are laid out as `<bos><user>question<assistant>answer<eos><user>...`. A user's question is read literally, so a
"<mask>" typed by a person opens no head; answers, which we or the model write, carry special tokens.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from rsfm.errors import UserError

# In the order of their ids in our own vocabulary. Saved in checkpoints: append, never reorder.
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<user>", "<assistant>", "<value>", "<mask>", "<box>", "<image>", "<ret>")
CONTROL_TOKENS = SPECIAL_TOKENS[:5]  # shape the dialogue; the others are part of what is said
# A foreign tokenizer's own token plays these roles, because its language model was trained with it.
ROLES = {"<pad>": "pad_token", "<bos>": "bos_token", "<eos>": "eos_token"}
_SPLIT = re.compile("(" + "|".join(re.escape(token) for token in SPECIAL_TOKENS) + ")")


class TextTokenizer:
    """Wraps a `tokenizers.Tokenizer`.

    Attributes:
        special: id of each of SPECIAL_TOKENS.
        vocab_size: one above the largest id: rows an embedding matrix needs.
        added: the special tokens that the given tokenizer lacked and that were appended, in the order of their ids.

    >>> tokenizer = TextTokenizer.load("tokenizers/text")
    >>> tokenizer.decode(tokenizer.encode("There are <value> ha of water."))
    'There are <value> ha of water.'
    """

    def __init__(self, tokenizer: Tokenizer, roles: dict[str, str] | None = None):
        """Takes over `tokenizer`, adding the special tokens it lacks.

        Args:
            tokenizer: any Hugging Face fast tokenizer.
            roles: own tokens of the tokenizer that stand for "<pad>", "<bos>" or "<eos>".
        """
        self._tokenizer = tokenizer
        self.roles = dict(roles or {})
        names = {token: self.roles.get(token, token) for token in SPECIAL_TOKENS}
        missing = [name for name in names.values() if tokenizer.token_to_id(name) is None]
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in missing])
        tokenizer.encode_special_tokens = True  # text is text: only encode() below writes special ids
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.added: tuple[str, ...] = tuple(missing)
        ids = tokenizer.get_vocab(with_added_tokens=True)
        self.special: dict[str, int] = {token: ids[name] for token, name in names.items()}
        self.vocab_size: int = 1 + max(ids.values())
        self._token_of_id = {index: token for token, index in self.special.items()}
        self._control = {self.special[token] for token in CONTROL_TOKENS}

    @classmethod
    def load(cls, folder: str | Path) -> "TextTokenizer":
        """Reads a folder saved by `save`, or by Hugging Face: tokenizer.json, or files that transformers converts."""
        folder = Path(folder)
        if (folder / "tokenizer.json").is_file():
            try:
                tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            except Exception as error:  # the Rust side raises plain Exception
                path = folder / "tokenizer.json"
                raise UserError(f"{path}: expected a Hugging Face tokenizer, found: {error}.") from error
            return cls(tokenizer, _roles(folder))
        if not folder.is_dir():
            raise UserError(f"{folder}: no such tokenizer folder. Pass a folder that holds tokenizer.json.")
        from transformers import AutoTokenizer  # seconds to import, and only old layouts need it

        try:
            converted = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            return cls(converted.backend_tokenizer, _roles(folder))
        except (OSError, ValueError, AttributeError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{folder}: holds no tokenizer.json and transformers cannot read it: {reason}") from error

    def save(self, folder: str | Path) -> None:
        """Writes tokenizer.json and tokenizer_config.json; `load` and transformers' AutoTokenizer both read them."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer.save(str(folder / "tokenizer.json"), pretty=True)
        names = {key: self.roles.get(token, token) for token, key in ROLES.items()}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **names}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def split_special(text: str) -> list[str]:
        """Cuts a text at special tokens: "a <mask> b" -> ["a ", "<mask>", " b"]."""
        return [piece for piece in _SPLIT.split(text) if piece]

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which the names of special tokens mean the tokens. Adds no <bos> or <eos>."""
        ids: list[int] = []
        for piece in self.split_special(text):
            ids += [self.special[piece]] if piece in self.special else self.encode_literal(piece)
        return ids

    def encode_literal(self, text: str) -> list[int]:
        """Ids of a text from outside, in which "<mask>" is just six characters."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int], *, keep_control: bool = False) -> str:
        """The text of ids. `<pad> <bos> <eos> <user> <assistant>` are left out unless `keep_control`."""
        kept = [int(index) for index in ids]
        if not keep_control:
            kept = [index for index in kept if index not in self._control]
        return self._tokenizer.decode(kept, skip_special_tokens=False)

    def chat(self, turns: Sequence[tuple[str, str | None]]) -> tuple[list[int], list[bool]]:
        """Ids of a dialogue and, for each, whether it is to be learnt: the answers and the <eos> after each.

        Args:
            turns: (question, answer) pairs; a last answer of None ends the ids after `<assistant>`, ready to generate.
        """
        ids, learn = [self.special["<bos>"]], [False]
        for index, (question, answer) in enumerate(turns):
            asked = [self.special["<user>"], *self.encode_literal(question), self.special["<assistant>"]]
            ids += asked
            learn += [False] * len(asked)
            if answer is None:
                assert index == len(turns) - 1, "only the last answer may be open"
                break
            said = [*self.encode(answer), self.special["<eos>"]]
            ids += said
            learn += [True] * len(said)
        return ids, learn


def _roles(folder: Path) -> dict[str, str]:
    """The folder's own tokens for <pad>, <bos>, <eos>, where its tokenizer_config.json names them."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}). Copy the file again.") from error
    roles = {}
    for token, key in ROLES.items():
        named = config.get(key)
        name = named.get("content") if isinstance(named, dict) else named  # AddedToken is written as an object
        if isinstance(name, str) and name != token:
            roles[token] = name
    return roles
