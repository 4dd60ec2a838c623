"""The OpenAI API and every server that speaks it (vLLM, Ollama, llama.cpp, `transformers serve`), by base URL.

The reply's form is asked for with a strict JSON schema. OpenAI caches a prompt's beginning by itself, which is
why what is the same for every request comes first. With ``logprobs`` a score is weighted by how likely each
level was (see ``probabilities``).

Settings, all optional: ``base_url``; ``api`` ("chat" or "responses"); ``max_tokens`` of the reply, reasoning
included; ``effort``; ``temperature``; ``seed``, to which the sample's number is added; ``logprobs``; and
``timeout_seconds``.
"""

import json
import math
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, cast

from judges.core.providers.calling import (
    Answer,
    answer_to,
    connection,
    environment_headers,
    failure_of,
    lines_of,
)
from judges.core.providers.failures import Failure, NotAuthorized, failure_from
from judges.core.providers.keys import NO_KEY, Key, checked_url, environment_key, environment_server
from judges.core.providers.provider import BadSettings, Batch, BatchResult, Reply, TokenCount
from judges.core.providers.reading import chat_reply, refused_prompt, response_reply
from judges.core.providers.settings import EFFORTS, choice, only, whole, yes_or_no
from judges.core.request import Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch as OpenAIBatch

BASE_URL = "https://api.openai.com/v1"
SETTINGS = (
    "base_url",
    "api",
    "max_tokens",
    "effort",
    "temperature",
    "seed",
    "logprobs",
    "timeout_seconds",
)
LARGEST_SEED = 2**31 - 1 - 9  # what every server takes, the sample's number added
ALTERNATIVES = 20  # the most logprobs a token that OpenAI gives
CHARACTERS_A_TOKEN = 3.5
TOKENS_A_MESSAGE = 4
ENDED = ("completed", "failed", "expired", "cancelled")
OWN_HEADERS = ("OpenAI-Organization", "OpenAI-Project")
PAGE = 100  # batches a page
NONE: Mapping[str, Request] = {}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


class OpenAIProvider:
    """One judge's client. ``key`` is sent only to the server it belongs to; see ``keys``."""

    free = False
    keeps_tags = True
    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, settings: Mapping[str, Any], key: Key | None = None) -> None:
        only(settings, SETTINGS)
        key = key or environment_key("OPENAI_API_KEY", "OPENAI_BASE_URL", BASE_URL)
        self.base_url = checked_url(settings.get("base_url", key.base_url if key else BASE_URL))
        self.api = choice(settings, "api", tuple(PATHS), "chat")
        self.max_tokens = whole(settings, "max_tokens", 8192, least=1, most=128_000)
        self.effort = choice(settings, "effort", EFFORTS, "")
        self.temperature = _temperature(settings.get("temperature"))
        self.seed = whole(settings, "seed", 0, least=0, most=LARGEST_SEED) if "seed" in settings else None
        self.logprobs = yes_or_no(settings, "logprobs", False)
        self.seconds = whole(settings, "timeout_seconds", 600, least=1, most=3600)
        if self.api == "responses" and self.seed is not None:
            raise BadSettings("seed", "is not taken by the responses API; leave it out, or use the chat API")
        self._secret = key.secret if key and key.base_url == self.base_url else ""
        self._open: AsyncOpenAI | None = None

    async def __aenter__(self) -> Self:
        # Here, since the package takes a second to load and the pages of judges do not need it.
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Omit

        if not self._secret and self.base_url == BASE_URL:
            raise NotAuthorized(f"There is no key for {BASE_URL}; set OPENAI_API_KEY, or store a key.")
        foreign = self.base_url != environment_server("OPENAI_BASE_URL", BASE_URL)
        named = environment_headers("OPENAI_CUSTOM_HEADERS")
        self._open = AsyncOpenAI(
            api_key=self._secret or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            # What the environment adds is meant for its own server, and may be a secret.
            default_headers=cast(Any, dict.fromkeys((*named, *OWN_HEADERS) if foreign else (), Omit())),
            timeout=connection(self.seconds)["timeout"],
            http_client=DefaultAsyncHttpxClient(**connection(self.seconds)),
        )
        # Loaded here rather than within the first call, whose latency it would be.
        _ = self._open.chat.completions, self._open.responses, self._open.batches, self._open.files
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def ask(self, request: Request) -> Reply:
        try:
            answer = await self._answer(request)
        except Failure as failure:
            refused = refused_prompt(failure, request.model)
            if refused is None:
                raise
            return refused
        return self._read(
            answer.body, request.schema, answer.headers, request_id=answer.request_id, latency=answer.latency
        )

    async def count_tokens(self, request: Request) -> TokenCount:
        """About 3.5 characters a token: the API has no free count, and its tokenizer is no part of any package.

        English has some four characters a token, code and other languages fewer; this errs to the dear side.
        """
        texts = [request.system, *(message["content"] for message in request.messages)]
        tokens = sum(math.ceil(len(text) / CHARACTERS_A_TOKEN) + TOKENS_A_MESSAGE for text in texts)
        return TokenCount(
            tokens + math.ceil(len(json.dumps(dict(request.schema))) / CHARACTERS_A_TOKEN), exact=False
        )

    def batch_size(self, custom_id: str, request: Request) -> int:
        return len(self._line(custom_id, request))

    async def submit(self, requests: Mapping[str, Request], *, tag: str = "") -> Batch:
        """Two steps; only the second has anything done. Where it is unclear whether it was, see ``batches``."""
        body = b"".join(self._line(custom_id, request) for custom_id, request in requests.items())
        try:
            file = await self._client.files.create(file=("requests.jsonl", body), purpose="batch")
            created = await self._client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/responses" if self.api == "responses" else "/v1/chat/completions",
                completion_window="24h",
                metadata={"concord": tag},
            )
            return _batch(created, len(requests))
        except Exception as error:
            failure = failure_of(error, seconds=self.seconds, secret=self._secret)
        raise failure

    async def poll(self, batch_id: str) -> Batch:
        return _batch(await self._found(self._client.batches.retrieve(batch_id)))

    async def cancel(self, batch_id: str) -> Batch:
        return _batch(await self._found(self._client.batches.cancel(batch_id)))

    async def results(
        self, batch_id: str, *, requests: Mapping[str, Request] = NONE
    ) -> AsyncIterator[BatchResult]:
        found = await self._found(self._client.batches.retrieve(batch_id))
        for file_id in (found.output_file_id, found.error_file_id):
            if file_id:
                async for line in self._file(file_id):
                    yield self._result(line, requests)

    async def batches(self, *, since: datetime | None = None) -> AsyncIterator[Batch]:
        try:
            async for found in self._client.batches.list(limit=PAGE):
                batch = _batch(found)
                if since and batch.created_at < since:
                    return
                yield batch
            return
        except Exception as error:
            failure = failure_of(error, seconds=self.seconds, secret=self._secret)
        raise failure

    async def custom_ids(self, batch: Batch) -> frozenset[str] | None:
        """Known at once, from the file that was handed in."""
        found = await self._found(self._client.batches.retrieve(batch.id))
        lines = self._file(found.input_file_id)
        return frozenset(
            [str(line.get("custom_id", "")) async for line in lines if isinstance(line, Mapping)]
        )

    @property
    def _client(self) -> "AsyncOpenAI":
        if self._open is None:
            raise RuntimeError("The provider is not open; use it in `async with`.")
        return self._open

    async def _answer(self, request: Request) -> Answer:
        client, body = self._client, self._body(request)
        raw: Any = client.responses if self.api == "responses" else client.chat.completions
        return await answer_to(
            raw.with_raw_response.create(**body), seconds=self.seconds, secret=self._secret
        )

    def _body(self, request: Request) -> dict[str, Any]:
        form = {"name": "reply", "strict": True, "schema": strict(request.schema)} if request.schema else {}
        body = (
            self._responses_body(request, form) if self.api == "responses" else self._chat_body(request, form)
        )
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.logprobs:
            body["top_logprobs"] = ALTERNATIVES
        # Said in so many words, since `transformers serve` streams a response otherwise.
        return {"model": request.model, "stream": False, **body}

    def _chat_body(self, request: Request, form: Mapping[str, Any]) -> dict[str, Any]:
        # OpenAI's own models take only the newer name; other servers all know the older one.
        most = "max_completion_tokens" if self.base_url == BASE_URL else "max_tokens"
        body: dict[str, Any] = {
            "messages": [*_system(request), *map(dict, request.messages)],
            most: self.max_tokens,
        }
        if form:
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if self.seed is not None:
            body["seed"] = self.seed + request.sample
        if self.effort:
            body["reasoning_effort"] = self.effort
        if self.logprobs:
            body["logprobs"] = True
        return body

    def _responses_body(self, request: Request, form: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "input": [dict(message) for message in request.messages],
            "max_output_tokens": self.max_tokens,
            "store": False,
        }
        if request.system:
            body["instructions"] = request.system
        if form:
            body["text"] = {"format": {"type": "json_schema", **form}}
        if self.effort:
            body["reasoning"] = {"effort": self.effort}
        if self.logprobs:
            body["include"] = ["message.output_text.logprobs"]
        return body

    def _line(self, custom_id: str, request: Request) -> bytes:
        line = {"custom_id": custom_id, "method": "POST", "url": PATHS[self.api], "body": self._body(request)}
        return json.dumps(line).encode() + b"\n"

    def _read(self, body: Any, schema: Mapping[str, Any], headers: Mapping[str, str], **known: Any) -> Reply:
        read = response_reply if self.api == "responses" else chat_reply
        return read(body, schema, headers, **known)

    def _result(self, line: Any, requests: Mapping[str, Request]) -> BatchResult:
        entry = line if isinstance(line, Mapping) else {}
        custom_id = str(entry.get("custom_id", ""))
        return BatchResult(custom_id, self._outcome(entry, requests.get(custom_id)))

    def _outcome(self, entry: Mapping[str, Any], request: Request | None) -> Reply | Failure:
        response = entry.get("response")
        if not isinstance(response, Mapping):
            return failure_from(entry, secret=self._secret)
        status, body = response.get("status_code"), response.get("body")
        request_id = str(response.get("request_id") or "")
        if status == 200:
            return self._read(body, request.schema if request else {}, {}, request_id=request_id)
        status = status if isinstance(status, int) else None
        failure = failure_from(body, status=status, request_id=request_id, secret=self._secret)
        return refused_prompt(failure, request.model if request else "") or failure

    def _file(self, file_id: str) -> AsyncIterator[Any]:
        stream = self._client.files.with_streaming_response.content(file_id)
        return lines_of(stream, seconds=self.seconds, secret=self._secret)

    async def _found(self, call: Any) -> "OpenAIBatch":
        try:
            found: OpenAIBatch = await call
            return found
        except Exception as error:
            failure = failure_of(error, seconds=self.seconds, secret=self._secret)
        raise failure


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as OpenAI's strict mode takes it: every property of every object is required."""
    plain = dict(schema)
    if isinstance(schema.get("properties"), Mapping):
        plain["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
        plain["required"] = list(plain["properties"])
        plain["additionalProperties"] = False
    return plain


def _system(request: Request) -> list[dict[str, str]]:
    return [{"role": "system", "content": request.system}] if request.system else []


def _temperature(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise BadSettings("temperature", f"must be a number from 0 to 2, not {value!r:.80}")
    return float(value)


def _batch(found: "OpenAIBatch", total: int = 0) -> Batch:
    """``total``: how many were handed in, since the API has not counted them when it answers."""
    return Batch(
        id=found.id,
        status=found.status,
        ended=found.status in ENDED,
        total=(found.request_counts.total if found.request_counts else 0) or total,
        created_at=datetime.fromtimestamp(found.created_at, UTC),
        expires_at=datetime.fromtimestamp(found.expires_at, UTC) if found.expires_at else None,
        tag=(found.metadata or {}).get("concord", ""),
        failed=_why_failed(found) if found.status == "failed" else "",
    )


def _why_failed(found: "OpenAIBatch") -> str:
    errors = (found.errors.data if found.errors else None) or []
    return "; ".join(error.message for error in errors[:3] if error.message) or "The server gave no reason."
