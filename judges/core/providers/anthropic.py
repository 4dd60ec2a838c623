"""Anthropic's Messages and Message Batches, through its own package.

What is the same for every request of a judge (system text and rubric) comes first and carries cache_control,
so that it is paid for once every few minutes. The reply's form is asked for with output_config. There is no
temperature: the newer models refuse it.

Settings, all optional: ``effort`` (low to max), ``max_tokens`` (of the reply, thinking included), ``cache``
("5m", "1h" or "off"), ``timeout_seconds`` and ``base_url``.
"""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast

from judges.core.providers.calling import (
    answer_to,
    connection,
    environment_headers,
    failure_of,
    lines_of,
)
from judges.core.providers.failures import Canceled, Expired, Failure, NotAuthorized, failure_from
from judges.core.providers.keys import NO_KEY, Key, checked_url, environment_key, environment_server
from judges.core.providers.provider import Batch, BatchResult, Reply, TokenCount
from judges.core.providers.reading import message_reply
from judges.core.providers.settings import choice, only, whole
from judges.core.request import Request

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types.messages import MessageBatch

BASE_URL = "https://api.anthropic.com"
EFFORTS = ("low", "medium", "high", "xhigh", "max")
SETTINGS = ("effort", "max_tokens", "cache", "timeout_seconds", "base_url")
HEADERS = ("ANTHROPIC_CUSTOM_HEADERS",)
PAGE = 100  # batches a page
NONE: Mapping[str, Request] = {}


class AnthropicProvider:
    """One judge's client. ``key`` is sent only to the server it belongs to; see ``keys``."""

    free = False
    keeps_tags = False
    most_requests = 100_000
    most_bytes = 256_000_000

    def __init__(self, settings: Mapping[str, Any], key: Key | None = None) -> None:
        only(settings, SETTINGS)
        key = key or environment_key("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", BASE_URL)
        self.base_url = checked_url(settings.get("base_url", key.base_url if key else BASE_URL))
        self.effort = choice(settings, "effort", EFFORTS, "")
        self.max_tokens = whole(settings, "max_tokens", 8192, least=1, most=128_000)
        self.cache = choice(settings, "cache", ("5m", "1h", "off"), "5m")
        self.seconds = whole(settings, "timeout_seconds", 600, least=1, most=3600)
        self._secret = key.secret if key and key.base_url == self.base_url else ""
        self._open: AsyncAnthropic | None = None

    async def __aenter__(self) -> Self:
        # Here, since the package takes a second to load and the pages of judges do not need it.
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient, Omit

        if not self._secret and self.base_url == BASE_URL:
            raise NotAuthorized(f"There is no key for {BASE_URL}; set ANTHROPIC_API_KEY, or store a key.")
        foreign = self.base_url != environment_server("ANTHROPIC_BASE_URL", BASE_URL)
        self._open = AsyncAnthropic(
            api_key=self._secret or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            # What the environment adds is meant for its own server, and may be a secret.
            default_headers=cast(
                Any, dict.fromkeys(environment_headers(*HEADERS) if foreign else (), Omit())
            ),
            timeout=connection(self.seconds)["timeout"],
            http_client=DefaultAsyncHttpxClient(**connection(self.seconds)),
        )
        _ = self._open.messages.batches  # loaded here rather than within the first call
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def ask(self, request: Request) -> Reply:
        raw = self._client.messages.with_raw_response
        answer = await answer_to(
            raw.create(**self._params(request)), seconds=self.seconds, secret=self._secret
        )
        return message_reply(
            answer.body, answer.headers, request_id=answer.request_id, latency=answer.latency
        )

    async def count_tokens(self, request: Request) -> TokenCount:
        params = self._params(request)
        del params["max_tokens"]
        raw = self._client.messages.with_raw_response
        answer = await answer_to(raw.count_tokens(**params), seconds=self.seconds, secret=self._secret)
        tokens = answer.body.get("input_tokens") if isinstance(answer.body, Mapping) else None
        if type(tokens) is not int:
            raise failure_from({"message": "The server did not say how many tokens there are."}, status=500)
        return TokenCount(tokens, exact=True)

    def batch_size(self, custom_id: str, request: Request) -> int:
        entry = {"custom_id": custom_id, "params": self._params(request, batch=True)}
        return len(json.dumps(entry).encode()) + 1

    async def submit(self, requests: Mapping[str, Request], *, tag: str = "") -> Batch:  # noqa: ARG002
        entries: list[Any] = [
            {"custom_id": custom_id, "params": self._params(request, batch=True)}
            for custom_id, request in requests.items()
        ]
        return await self._batch(self._client.messages.batches.create(requests=entries))

    async def poll(self, batch_id: str) -> Batch:
        return await self._batch(self._client.messages.batches.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> Batch:
        return await self._batch(self._client.messages.batches.cancel(batch_id))

    async def results(
        self,
        batch_id: str,
        *,
        requests: Mapping[str, Request] = NONE,  # noqa: ARG002
    ) -> AsyncIterator[BatchResult]:
        stream = self._client.messages.batches.with_streaming_response.results(batch_id)
        async for line in lines_of(stream, seconds=self.seconds, secret=self._secret):
            yield self._result(line)

    async def batches(self, *, since: datetime | None = None) -> AsyncIterator[Batch]:
        try:
            async for found in self._client.messages.batches.list(limit=PAGE):
                if since and found.created_at < since:
                    return
                yield _batch(found)
            return
        except Exception as error:
            failure = failure_of(error, seconds=self.seconds, secret=self._secret)
        raise failure

    async def custom_ids(self, batch: Batch) -> frozenset[str] | None:
        """Known once the batch has ended: until then the API does not tell."""
        if not batch.ended:
            return None
        return frozenset([result.custom_id async for result in self.results(batch.id)])

    @property
    def _client(self) -> "AsyncAnthropic":
        if self._open is None:
            raise RuntimeError("The provider is not open; use it in `async with`.")
        return self._open

    def _params(self, request: Request, *, batch: bool = False) -> dict[str, Any]:
        system: dict[str, Any] = {"type": "text", "text": request.system}
        if self.cache != "off":
            # A batch may take longer than five minutes between two of its requests.
            system["cache_control"] = {"type": "ephemeral", "ttl": "1h" if batch else self.cache}
        output: dict[str, Any] = {}
        if request.schema:
            output["format"] = {"type": "json_schema", "schema": dict(request.schema)}
        if self.effort:
            output["effort"] = self.effort
        params: dict[str, Any] = {
            "model": request.model,
            "max_tokens": self.max_tokens,
            "messages": [dict(message) for message in request.messages],
        }
        # What is empty is left out: a request for a plain answer has no form, and may have no system text.
        return (
            params
            | ({"system": [system]} if request.system else {})
            | ({"output_config": output} if output else {})
        )

    def _result(self, line: Any) -> BatchResult:
        entry = line if isinstance(line, Mapping) else {}
        result = entry["result"] if isinstance(entry.get("result"), Mapping) else {}
        return BatchResult(str(entry.get("custom_id", "")), self._outcome(result))

    def _outcome(self, result: Mapping[str, Any]) -> Reply | Failure:
        kind = result.get("type")
        if kind == "succeeded":
            return message_reply(result.get("message"), {})
        if kind == "expired":
            return Expired("The batch ran out of time before this request was done.")
        if kind == "canceled":
            return Canceled("The batch was cancelled before this request was done.")
        return failure_from(result.get("error"), secret=self._secret)

    async def _batch(self, call: Any) -> Batch:
        try:
            return _batch(await call)
        except Exception as error:
            failure = failure_of(error, seconds=self.seconds, secret=self._secret)
        raise failure


def _batch(found: "MessageBatch") -> Batch:
    counts = found.request_counts
    return Batch(
        id=found.id,
        status=found.processing_status,
        ended=found.processing_status == "ended",
        total=counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired,
        created_at=found.created_at,
        expires_at=found.expires_at,
    )
