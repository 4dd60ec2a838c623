"""The openai provider against a real `transformers serve`, with a tiny model made on the spot."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.tiny_model import build_tiny_model
from judges.core.providers import Key, failures, provider_for
from judges.core.rendering import JudgeText, render
from judges.core.verdict import UNPARSEABLE, read_verdict

pytestmark = pytest.mark.training

TOKENS = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "tiny"
    build_tiny_model(folder, ["You judge responses to a conversation."] * 4)
    return folder


@pytest.fixture(scope="module")
def url(model: Path) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", model, "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until_it_runs(process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def wait_until_it_runs(process: subprocess.Popen) -> None:
    told = []
    for line in process.stderr:
        told.append(line.decode())
        if "Uvicorn running" in told[-1]:
            # What it says later is read as well, so that it never waits for a reader.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return
    raise RuntimeError("".join(told)[-2000:])


def ask(url: str, model: str, **settings):
    judge = JudgeText("openai", model, settings, "Prefer the answer that helps.")
    request = render(judge, [{"role": "user", "content": "Why?"}], ["Because.", "No."], shown=(0, 1))

    async def asked():
        provider = provider_for(
            "openai", {"base_url": url, "max_tokens": TOKENS} | settings, key=Key("k", url)
        )
        async with provider:
            return await provider.ask(request)

    return request, asyncio.run(asked())


@pytest.mark.parametrize("chosen", [{"seed": 7, "temperature": 0.0, "logprobs": True}, {"api": "responses"}])
def test_a_server_of_ones_own_is_asked_by_its_address(url, model, chosen):
    from transformers import AutoTokenizer

    request, reply = ask(url, str(model), **chosen)
    turns = [{"role": "system", "content": request.system}, *map(dict, request.messages)]
    prompt = AutoTokenizer.from_pretrained(model).apply_chat_template(turns, add_generation_prompt=True)
    assert reply.usage.prompt == len(prompt["input_ids"])
    assert 0 < reply.usage.output <= TOKENS
    assert reply.text
    assert str(model) in reply.served_model
    assert reply.latency > 0


def test_what_a_model_that_knows_nothing_says_is_kept_and_is_no_verdict(url, model):
    request, reply = ask(url, str(model))
    assert read_verdict(request, reply.text, reply.stop_reason).outcome == UNPARSEABLE


def test_a_path_that_the_server_does_not_have_is_a_typed_failure(url, model):
    with pytest.raises(failures.NotFound):
        ask(f"{url}/elsewhere", str(model))


def test_another_model_than_it_serves_is_a_typed_failure(url):
    with pytest.raises(failures.Failure) as failed:
        ask(url, "no-such/model")
    assert not failed.value.may_be_billed
