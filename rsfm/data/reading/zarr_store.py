"""Whether a Zarr folder holds numbers and nothing else: its format can name codecs that run code, and its files can be links."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsfm.errors import UserError

METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
MAX_METADATA_BYTES, MAX_FILES = 16 << 20, 1_000_000
CODECS = frozenset(  # what packs numbers and text; "pickle" is what must never be among them
    "blosc zlib gzip zstd lz4 bz2 lzma shuffle delta fixedscaleoffset quantize bitround packbits crc32 crc32c adler32 "
    "fletcher32 bytes transpose sharding_indexed vlen-utf8 numcodecs.blosc numcodecs.zlib numcodecs.zstd numcodecs.shuffle "
    "numcodecs.delta numcodecs.fixedscaleoffset".split()
)


def check_store(path: Path) -> None:
    """Raises UserError for a folder with links, codecs beyond CODECS, or metadata that cannot be read."""
    if not path.is_dir():
        raise UserError(f"{path}: expected a Zarr folder, found {'a file' if path.exists() else 'nothing'}.")
    for count, file in enumerate(path.rglob("*"), start=1):
        if count > MAX_FILES:
            raise UserError(f"{path}: more than {MAX_FILES:,} files. Write the series in larger chunks.")
        if file.is_symlink():
            raise UserError(f"{file}: a link, which is never followed in a Zarr folder. Copy the folder again.")
        if file.name in METADATA:
            for codec in _codecs(_read(file)):
                if codec not in CODECS:
                    raise UserError(f"{file}: names the codec '{codec}'. Known: {', '.join(sorted(CODECS))}.")


def _read(file: Path) -> Any:
    if file.stat().st_size > MAX_METADATA_BYTES:
        raise UserError(f"{file}: {file.stat().st_size:,} bytes of metadata are more than any series has.")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: expected Zarr metadata in JSON, found: {error}.") from None


def _codecs(metadata: Any) -> Iterator[str]:
    """Names of compressors, filters and codecs at any depth but in attributes."""
    if isinstance(metadata, list):
        for each in metadata:
            yield from _codecs(each)
    if not isinstance(metadata, dict):
        return
    for key, value in metadata.items():
        if key in ("compressor", "filters", "codecs", "index_codecs"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):
                    yield str(each.get("id", each.get("name", "")))
                    yield from _codecs(each)
                elif isinstance(each, str):
                    yield each
        elif key not in ("attributes", ".zattrs") and not key.endswith("/.zattrs"):
            yield from _codecs(value)
