"""Pushes a folder to a repository of a model hub: ``python -m trainer.hub FOLDER REPOSITORY [--public]``.

The token is HF_TOKEN and the hub HF_ENDPOINT, of the environment. A process of its own: the hub's package reads both
once, when it is imported, and whoever pushes may be stopped. Prints one line of JSON: {"url"} or {"problem"}.
"""

import argparse
import json
import sys
from pathlib import Path


def push(folder: Path, repository: str, *, private: bool) -> str:
    """The address of the commit that has the folder's files; the repository is made where it is missing."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    done = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Pushed by Concord")
    return str(getattr(done, "commit_url", done))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m trainer.hub")
    parser.add_argument("folder", type=Path)
    parser.add_argument("repository")
    parser.add_argument("--public", action="store_true")
    given = parser.parse_args(arguments)
    try:
        url = push(given.folder, given.repository, private=not given.public)
    except Exception as error:  # whatever a hub answers, the person who pushed is told
        sys.stdout.write(json.dumps({"problem": f"{type(error).__name__}: {str(error)[:500]}"}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
