"""The licence that a model folder states: in its model card's front matter, as hubs have it."""

from pathlib import Path

import yaml

UNREADABLE = (OSError, UnicodeDecodeError, yaml.YAMLError)
LONGEST = 100


def licence_in(folder: Path) -> str:
    """The ``license`` of the folder's README.md, or its ``license_name`` where that is "other"; "" without one."""
    try:
        text = (folder / "README.md").read_text()
        if not text.startswith("---\n"):
            return ""
        front = yaml.safe_load(text[4:].partition("\n---")[0])
    except UNREADABLE:
        return ""
    if not isinstance(front, dict):
        return ""
    named = front.get("license_name") if front.get("license") == "other" else front.get("license")
    return str(named or "")[:LONGEST]
