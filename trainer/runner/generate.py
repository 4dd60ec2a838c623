"""Responses sampled from a language model: prompts in, responses.jsonl out.

Rows: {prompt}. Lines: {prompt_index, sample, text}, `prompt_index` counting the rows of the dataset from 0;
`text` is null for a prompt longer than max_length. Each batch has a seed of its own, so a resumed run gives
the same texts. Batches are left-padded. Left out: more than one device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.inference import count_fitting, place, which_fit, write_in_batches
from trainer.runner.loading import load_causal_model, load_tokenizer
from trainer.runner.rows import load_table, tokenize
from trainer.runner.training import report_start


def execute(run: Run) -> dict[str, Any]:
    """Answer every prompt; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    table = load_table(run, ("prompt",))
    fits = which_fit(run, tokenizer, table, lambda row: row["prompt"], add_generation_prompt=True)
    counts = {"dataset": count_fitting(fits)}
    report_start(run, counts, {"used": ["prompt"], "ignored": []})
    generator = _Generator(run, place(load_causal_model(run, tokenizer)), tokenizer, fits)
    output = write_in_batches(run, table, "responses.jsonl", run.spec.parameters["samples"], generator.answer)
    return {"output": output, "rows": counts}


@dataclass(frozen=True)
class _Generator:
    run: Run
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fits: list[bool]

    def answer(self, start: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines of one batch of prompts."""
        fits = self.fits[start : start + len(rows)]
        texts = iter(self._sample(start, [row["prompt"] for row, fit in zip(rows, fits, strict=True) if fit]))
        return [
            {"prompt_index": start + index, "sample": sample, "text": next(texts) if fit else None}
            for index, fit in enumerate(fits)
            for sample in range(self.run.spec.parameters["samples"])
        ]

    def _sample(self, start: int, prompts: list[Any]) -> list[str]:
        """Texts of all samples of the first prompt, then of the second, and so on."""
        if not prompts:
            return []
        encoded = tokenize(
            self.tokenizer,
            prompts,
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            tokenizer_kwargs={"padding_side": "left"},
        )
        inputs = {name: encoded[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        torch.manual_seed(_batch_seed(self.run.spec.seed, start))
        with torch.inference_mode():
            ids_bt = self.model.generate(**inputs, **self._settings())
        new_bt = ids_bt[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self.tokenizer.batch_decode(new_bt, skip_special_tokens=True)
        return texts

    def _settings(self) -> dict[str, Any]:
        parameters = self.run.spec.parameters
        settings = {
            "max_new_tokens": parameters["max_new_tokens"],
            "num_return_sequences": parameters["samples"],
            "do_sample": parameters["temperature"] > 0,
        }
        if settings["do_sample"]:
            # top_k is on by default in transformers; the spec knows top_p alone.
            settings |= {"temperature": parameters["temperature"], "top_p": parameters["top_p"], "top_k": 0}
        return settings


def _batch_seed(seed: int, start: int) -> int:
    """Independent streams for each batch of each seed, without overlaps between neighbouring seeds."""
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0])
