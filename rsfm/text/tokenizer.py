"""Text to ids and back: our byte-level BPE, or any Hugging Face tokenizer with our special tokens added to it.

Turns are laid out as `<bos><user>question<assistant>answer<eos><user>...`, or by the tokenizer's own chat template. A
user's question is read literally, so a "<mask>" typed by a person opens no head; answers, which we or the model write,
carry special tokens. Only the places of image tokens, which the Processor puts into a question, are "<image>" tokens.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from rsfm.config import read_json, resolve
from rsfm.errors import UserError
from rsfm.text.chat import (
    IMAGE,
    SPOT,
    Message,
    guarded,
    is_guarded,
    pieces,
    read_messages,
    render,
    turns_to_messages,
)
from rsfm.text.pieces import piece_bytes

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
        template: Jinja chat template of a foreign tokenizer, or None.
        end_ids: tokens besides <eos> that end an answer, as the template writes it.
        added: the special tokens that the given tokenizer lacked and that were appended, in the order of their ids.

    >>> tokenizer = TextTokenizer.load("tokenizers/text")
    >>> tokenizer.decode(tokenizer.encode("There are <value> ha of water."))
    'There are <value> ha of water.'
    """

    def __init__(self, tokenizer: Tokenizer, roles: dict[str, str] | None = None, template: str | None = None):
        """Takes over `tokenizer`, adding the special tokens it lacks.

        Args:
            tokenizer: any Hugging Face fast tokenizer.
            roles: own tokens of the tokenizer that stand for "<pad>", "<bos>" or "<eos>".
            template: its Jinja chat template; None = our own layout.
        """
        self._tokenizer = tokenizer
        self.roles, self.template = dict(roles or {}), template
        self._parsing: Tokenizer | None = None
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
        self._bytes: list[bytes] | None = None
        self.end_ids: tuple[int, ...] = self._ends()
        self._control |= set(self.end_ids)

    @classmethod
    def load(cls, folder: str | Path) -> "TextTokenizer":
        """Reads a folder saved by `save`, or by Hugging Face: tokenizer.json, or files that transformers converts.

        Our own tokenizer, "tokenizers/text", lies in the package and is read from any working folder.
        """
        folder = resolve(folder, holds="tokenizer.json")
        if (folder / "tokenizer.json").is_file():
            try:
                tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            except Exception as error:  # the Rust side raises plain Exception
                path = folder / "tokenizer.json"
                raise UserError(f"{path}: expected a Hugging Face tokenizer, found: {error}.") from error
            return cls(tokenizer, _roles(folder), _template(folder))
        if not folder.is_dir():
            raise UserError(f"{folder}: no such tokenizer folder. Pass a folder that holds tokenizer.json.")
        from transformers import AutoTokenizer  # seconds to import, and only old layouts need it

        try:
            converted = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            return cls(converted.backend_tokenizer, _roles(folder), _template(folder))
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
        config |= {"chat_template": self.template} if self.template is not None else {}
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

    def is_control(self, token: str) -> bool:
        """Whether a special token shapes the dialogue and is no part of what is said; so is every role's own token."""
        return self.special[token] in self._control

    def token_bytes(self) -> list[bytes]:
        """What each id writes, in bytes; nothing for special tokens."""
        if self._bytes is None:
            kind = json.loads(self._tokenizer.to_str())
            level = "ByteLevel" in json.dumps([kind.get("decoder"), kind.get("pre_tokenizer")])
            special = {entry["id"] for entry in kind.get("added_tokens", ()) if entry["special"]}
            pieces = {index: piece for piece, index in self._tokenizer.get_vocab(with_added_tokens=True).items()}
            self._bytes = [
                b"" if index in special or index not in pieces else piece_bytes(pieces[index], level)
                for index in range(self.vocab_size)
            ]
        return self._bytes

    def chat(self, turns: Sequence[tuple[str, str | None]], *, system: str = "") -> tuple[list[int], list[bool]]:
        """Ids of a dialogue and, for each, whether it is to be learnt: the answers and the end token after each.

        Args:
            turns: (question, answer) pairs; a last answer of None ends the ids where an answer begins.
            system: what the assistant is told beforehand.
        """
        return self.messages(turns_to_messages(turns, system))

    def messages(self, messages: Sequence[Message | Mapping[str, Any]]) -> tuple[list[int], list[bool]]:
        """Like `chat`, of messages with roles; after a user's message the ids end where an answer begins.

        A tokenizer that brings a chat template is laid out by it, any other in our way.
        """
        said = read_messages(messages)
        return self._ours(said) if self.template is None else self._templated(said, self.template)

    def _ours(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        ids, learn = [self.special["<bos>"]], [False]
        told = ""
        for message in messages:
            if message.role == "system":  # the layout has no role for it: it goes before the first question
                told = message.content.replace(SPOT, "").rstrip() + "\n"
            elif message.role == "user":
                asked = self._encode_asked(told + message.content)
                ids += [self.special["<user>"], *asked, self.special["<assistant>"]]
                told = ""
            else:
                ids += [*self.encode(message.content), self.special["<eos>"]]
            learn += [message.role == "assistant"] * (len(ids) - len(learn))
        return ids, learn

    def _encode_asked(self, text: str) -> list[int]:
        """Ids of a user's text, literal but for the places of image tokens."""
        ids: list[int] = []
        for piece in re.split(f"({SPOT}+)", text):
            at_image = piece.startswith(SPOT)
            ids += [self.special[IMAGE]] * len(piece) if at_image else self.encode_literal(piece)
        return ids

    def _templated(self, messages: Sequence[Message], template: str) -> tuple[list[int], list[bool]]:
        names = {key: self.roles.get(token, token) for token, key in ROLES.items()}
        special = [name for name in self._special_names() if name]
        safe = [m if m.role == "assistant" else replace(m, content=_safe(m, special)) for m in messages]
        show = partial(render, template, names=names)
        whole = show(safe, open_answer=safe[-1].role == "user")
        learnt: list[tuple[int, int]] = []
        for i, message in enumerate(safe):
            if message.role == "assistant":
                before, after = show(safe[:i], open_answer=True), show(safe[: i + 1], open_answer=False).rstrip()
                if not whole.startswith(before) or not whole.startswith(after):
                    break  # a template that rewrites earlier turns: only what stands at its place is learnt
                learnt.append((_clean_length(before), _clean_length(after)))
        ids, starts = self._encode_rendered(whole, special)
        return ids, [any(first <= start < last for first, last in learnt) for start in starts]

    def _encode_rendered(self, text: str, special: list[str]) -> tuple[list[int], list[int]]:
        """Ids of a rendered template and the letter each begins at."""
        if self._parsing is None:
            self._parsing = Tokenizer.from_str(
                self._tokenizer.to_str()
            )  # one in which names of special tokens mean them
            self._parsing.encode_special_tokens = False
        if not is_guarded(text):
            found = self._parsing.encode(text, add_special_tokens=False)
            return found.ids, [first for first, _ in found.offsets]
        ids: list[int] = []
        starts: list[int] = []
        at = 0
        for piece, is_special in pieces(text, special):
            found = (self._parsing if is_special else self._tokenizer).encode(piece, add_special_tokens=False)
            ids += found.ids
            starts += [at + first for first, _ in found.offsets]
            at += len(piece)
        return ids, starts

    def end_with(self, ids: Iterable[int]) -> None:
        """Counts further tokens as ends of an answer: those of the language model that the tokenizer is used with."""
        known = (*self.end_ids, *(index for index in ids if 0 <= index < self.vocab_size))
        self.end_ids = tuple(index for index in dict.fromkeys(known) if index != self.special["<eos>"])
        self._control |= set(self.end_ids)

    def _ends(self) -> tuple[int, ...]:
        """The special token that the chat template writes behind an answer, where it is not <eos>: <|im_end|>, <|eot_id|>."""
        if self.template is None:
            return ()
        names = {key: self.roles.get(token, token) for token, key in ROLES.items()}
        said = (Message(role="user", content="Really?"), Message(role="assistant", content="Yes"))
        try:
            text = render(self.template, said, names=names, open_answer=False)
        except UserError:  # told when a chat is laid out
            return ()
        after = pieces(text.rpartition("Yes")[2].lstrip(), [name for name in self._special_names() if name])
        index = self._tokenizer.token_to_id(after[0][0]) if after and after[0][1] else None
        return () if index is None or index == self.special["<eos>"] else (index,)

    def _special_names(self) -> list[str]:
        return [str(token) for token in self._tokenizer.get_added_tokens_decoder().values() if token.special]


class TextStream:
    """Text out of ids that come one by one: a letter is given when all its bytes are there.

    >>> stream = TextStream(tokenizer)
    >>> print(*(stream.push([i]) for i in ids), sep="", end="")
    """

    def __init__(self, tokenizer: TextTokenizer):
        self._tokenizer, self._told = tokenizer, ""
        self._ids: list[int] = []

    def push(self, ids: Iterable[int]) -> str:
        """What these ids add to the text so far."""
        self._ids = [*self._ids, *map(int, ids)]
        text = self._tokenizer.decode(self._ids)
        whole = text.rstrip("\ufffd")  # the replacement letter at the end: a letter of several bytes is under way
        if not whole.startswith(self._told):
            return ""
        new, self._told = whole[len(self._told) :], whole
        return new


def _safe(message: Message, special: list[str]) -> str:
    """What is told or asked, without special tokens but those at the places of images."""
    return guarded(message.content, special).replace(SPOT, IMAGE if message.role == "user" else "")


def _clean_length(text: str) -> int:
    return sum(len(piece) for piece, _ in pieces(text, []))


def _roles(folder: Path) -> dict[str, str]:
    """The folder's own tokens for <pad>, <bos>, <eos>, where its tokenizer_config.json names them."""
    config, roles = _config(folder), {}
    for token, key in ROLES.items():
        named = config.get(key)
        name = named.get("content") if isinstance(named, dict) else named  # AddedToken is written as an object
        if isinstance(name, str) and name != token:
            roles[token] = name
    return roles


def _template(folder: Path) -> str | None:
    """The folder's chat template: a file of its own, or in tokenizer_config.json; of several by name the default."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = _config(folder).get("chat_template")
    if isinstance(found, list):
        found = {entry.get("name"): entry.get("template") for entry in found}.get("default")
    return found if isinstance(found, str) else None


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    config = read_json(path, "Copy the file again.")
    return config if isinstance(config, dict) else {}
