"""What the runner's ``generate`` left in a folder, read back."""

import json
from pathlib import Path


def read_texts(folder: Path) -> dict[tuple[int, int], str | None]:
    """The texts by prompt and sample; None where the prompt was too long, nothing where it has not finished."""
    if not (folder / "result.json").is_file():
        return {}
    result = json.loads((folder / "result.json").read_text())
    rows = [json.loads(line) for line in (folder / result["output"]).read_text().splitlines()]
    return {(row["prompt_index"], row["sample"]): row["text"] for row in rows}
