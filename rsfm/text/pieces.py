"""What a vocabulary's entries write, in bytes."""

import re


def _byte_of_letter() -> dict[str, int]:
    """Byte-level BPE writes each byte as a printable letter: printable Latin-1 as itself, the others from U+0100 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


_LETTERS = _byte_of_letter()
_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def piece_bytes(piece: str, byte_level: bool) -> bytes:
    """The bytes of a vocabulary entry: of byte-level BPE, or of SentencePiece with its "\u2581" for a space."""
    if byte_level:
        return bytes(_LETTERS[letter] for letter in piece) if all(letter in _LETTERS for letter in piece) else b""
    single = _FALLBACK.fullmatch(piece)
    return bytes([int(single[1], 16)]) if single else piece.replace("\u2581", " ").encode()
