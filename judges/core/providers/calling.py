"""One call of a provider's package: sent once, under a deadline, and what comes back is a body or a Failure.

Both packages are built alike, on httpx2, so what they raise is read here for both.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, NamedTuple, Protocol

import httpx2

from judges.core.providers.failures import (
    Failure,
    NotSent,
    OutcomeUnknown,
    Rejected,
    failure_from,
    without,
)
from judges.core.providers.limits import limits_from, retry_after_from

CONNECT_SECONDS = 30.0  # hundreds of calls may start at once
MOST_CONNECTIONS = 1000
# Raised before a request has left; after anything else some of it may have arrived.
_BEFORE_SENDING = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
    httpx2.LocalProtocolError,
)
_ID_HEADERS = ("request-id", "x-request-id")


class _RawResponse(Protocol):
    """What both packages give back where a raw response is asked for."""

    @property
    def http_response(self) -> httpx2.Response: ...


class _StreamedResponse(Protocol):
    def iter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]: ...


class Answer(NamedTuple):
    """A body as JSON, with its headers in lower case; ``latency`` in seconds."""

    body: Any
    headers: Mapping[str, str]
    latency: float

    @property
    def request_id(self) -> str:
        return request_id_from(self.headers)


def connection(seconds: float) -> dict[str, Any]:
    """How a package's own client is made: no redirects, since a header with a key would go along."""
    return {
        "timeout": httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
        "limits": httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=200),
        "follow_redirects": False,
        "verify": _certificates(),
    }


def environment_headers(*variables: str) -> set[str]:
    """Names of the headers that a package would add by itself from these variables, each a line NAME: VALUE."""
    lines = [line for variable in variables for line in os.environ.get(variable, "").split("\n")]
    return {line.partition(":")[0].strip() for line in lines if ":" in line}


async def answer_to(call: Awaitable[_RawResponse], *, seconds: float, secret: str) -> Answer:
    """The whole answer within ``seconds``. Raises Failure."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            response = (await call).http_response
        headers = dict(response.headers)
        return Answer(_json(response.content, headers), headers, time.monotonic() - started)
    except Exception as error:
        failure = failure_of(error, seconds=seconds, secret=secret)
    # Out here, so that the exception with the request in it does not stay attached.
    raise failure


async def lines_of(
    stream: AbstractAsyncContextManager[_StreamedResponse], *, seconds: float, secret: str
) -> AsyncIterator[Any]:
    """Each line of a body in JSON lines, as it comes, however large the whole is. Raises Failure.

    ``seconds`` bounds the wait for each piece. Lines end at \\n alone: texts may hold other separators.
    """
    try:
        async with stream as response:
            rest = b""
            async for piece in response.iter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield _json(line, {})
            if rest.strip():
                yield _json(rest, {})
        return
    except Exception as error:
        failure = failure_of(error, seconds=seconds, secret=secret)
    raise failure


def failure_of(error: Exception, *, seconds: float, secret: str) -> Failure:
    """What an exception of either package, or of the connection below it, means for the request."""
    if isinstance(error, Failure):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response) and not response.is_success:
        return _refused_by_server(error, response, secret)
    if isinstance(error, UnicodeError):
        return Rejected("The request holds characters that can not be sent.")
    cause = error if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL) else error.__cause__
    if isinstance(cause, _BEFORE_SENDING):
        return NotSent(without(secret, f"No connection to the server: {str(cause) or type(cause).__name__}."))
    if isinstance(error, TimeoutError) or isinstance(cause, httpx2.TimeoutException):
        return OutcomeUnknown(f"No whole reply came within {seconds:g} seconds.")
    if isinstance(cause, httpx2.HTTPError):
        reason = without(secret, str(cause)) or type(cause).__name__
        return OutcomeUnknown(f"The connection broke before the whole reply was there: {reason}")
    return OutcomeUnknown(without(secret, f"What came back could not be read ({type(error).__name__})."))


def request_id_from(headers: Mapping[str, str]) -> str:
    return next((headers[name] for name in _ID_HEADERS if headers.get(name)), "")


@cache
def _certificates() -> ssl.SSLContext:
    """Those of the system, read once: it takes a tenth of a second, and each opening of a provider needs them."""
    return httpx2.create_ssl_context()


def _refused_by_server(error: Exception, response: httpx2.Response, secret: str) -> Failure:
    headers = dict(response.headers)
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError, httpx2.StreamError):
        body = getattr(error, "body", None)
    return failure_from(
        body,
        status=response.status_code,
        request_id=request_id_from(headers),
        retry_after=retry_after_from(headers),
        limits=limits_from(headers),
        secret=secret,
    )


def _json(content: bytes, headers: Mapping[str, str]) -> Any:
    """The body as JSON. Raises OutcomeUnknown: a reply was on its way, and so it may have been billed."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        told = f"The server answered with what is no whole JSON ({len(content)} bytes)."
    raise OutcomeUnknown(told, request_id=request_id_from(headers))
