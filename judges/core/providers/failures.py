"""Why a request has no reply: typed, so that a run knows what to try again and what may have been billed.

The messages are safe to store and to show: keys are cut out of them, and no exception of a package, which
holds the request with its headers, stays attached.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from judges.core.providers.limits import Limit

LONGEST_MESSAGE = 500  # characters


class Failure(Exception):
    """An ask without a reply.

    ``kind`` counts failures of a sort. ``retry``: the same request may succeed later. ``may_be_billed``: the
    provider may have done the work, so asking again can pay twice. ``stops_all``: every other request of the
    judge will fail in the same way. ``code``: the server's most specific word for it. ``retry_after``: seconds
    the server asked to wait, as it said them.
    """

    kind: ClassVar[str] = "failed"
    retry: ClassVar[bool] = False
    may_be_billed: ClassVar[bool] = False
    stops_all: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        limits: tuple[Limit, ...] = (),
    ) -> None:
        super().__init__(message[:LONGEST_MESSAGE])
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.limits = limits


class RateLimited(Failure):
    """429: more than the account may ask in a minute."""

    kind, retry = "rate limited", True


class Overloaded(Failure):
    """529 or 503: the provider has no room for anybody's request now."""

    kind, retry = "overloaded", True


class ServerFailed(Failure):
    """500: an error on the provider's side. It answered, so nothing was billed."""

    kind, retry = "server error", True


class NotSent(Failure):
    """No connection was made: nothing can have been billed."""

    kind, retry = "no connection", True


class OutcomeUnknown(Failure):
    """Sent, and no whole reply came back: too late, the connection broke, or what came was no reply."""

    kind, retry, may_be_billed = "no reply", True, True


class Rejected(Failure):
    """4xx: the request itself is not accepted, and will not be later."""

    kind = "rejected"


class TooLarge(Rejected):
    """413, or longer than the model reads."""

    kind = "too large"


class NotAuthorized(Failure):
    """401 or 403, or no key is known."""

    kind, stops_all = "not authorized", True


class OutOfCredit(Failure):
    """402, or a spending limit of the account is reached."""

    kind, stops_all = "out of credit", True


class NotFound(Failure):
    """404: the model, the address or the batch is not known there."""

    kind, stops_all = "not found", True


class Expired(Failure):
    """The batch ran out of time before this request was done; it was not billed."""

    kind, retry = "expired", True


class Canceled(Failure):
    """The batch was cancelled before this request was done; it was not billed."""

    kind, retry = "canceled", True


_BY_STATUS: dict[int, type[Failure]] = {
    401: NotAuthorized,
    402: OutOfCredit,
    403: NotAuthorized,
    404: NotFound,
    408: OutcomeUnknown,
    409: Overloaded,
    413: TooLarge,
    425: Overloaded,
    429: RateLimited,
    500: ServerFailed,
    501: Rejected,
    # A gateway in between gave up; the server behind it may have gone on.
    502: OutcomeUnknown,
    503: Overloaded,
    504: OutcomeUnknown,
    529: Overloaded,
}
# Anthropic's types and OpenAI's types and codes, where they say more than the status, or there is none (batches).
_BY_WORD: dict[str, type[Failure]] = {
    "authentication_error": NotAuthorized,
    "permission_error": NotAuthorized,
    "invalid_api_key": NotAuthorized,
    "billing_error": OutOfCredit,
    "insufficient_quota": OutOfCredit,
    "billing_hard_limit_reached": OutOfCredit,
    "billing_not_active": OutOfCredit,
    "contract_spend_limit_reached": OutOfCredit,
    "enforced_spend_limit_reached": OutOfCredit,
    "linked_organization_spend_limit_reached": OutOfCredit,
    "rate_limit_error": RateLimited,
    "rate_limit_exceeded": RateLimited,
    "overloaded_error": Overloaded,
    "api_error": ServerFailed,
    "server_error": ServerFailed,
    "timeout_error": OutcomeUnknown,
    "not_found_error": NotFound,
    "model_not_found": NotFound,
    "request_too_large": TooLarge,
    "context_length_exceeded": TooLarge,
    "batch_expired": Expired,
    "batch_cancelled": Canceled,
    "invalid_request_error": Rejected,
}
_TOO_LONG = ("prompt is too long", "maximum context length", "exceed context limit", "context window")
_NO_CREDIT = ("credit balance is too low",)


def failure_from(
    body: Any,
    *,
    status: int | None = None,
    request_id: str = "",
    retry_after: float | None = None,
    limits: tuple[Limit, ...] = (),
    secret: str = "",
) -> Failure:
    """The failure that a provider's error body and status tell of, whatever they hold."""
    words, message = _error_words(body), _error_message(body)
    return _kind_of(status, words, message.lower())(
        without(secret, message) or f"The server answered {status} and gave no reason.",
        status=status,
        code=words[0] if words else "",
        request_id=without(secret, request_id),
        retry_after=retry_after,
        limits=limits,
    )


def without(secret: str, text: str) -> str:
    """The text without the key, which some servers repeat in what they answer."""
    return text.replace(secret, "[key]") if secret else text


def _kind_of(status: int | None, words: list[str], message: str) -> type[Failure]:
    if status is not None and status < 400:
        return Rejected  # a redirect, which is not followed
    for word in words:
        named = _BY_WORD.get(word)
        # These two words are the widest: a status or a message says more.
        if named is not None and named not in (Rejected, ServerFailed):
            return named
    if status in (None, 400, 403, 422):
        if any(phrase in message for phrase in _TOO_LONG):
            return TooLarge
        if any(phrase in message for phrase in _NO_CREDIT):
            return OutOfCredit
    if status is None:
        return next((_BY_WORD[word] for word in words if word in _BY_WORD), ServerFailed)
    return _BY_STATUS.get(status, OutcomeUnknown if status >= 500 else Rejected)


def _error_words(body: Any) -> list[str]:
    error = _error(body)
    details = error.get("details")
    codes = [details.get("error_code") if isinstance(details, Mapping) else None]
    codes += [error.get("code"), error.get("type")]
    return [code for code in codes if isinstance(code, str)]


def _error_message(body: Any) -> str:
    message = _error(body).get("message")
    if isinstance(message, str):
        return message
    detail = body.get("detail") if isinstance(body, Mapping) else body
    return detail if isinstance(detail, str) else ""


def _error(body: Any) -> Mapping[str, Any]:
    """The part of a body that tells of an error: in Anthropic's form, OpenAI's, or that of neither."""
    while isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}
