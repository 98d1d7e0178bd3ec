"""Reads the variables of a TensorFlow checkpoint (`variables.index` beside `variables.data-00000-of-00001`) without TensorFlow.

The index is a LevelDB table: blocks of keys that share prefixes, compressed by Snappy, each value a BundleEntryProto of
shape, offset and size. Formats: google/leveldb doc/table_format.md, google/snappy format_description.txt, tensorflow
core/protobuf/tensor_bundle.proto.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

FOOTER = 48  # bytes: two block handles, padding, magic number
MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT32 = 1  # of tensorflow's DataType


def read_bundle(prefix: Path) -> dict[str, np.ndarray]:
    """The float32 variables by key.

    Args:
        prefix: path up to ".index".

    Raises:
        ValueError: not a table, several shards, a number type that is not read, a tensor of another size than its shape.
    """
    table = prefix.with_name(prefix.name + ".index").read_bytes()
    data = prefix.with_name(prefix.name + ".data-00000-of-00001").read_bytes()
    if table[-8:] != MAGIC:
        raise ValueError(f"{prefix}.index: not a checkpoint's table.")
    _, at = _handle(table, len(table) - FOOTER)
    index, _ = _handle(table, at)
    out = {}
    for _, handle in _entries(_block(table, index)):
        for key, value in _entries(_block(table, _handle(handle, 0)[0])):
            if key.endswith(b"VARIABLE_VALUE"):
                out[key.decode()] = _tensor(dict(_fields(value)), data, key.decode())
    return out


def _tensor(entry: dict[int, int | bytes], data: bytes, name: str) -> np.ndarray:
    """Fields of BundleEntryProto: 1 type, 2 shape, 3 shard, 4 offset, 5 size; those that are 0 are left out."""
    dims = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(bytes(entry.get(2, b""))) if number == 2]
    offset, size = int(entry.get(4, 0)), int(entry.get(5, 0))
    if entry.get(1) != FLOAT32 or entry.get(3, 0):
        raise ValueError(f"{name}: expected float32 in the first shard.")
    return np.frombuffer(data[offset : offset + size], "<f4").reshape([int(dim) for dim in dims])


def _handle(buffer: bytes, at: int) -> tuple[tuple[int, int], int]:
    """(offset, size) of a block, and where the handle ends."""
    offset, at = _varint(buffer, at)
    size, at = _varint(buffer, at)
    return (offset, size), at


def _block(table: bytes, handle: tuple[int, int]) -> bytes:
    offset, size = handle
    block = table[offset : offset + size]
    return _unsnap(block) if table[offset + size] == 1 else block


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) pairs; at the block's end stand the restart points, 4 bytes each, and their number."""
    end = len(block) - 4 * (1 + int.from_bytes(block[-4:], "little"))
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        length, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def _unsnap(packed: bytes) -> bytes:
    """Snappy: literals, and copies of what was written before."""
    length, at = _varint(packed, 0)
    out = bytearray()
    while at < len(packed):
        tag = packed[at]
        kind, rest, at = tag & 3, tag >> 2, at + 1
        if kind == 0:  # literal; from 60 on the length stands in the next 1 to 4 bytes
            extra = max(rest - 59, 0)
            size = 1 + (int.from_bytes(packed[at : at + extra], "little") if extra else rest)
            out += packed[at + extra : at + extra + size]
            at += extra + size
            continue
        if kind == 1:
            size, back, at = 4 + (rest & 7), (rest >> 3) << 8 | packed[at], at + 1
        else:
            wide = 2 if kind == 2 else 4
            size, back, at = 1 + rest, int.from_bytes(packed[at : at + wide], "little"), at + wide
        for _ in range(size):  # byte by byte: a copy may reach into itself
            out.append(out[-back])
    if len(out) != length:
        raise ValueError(f"Snappy block: expected {length} bytes, found {len(out)}.")
    return bytes(out)
