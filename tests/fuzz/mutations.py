"""Inputs changed at random: bytes of files, values of JSON, letters of texts; the same for the same seed."""

import json
import random
from typing import Any

NUMBERS = (0, -1, 1, 255, 2**31 - 1, 2**32, 10**9, 10**30, 10**400, 0.0, -0.5, 1e308, float("nan"), float("inf"))
VALUES = (*NUMBERS, "", "x", "\x1b[2J", "\ue001", "<mask>", "a" * 5000, None, True, [], {}, [[]], {"a": 1}, [1] * 300)
BITS = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x00" * 64, b"%s%n", b"<", b"{")
WORDS = (
    "map the", "how many hectares of", "where is", "?", "  ", "\n", "<mask>", "<image>", "<value>", "\ue001", "\ud800", "in",
    "\x00", "\x1b[31m", "water", "and", ",", ":", "0" * 40, "-1e999", "<|im_end|>", "是", "a" * 100, "{", "]", "none", "are there",
)  # fmt: skip


def of_bytes(content: bytes, chance: random.Random) -> bytes:
    """A file with a few bytes flipped, cut, doubled, zeroed or put in; mostly near its head, where sizes stand."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        end = len(data) if chance.random() < 0.6 else min(len(data), 600)
        at = chance.randrange(max(1, end))
        kind = chance.randrange(6)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            bits = chance.choice(BITS)
            data[at : at + len(bits)] = bits
        elif kind == 3:
            data[at:at] = chance.choice(BITS)
        elif kind == 4:
            del data[at : at + chance.randrange(1, 64)]
        else:
            data[at:at] = data[at : at + 64]
    return bytes(data)


def of_json(content: str, chance: random.Random) -> str:
    """JSON with a few values of another size or kind."""
    data = json.loads(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        place: Any = data
        while isinstance(place, (dict, list)) and place:
            key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
            if not isinstance(place[key], (dict, list)) or not place[key] or chance.random() < 0.15:
                place[key] = chance.choice(VALUES)
                break
            place = place[key]
    return json.dumps(data)


def of_text(content: str, chance: random.Random) -> str:
    """A text with words put in, doubled, or left out."""
    letters = content
    for _ in range(chance.choice((1, 2, 4, 8))):
        at = chance.randrange(len(letters) + 1)
        word = chance.choice(WORDS) * chance.choice((1, 1, 1, 3, 500))
        letters = letters[:at] + word + letters[at + chance.choice((0, 0, 5)) :]
    return letters
