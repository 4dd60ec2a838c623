"""In place of `python -m verl.model_merger merge` (verl 0.9.1): the same words, a folder for a folder."""

import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("operation", choices=["merge"])
parser.add_argument("--backend", required=True, choices=["fsdp"])
parser.add_argument("--local_dir", required=True, type=Path)
parser.add_argument("--target_dir", required=True, type=Path)
given = parser.parse_args()
given.target_dir.mkdir(parents=True)
(given.target_dir / "model.safetensors").write_text((given.local_dir / "weights").read_text())
