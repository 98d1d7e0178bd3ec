"""Folders of the Hugging Face hub at one commit, named "owner/name@commit": the same name gives the same weights for ever."""

import dataclasses
import re
from pathlib import Path

from rsfm.errors import UserError

HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_HUB_ID = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubFolder:
    """Attributes:
    path: the folder in the local cache.
    name: "owner/name@commit".
    notes: which commit was taken where the id names a branch, a tag or nothing; for the reader.
    """

    path: Path
    name: str
    notes: tuple[str, ...] = ()


def is_hub_id(name: str) -> bool:
    """Whether a name is "owner/name" or "owner/name@revision" and nothing of that name is here."""
    return _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def download(hub_id: str) -> HubFolder:
    """The folder of a hub id in the local cache, fetched if it is not there.

    Args:
        hub_id: "owner/name" with "@" and a commit, a tag or a branch; main where none is named.

    Raises:
        UserError: no hub id, or the hub cannot give it.
    """
    named = _HUB_ID.fullmatch(hub_id)
    if named is None:
        raise UserError(
            f"{hub_id}: no such folder. Give one with config.json and model.safetensors, a .gguf file, or a hub id "
            "(owner/name@commit)."
        )
    path = _fetch(hub_id, named["repository"], named["revision"])
    name = f"{named['repository']}@{path.name}"
    taken = f"{hub_id} names no commit: {path.name} was taken. Write {name} for the same files another day"
    return HubFolder(path=path, name=name, notes=() if name == hub_id else (taken,))


def check_pinned(field: str, name: str) -> None:
    """Refuses a hub id without a commit, so that a config always starts from the same weights.

    Raises:
        UserError: `name` is a hub id of a branch, a tag or nothing; says the commit it has now.
    """
    if is_hub_id(name) and (now := download(name).name) != name:
        raise UserError(f"{field}: {name} names no commit, so its weights may change. Give {now}, which it is today.")


def _fetch(hub_id: str, repository: str, revision: str | None) -> Path:
    """The folder of a snapshot, which has the commit's name."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = Path(snapshot_download(repository, revision=revision, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{hub_id}: no folder of that name here, and the hub could not give it ({reason}). "
            "Give the path of a downloaded folder."
        ) from error
    if not _COMMIT.fullmatch(path.name) or (revision and _COMMIT.fullmatch(revision) and path.name != revision):
        raise UserError(f"{hub_id}: expected a folder of that commit, the hub's cache gave {path}. Download it again.")
    return path
