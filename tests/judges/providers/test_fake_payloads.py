"""The server of ours says what the real ones say: each payload fits the packages' own types, strictly."""

import json
import urllib.error
import urllib.request
from typing import Any, get_args

import anthropic.types
import anthropic.types.messages
import openai.types
import openai.types.chat
import openai.types.responses
import pytest
from anthropic.types.shared import ErrorResponse
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.fake_api.faults import ANSWERS

SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"enum": ["A", "B"]}, "level": {"enum": [1, 2]}},
    "required": ["verdict", "level"],
}
USER = [{"role": "user", "content": "Response A:\ngood [[quality 1]]\nResponse B:\nbad [[quality 0]]"}]
MESSAGE = {
    "model": "claude-opus-5-5",
    "max_tokens": 500,
    "messages": USER,
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
}
FORM = {"name": "reply", "strict": True, "schema": SCHEMA}
CHAT = {
    "model": "gpt-5.6-luna",
    "messages": USER,
    "response_format": {"type": "json_schema", "json_schema": FORM},
    "logprobs": True,
    "top_logprobs": 5,
}
RESPONSE = {
    "model": "gpt-5.6-luna",
    "input": USER,
    "text": {"format": {"type": "json_schema", **FORM}},
    "include": ["message.output_text.logprobs"],
    "top_logprobs": 5,
}


@pytest.fixture
def send(fake_api):
    """The status and the body of a plain HTTP request, without any package between."""

    def once(path: str, body: Any = None, *, method: str | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": "Bearer k"}
        request = urllib.request.Request(fake_api.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        return status, [
            json.loads(line) for line in raw.splitlines()
        ] if "results" in path or "content" in path else json.loads(raw)

    return once


@pytest.fixture
def upload(fake_api):
    def once(lines: list[Any]) -> Any:
        content = "\n".join(json.dumps(line) for line in lines)
        body = (
            '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--x\r\ncontent-disposition: form-data; name="file"; filename="f.jsonl"\r\n\r\n{content}\r\n--x--\r\n'
        )
        headers = {"content-type": "multipart/form-data; boundary=x", "authorization": "Bearer k"}
        request = urllib.request.Request(f"{fake_api.url}/v1/files", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    return once


def fits(payload: Any, model: type[BaseModel]) -> None:
    """The payload is valid without any conversion, and holds no field that the type does not know."""
    TypeAdapter(model).validate_json(json.dumps(payload), strict=True)
    assert_known(payload, model)


def assert_known(payload: Any, annotation: Any, where: str = "") -> None:
    """Every name in the payload, at any depth, is one of the model's fields; the packages' models let others pass."""
    models = _models_in(annotation)
    if isinstance(payload, list):
        for item in payload:
            assert_known(item, annotation, f"{where}[]")
    elif isinstance(payload, dict) and models:
        fitting = [model for model in models if set(payload) <= set(model.model_fields)]
        assert fitting, f"{where}: {set(payload) - set(models[0].model_fields)} is not in {models}"
        for name, inner in payload.items():
            annotations = [model.model_fields[name].annotation for model in fitting]
            if not any(_is_free_form(annotation) for annotation in annotations):
                assert_known(inner, tuple(annotations), f"{where}.{name}")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, tuple):
        return [model for part in annotation for model in _models_in(part)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _is_free_form(annotation: Any) -> bool:
    return "Dict" in str(annotation) or "object" in str(annotation)


@pytest.mark.parametrize("fault", [None, "refusal", "max_tokens", "wrong_schema", "empty"])
def test_messages(fake_api, send, fault):
    fake_api.script(*([{"name": fault, "category": "frontier_llm"}] if fault else []))
    status, body = send("/v1/messages", MESSAGE)
    assert status == 200
    fits(body, anthropic.types.Message)


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_messages_with_a_cache(send, ttl):
    system = [{"type": "text", "text": "x" * 8000, "cache_control": {"type": "ephemeral", "ttl": ttl}}]
    bodies = [send("/v1/messages", MESSAGE | {"system": system})[1] for _ in range(2)]
    for body in bodies:
        fits(body, anthropic.types.Message)
    assert (
        bodies[0]["usage"]["cache_creation_input_tokens"] == bodies[1]["usage"]["cache_read_input_tokens"] > 0
    )


def test_count_tokens(send):
    fits(send("/v1/messages/count_tokens", MESSAGE)[1], anthropic.types.MessageTokensCount)


def test_message_batches(fake_api, send):
    fake_api.script("server_error", "expired", "canceled")
    requests = [{"custom_id": f"c{number}", "params": MESSAGE} for number in range(5)]
    made = send("/v1/messages/batches", {"requests": requests})[1]
    fits(made, anthropic.types.messages.MessageBatch)
    address = f"/v1/messages/batches/{made['id']}"
    ended = send(address)[1]
    fits(ended, anthropic.types.messages.MessageBatch)
    assert ended["request_counts"] == {
        "processing": 0,
        "succeeded": 2,
        "errored": 1,
        "canceled": 1,
        "expired": 1,
    }
    assert ended["results_url"].endswith(f"{address}/results")
    for line in send(f"{address}/results")[1]:
        fits(line, anthropic.types.messages.MessageBatchIndividualResponse)
    fits(send(f"{address}/cancel", {})[1], anthropic.types.messages.MessageBatch)
    page = send("/v1/messages/batches?limit=1")[1]
    fits(page["data"][0], anthropic.types.messages.MessageBatch)
    assert set(page) == {"data", "has_more", "first_id", "last_id"}


@pytest.mark.parametrize("fault", sorted(set(ANSWERS) - {"redirect"}))
def test_errors_of_both(fake_api, send, fault):
    fake_api.script({"name": fault, "times": None})
    status, body = send("/v1/messages", MESSAGE)
    assert status == (529 if fault == "overloaded" else ANSWERS[fault][0])
    if fault != "too_large":  # a type of its own, which the package does not list
        TypeAdapter(ErrorResponse).validate_python(body, strict=True)
    status, body = send("/v1/chat/completions", CHAT)
    fits(body["error"], openai.types.shared.ErrorObject)


@pytest.mark.parametrize("fault", [None, "refusal", "content_filter", "max_tokens", "wrong_schema", "empty"])
def test_chat_completions(fake_api, send, fault):
    fake_api.script(*([fault] if fault else []))
    fits(send("/v1/chat/completions", CHAT)[1], openai.types.chat.ChatCompletion)


@pytest.mark.parametrize("fault", [None, "refusal", "content_filter", "max_tokens", "wrong_schema", "empty"])
def test_responses(fake_api, send, fault):
    fake_api.script(*([fault] if fault else []))
    body = send("/v1/responses", RESPONSE)[1]
    # The form of the reply comes back as it was sent; in the package's type it is the request's, with an alias.
    fits(body | {"text": None}, openai.types.responses.Response)


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/responses", RESPONSE)])
def test_files_and_batches(fake_api, send, upload, path, body):
    fake_api.script("server_error", "expired", "canceled")
    lines = [{"custom_id": f"c{n}", "method": "POST", "url": path, "body": body} for n in range(5)]
    file = upload(lines)
    fits(file, openai.types.FileObject)
    given = {
        "input_file_id": file["id"],
        "endpoint": path,
        "completion_window": "24h",
        "metadata": {"a": "b"},
    }
    made = send("/v1/batches", given)[1]
    fits(made, openai.types.Batch)
    ended = send(f"/v1/batches/{made['id']}")[1]
    fits(ended, openai.types.Batch)
    assert ended["request_counts"] == {"total": 5, "completed": 2, "failed": 3}
    done = send(f"/v1/files/{ended['output_file_id']}/content")[1]
    assert [line["response"]["status_code"] for line in done] == [200, 200]
    failed = send(f"/v1/files/{ended['error_file_id']}/content")[1]
    assert {(line["error"] or {}).get("code") for line in failed} == {
        None,
        "batch_expired",
        "batch_cancelled",
    }
    fits(send(f"/v1/batches/{made['id']}/cancel", {})[1], openai.types.Batch)
    fits(send("/v1/batches")[1]["data"][0], openai.types.Batch)


def test_a_batch_whose_lines_do_not_fit_fails_as_a_whole(send, upload):
    file = upload([{"custom_id": "c", "method": "POST", "url": "/v1/responses", "body": CHAT}])
    given = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = send("/v1/batches", given)[1]
    fits(made, openai.types.Batch)
    assert (made["status"], bool(made["errors"])) == ("failed", True)


def test_what_newer_models_do_not_take_is_turned_down(send):
    status, body = send("/v1/messages", MESSAGE | {"temperature": 0})
    assert (status, body["error"]["message"]) == (400, "temperature: is not taken by this model")


def test_the_check_itself_finds_a_field_that_is_not_known():
    class Inner(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int

    class Outer(BaseModel):
        inner: list[Inner] | None

    fits({"inner": [{"a": 1}]}, Outer)
    with pytest.raises(AssertionError, match=r"\.inner\[\]"):
        fits({"inner": [{"a": 1, "b": 2}]}, Outer)
