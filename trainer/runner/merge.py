"""An adapter merged into its base: a LoRA folder in, a whole model that every server loads out.

W = W₀ + (α / r) · B A for each layer that the adapter changes (arXiv 2106.09685). Loading merges already; this writes
what was loaded. Left out: adapters of more than one task, quantised bases.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_causal_model, load_reward_model, load_tokenizer
from trainer.runner.training import publish_final, report_start


def execute(run: Run) -> dict[str, Any]:
    """Merge, and write final/; returns what goes into result.json."""
    adapter = Path(run.spec.model) / "adapter_config.json"
    if not adapter.is_file():
        raise RunnerError(f"{run.spec.model} holds no adapter, so there is nothing to merge.")
    report_start(run, {}, {"used": [], "ignored": []})
    run.check_stop()
    tokenizer = load_tokenizer(run)
    scores = json.loads(adapter.read_text()).get("task_type") == "SEQ_CLS"
    load = load_reward_model if scores else load_causal_model
    model = load(run, tokenizer)

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    final = publish_final(run, write)
    run.events.write("metric", step=1, total_steps=1, epoch=None, values={})
    return {"model": final, "steps": 1}
