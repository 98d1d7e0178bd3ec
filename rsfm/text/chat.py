"""Chat messages as one text: roles and contents checked, laid out by a tokenizer's own Jinja template."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rsfm.errors import UserError, unknown
from rsfm.text.templates import rendered

SPEAKERS = ("system", "user", "assistant")
IMAGE = "<image>"  # in a question: here one of the images is meant
SPOT = "\ue001"  # of Unicode's private area: in a user's message, the place of one image token
_GUARD = "\ue000"  # of Unicode's private area: parts the name of a special token that a person typed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """What one speaker says.

    Attributes:
        role: one of SPEAKERS.
        content: text; in a user's, "<image>" marks the place of an image, and SPOT that of one of its tokens.
    """

    role: str
    content: str


def read_messages(messages: Sequence[Message | Mapping[str, Any]]) -> tuple[Message, ...]:
    """Messages as people write them, dicts with "role" and "content", where content may be a list of typed parts.

    >>> read_messages([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this?"}]}])
    (Message(role='user', content='<image> What is this?'),)

    Raises:
        UserError: an unknown role or part, a content that is no text, speakers in an order that is no dialogue.
    """
    read = tuple(message if isinstance(message, Message) else _read(message) for message in messages)
    for message in read:
        if message.role not in SPEAKERS:
            raise unknown("chat role", message.role, SPEAKERS)
    spoken = [message.role for message in read if message.role != "system"]
    if [m.role for m in read].count("system") > (bool(read) and read[0].role == "system"):
        raise UserError("A system message stands before all others, and there is one at most.")
    for i, role in enumerate(spoken):
        if role != SPEAKERS[1 + i % 2]:
            raise UserError(
                f"Message {i + 1} is the {role}'s, expected the {SPEAKERS[1 + i % 2]}'s: user and assistant take turns."
            )
    if not spoken:
        raise UserError("A chat needs at least one message of the user, found none.")
    return read


def turns_to_messages(turns: Sequence[tuple[str, str | None]], system: str = "") -> tuple[Message, ...]:
    """(question, answer) pairs as messages; a last answer of None is left open."""
    out = [Message(role="system", content=system)] if system else []
    for index, (question, answer) in enumerate(turns):
        out.append(Message(role="user", content=question))
        assert answer is not None or index == len(turns) - 1, "only the last answer may be open"
        out += [] if answer is None else [Message(role="assistant", content=answer)]
    return tuple(out)


def render(template: str, messages: Sequence[Message], *, names: Mapping[str, str], open_answer: bool) -> str:
    """The text that a template makes of messages.

    Args:
        template: Jinja, as Hugging Face tokenizers carry it; it runs in a process of its own.
        messages: in order.
        names: "bos_token", "eos_token", ... -> how the tokenizer writes it.
        open_answer: end where the assistant is to speak.
    """
    spoken = [dataclasses.asdict(message) for message in messages]
    return rendered(template, {"messages": spoken, "add_generation_prompt": open_answer, **names})


def guarded(content: str, special: Sequence[str]) -> str:
    """A user's text in which the name of a special token is just letters, as far as `pieces` is concerned."""
    content = content.replace(_GUARD, "")
    for name in special:
        content = content.replace(name, name[0] + _GUARD + name[1:])
    return content


def pieces(text: str, special: Sequence[str]) -> list[tuple[str, bool]]:
    """A rendered text cut at the names of special tokens: (piece, whether it is such a token), guards taken out."""
    if not special:
        return [(text.replace(_GUARD, ""), False)]
    cut = re.split("(" + "|".join(map(re.escape, sorted(special, key=len, reverse=True))) + ")", text)
    return [(piece.replace(_GUARD, ""), piece in special) for piece in cut if piece]


def is_guarded(text: str) -> bool:
    """Whether a user typed the name of a special token somewhere in a rendered text."""
    return _GUARD in text


def _read(message: Mapping[str, Any]) -> Message:
    if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
        raise UserError(f"A chat message holds role and content, found {message!r}.")
    content = message["content"]
    if not isinstance(content, str):
        content = "".join(_part(part) for part in content) if isinstance(content, Sequence) else content
    if not isinstance(content, str):
        raise UserError(f"The content of a chat message is text or a list of parts, found {content!r}.")
    return Message(role=str(message["role"]), content=content)


def _part(part: Mapping[str, Any]) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if kind in ("image", "image_url"):
        return IMAGE
    raise unknown("part of a chat message", kind, ("text", "image"))
