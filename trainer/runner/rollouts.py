"""Responses sampled while training: by the policy itself, or by a vLLM server that is given the weights.

Both take prompts as token ids and give each response's ids, the end token included where the model came to it.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError

Ids = list[int]
_TIMEOUT = 600  # seconds; a step's responses of a large model


class Sampler(Protocol):
    """`renew` is called on every rank when the weights have changed; `write` saves the whole policy into a folder."""

    def renew(self, write: Callable[[Path], None]) -> None: ...

    def sample(self, prompts: Sequence[Ids], temperature: float, seed: int) -> list[Ids]: ...


class LocalSampler:
    """`generate` with a KV cache, in evaluation mode, all prompts as one left-padded batch."""

    def __init__(
        self, run: Run, accelerator: Accelerator, model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        self._accelerator, self._model, self._pad = accelerator, model, tokenizer.pad_token_id
        self._ends = end_tokens(accelerator.unwrap_model(model).policy, tokenizer)
        self._longest = run.spec.parameters["max_new_tokens"]

    def renew(self, write: Callable[[Path], None]) -> None:
        """Nothing to do: it samples from the very weights."""

    def sample(self, prompts: Sequence[Ids], temperature: float, seed: int) -> list[Ids]:
        policy = self._accelerator.unwrap_model(self._model).policy
        torch.manual_seed(seed)
        autocast = torch.autocast(
            self._accelerator.device.type, torch.bfloat16, enabled=self._accelerator.mixed_precision == "bf16"
        )
        with gathered(self._model), autocast:
            return answer(
                policy,
                prompts,
                temperature=temperature,
                longest=self._longest,
                pad=self._pad,
                ends=self._ends,
                synced_gpus=is_sharded(self._model),
            )


class VllmSampler:
    """vLLM's own server over HTTP, started on a folder that the run overwrites, in its developer mode:

        VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER

    `renew` writes the weights there, has the workers read them again (`/collective_rpc`, reload_weights), and
    drops what the server had cached with the old ones. `sample` asks `/v1/completions` with token ids.
    """

    def __init__(self, run: Run, accelerator: Accelerator, tokenizer: PreTrainedTokenizerBase) -> None:
        parameters = run.spec.parameters
        self._accelerator = accelerator
        self._url = parameters["vllm_url"].rstrip("/")
        self._folder = run.folder / Path(parameters["vllm_folder"]).expanduser()
        self._longest = parameters["max_new_tokens"]
        self._ends = (tokenizer.eos_token_id,)
        self._name = self._get("/v1/models")["data"][0]["id"]

    def renew(self, write: Callable[[Path], None]) -> None:
        fresh = self._folder.with_name(f".{self._folder.name}.part")
        write(fresh)
        if self._accelerator.is_main_process:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in fresh.iterdir():
                path.replace(self._folder / path.name)
            shutil.rmtree(fresh)
            self._post("/collective_rpc", {"method": "reload_weights"})
            self._post("/reset_prefix_cache", {})
        self._accelerator.wait_for_everyone()

    def sample(self, prompts: Sequence[Ids], temperature: float, seed: int) -> list[Ids]:
        answer = self._post(
            "/v1/completions",
            {
                "model": self._name,
                "prompt": list(prompts),
                "max_tokens": self._longest,
                "temperature": temperature,
                "top_p": 1.0,
                "top_k": -1,
                # Given, since the server takes what is not given from the model's own settings.
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "seed": seed % 2**31,
                "return_token_ids": True,
            },
        )
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        if len(choices) != len(prompts) or any("token_ids" not in choice for choice in choices):
            raise RunnerError(
                f"The vLLM server at {self._url} gave no token ids for every prompt: use vLLM 0.10.2 or later."
            )
        return [cut_at_end(choice["token_ids"], self._ends) for choice in choices]

    def _get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self._url + path))  # noqa: S310  # checked in _ask

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self._url + path, data, headers))  # noqa: S310

    def _ask(self, request: urllib.request.Request) -> Any:
        if request.type not in ("http", "https"):
            raise RunnerError(f"vllm_url must begin with http:// or https://, not {self._url!r}.")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                text = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            raise RunnerError(
                f"The vLLM server at {request.full_url} does not answer ({error}): start it on vllm_folder with "
                "VLLM_SERVER_DEV_MODE=1, then start the run again."
            ) from error
        return json.loads(text) if text.strip() else None


def answer(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    *,
    temperature: float,
    longest: int,
    pad: int,
    ends: tuple[int, ...],
    synced_gpus: bool = False,
) -> list[Ids]:
    """A response to each prompt, all as one left-padded batch; temperature 0 takes the likeliest tokens."""
    device = next(model.parameters()).device
    width = max(map(len, prompts))
    ids_bt = torch.tensor([[pad] * (width - len(ids)) + list(ids) for ids in prompts], device=device)
    lengths_b = torch.tensor([len(ids) for ids in prompts], device=device)
    mask_bt = torch.arange(width, device=device) >= width - lengths_b[:, None]
    options: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        options = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    # Given as arguments: what is not given is taken from the model's own settings.
    with _evaluating(model), torch.no_grad():
        out_bt = model.generate(
            input_ids=ids_bt,
            attention_mask=mask_bt.long(),
            max_new_tokens=longest,
            eos_token_id=list(ends),
            pad_token_id=pad,
            repetition_penalty=1.0,
            use_cache=True,
            synced_gpus=synced_gpus,
            **options,
        )
    return [cut_at_end(ids, ends) for ids in out_bt[:, width:].tolist()]


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The tokens that end a response: the tokenizer's, and what the model's own settings name."""
    noted = model.generation_config.eos_token_id
    listed = noted if isinstance(noted, list) else [] if noted is None else [noted]
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *listed]))


def cut_at_end(ids: Ids, ends: Sequence[int]) -> Ids:
    """The ids up to and with the first end token; all of them where there is none."""
    for index, each in enumerate(ids):
        if each in ends:
            return ids[: index + 1]
    return ids


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether each rank holds a part of the weights only (FSDP, or DeepSpeed's third stage)."""
    names = {each.__name__ for each in type(model).__mro__}
    if names & {"FSDPModule", "FullyShardedDataParallel"}:
        return True
    # DeepSpeed marks the weights that it has cut up; a callback is given the model without its engine.
    return any(hasattr(weight, "ds_id") for weight in model.parameters())


@contextmanager
def gathered(model: torch.nn.Module) -> Iterator[None]:
    """The weights outside of any layer gathered on each rank; FSDP2's hooks gather each layer by themselves."""
    names = {each.__name__ for each in type(model).__mro__}
    if "FSDPModule" in names:
        with torch.no_grad():  # it wants to have run as a whole before any part of it does
            model(torch.zeros((1, 2), dtype=torch.long, device=next(model.parameters()).device), 1, 1.0)
        model.unshard()
        try:
            yield
        finally:
            model.reshard()
    elif "FullyShardedDataParallel" in names:
        with type(model).summon_full_params(model, writeback=False, recurse=True):
            yield
    elif is_sharded(model):
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            yield
    else:
        yield


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Without gradient checkpointing, which would switch the cache off, for as long as it samples."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)
