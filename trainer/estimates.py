"""What a run will take, by arithmetic: memory on one card, tokens, and time. Pure; docs/training.md has the formulas.

Rough on purpose, and said to be: a timed probe replaces the time, and the card's own memory has the last word.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

GIB = 1 << 30
TRAINED = 16  # bytes a weight: float32 weight and gradient, and AdamW's two moments
FULL, HALF = 4, 2  # bytes a number
LAYER = 34  # bytes · batch · tokens · hidden that a layer keeps for its gradient in 16 bits: arXiv 2205.05198, sec. 4.1
LOGITS = 3  # the logits, their softmax and its gradient
CONTEXT_GIB, SLACK = 1.0, 1.1  # what CUDA itself holds; fragments
USED_FLOPS = 0.35  # of what the card can do at best
CPU_TERAFLOPS = 0.05


@dataclass(frozen=True)
class Parts:
    """What a method holds: models that learn, models that only answer, sequences a row, tokens it writes itself."""

    learning: int = 1
    frozen: int = 0
    sequences: int = 1
    writes: bool = False


# By method; with LoRA the reference is the base without its adapter, and costs nothing.
METHODS: Mapping[str, Parts] = MappingProxyType(
    {
        "sft": Parts(),
        "reward": Parts(sequences=2),
        "dpo": Parts(frozen=1, sequences=2),
        "kto": Parts(frozen=1, sequences=2),
        "orpo": Parts(sequences=2),
        "grpo": Parts(frozen=1, writes=True),
        "rloo": Parts(frozen=1, writes=True),
        "ppo": Parts(learning=2, frozen=2, writes=True),
    }
)


@dataclass(frozen=True)
class Shape:
    """A model as far as memory and time ask: ``weights`` is their number, the rest is of its configuration."""

    weights: int
    hidden: int
    layers: int
    vocabulary: int


@dataclass(frozen=True)
class Memory:
    """GiB on one card, by what holds it."""

    weights: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        held = self.weights + self.optimizer + self.activations + self.logits
        return held * SLACK + CONTEXT_GIB


def shape_of(folder: Path) -> Shape | None:
    """The shape of the model in a folder, from config.json and the headers of its weights; None for a hub's name."""
    try:
        config = json.loads((folder / "config.json").read_text())
        weights = sum(_weights_in(path) for path in folder.glob("*.safetensors"))
    except (OSError, ValueError, struct.error):
        return None
    config = config.get("text_config", config)
    found = [config.get(name) for name in ("hidden_size", "num_hidden_layers", "vocab_size")]
    if not weights or not all(isinstance(each, int) for each in found):
        return None
    return Shape(weights, *found)


def memory(method: str, shape: Shape, parameters: Mapping[str, Any], *, gpu: bool) -> Memory:
    """GiB that one step needs on one card.

    weights    = learning · W · 4 + frozen · W · 4; with LoRA W · 2 once (4 on a CPU)
    optimizer  = learning · 12 · (W, or the adapter's weights) bytes: gradient and two moments
    activations = b · s · h · (2 · L + 34) bytes with gradient checkpointing (GPU), b · s · h · 34 · L · 2 without
    logits     = b · s · V · 4 · 3 bytes; b counts sequences, s is max_length
    """
    parts, rank = METHODS[method], parameters.get("lora_r", 0)
    trained = 2 * rank * shape.hidden * 7 * shape.layers if rank else shape.weights
    base = shape.weights * (HALF if gpu else FULL) + trained * FULL if rank else shape.weights * FULL
    copies = parts.learning + (0 if rank else parts.frozen)
    tokens = parameters["batch_size"] * parts.sequences * parameters.get("max_length", 1024)
    a_token = shape.hidden * (2 * shape.layers + LAYER if gpu else 2 * LAYER * shape.layers)
    heads = 1 if method == "reward" else shape.vocabulary
    return Memory(
        weights=(base * parts.learning if rank else base * copies) / GIB,
        optimizer=trained * (TRAINED - FULL) * parts.learning / GIB,
        activations=tokens * a_token / GIB,
        logits=tokens * heads * FULL * LOGITS / GIB,
    )


def steps_of(parameters: Mapping[str, Any], rows: int) -> int:
    """Optimizer steps: max_steps, or as many as the epochs over these rows take."""
    if parameters.get("max_steps"):
        return int(parameters["max_steps"])
    samples = rows * int(parameters.get("generations", 1))
    return math.ceil(math.ceil(samples / samples_a_step(parameters)) * float(parameters.get("epochs", 1.0)))


def samples_a_step(parameters: Mapping[str, Any]) -> int:
    """Rows that a step learns from, or where the model writes its own: responses."""
    if "rollouts" in parameters:
        return int(parameters["rollouts"])
    return int(parameters["batch_size"] * parameters.get("gradient_accumulation", 1))


def seconds(method: str, shape: Shape, tokens: float, *, teraflops: float, gpu: bool) -> float:
    """Time to train on so many tokens: 6 operations a weight and token (8 with checkpointing), 2 to only answer."""
    parts = METHODS[method]
    a_token = (8 if gpu else 6) * parts.learning + 2 * parts.frozen + (2 if parts.writes else 0)
    able = (teraflops or CPU_TERAFLOPS) * 1e12 * USED_FLOPS
    return a_token * shape.weights * tokens / able


def _weights_in(path: Path) -> int:
    """Numbers in a safetensors file, from its header: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100_000_000)))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
