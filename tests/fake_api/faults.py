"""The script of faults: which requests go wrong, and how.

A fault applies to the next ``times`` requests that match (for ever where ``times`` is None), after letting ``skip``
pass, each with the probability ``share``. The first in the script that matches is the one.

BEFORE the work, so nothing is billed: the answers with a status below, "reset_before" (the connection is reset),
"hang" (no answer ever). In the WORK: "refusal" (with ``category``), "content_filter", "max_tokens", "wrong_schema",
"truncated_reply" (the model's JSON breaks off), "empty". AFTER it, so it is billed: "reset_after", "cut_body" (reset
in the middle of the body), "truncated_json" (a body that is not whole, in good order otherwise), "html" (a page of
some proxy), "slow_body" (over ``seconds``), "hang_after". In a batch also "expired" and "canceled".
"""

from dataclasses import dataclass, field
from typing import Any

from tests.fake_api.world import World

TOO_LONG = "prompt is too long: 9 tokens > 8 maximum"
# name: status, Anthropic's type, OpenAI's type and code, message
ANSWERS: dict[str, tuple[int, str, str, str | None, str]] = {
    "rate_limited": (
        429,
        "rate_limit_error",
        "requests",
        "rate_limit_exceeded",
        "Too many requests a minute.",
    ),
    "overloaded": (529, "overloaded_error", "server_error", None, "Overloaded"),
    "server_error": (500, "api_error", "server_error", None, "Internal server error"),
    "bad_gateway": (502, "api_error", "server_error", None, "Bad gateway"),
    "unavailable": (503, "overloaded_error", "server_error", None, "Service unavailable"),
    "gateway_timeout": (504, "timeout_error", "server_error", None, "Gateway timeout"),
    "unauthorized": (
        401,
        "authentication_error",
        "invalid_request_error",
        "invalid_api_key",
        "Wrong API key: {key}.",
    ),
    "forbidden": (403, "permission_error", "invalid_request_error", None, "Your key may not use this model."),
    "out_of_credit": (
        402,
        "billing_error",
        "insufficient_quota",
        "insufficient_quota",
        "Your credit is used up.",
    ),
    "quota": (
        429,
        "billing_error",
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota.",
    ),
    "too_large": (
        413,
        "request_too_large",
        "invalid_request_error",
        None,
        "Request exceeds the maximum size",
    ),
    "too_long": (
        400,
        "invalid_request_error",
        "invalid_request_error",
        "context_length_exceeded",
        TOO_LONG,
    ),
    "bad_request": (
        400,
        "invalid_request_error",
        "invalid_request_error",
        None,
        "max_tokens: must be at least 1",
    ),
    "not_found": (404, "not_found_error", "invalid_request_error", "model_not_found", "model: no-such-model"),
    "refused_prompt": (
        400,
        "invalid_request_error",
        "invalid_request_error",
        "bio_policy",
        "This prompt was flagged.",
    ),
    "redirect": (307, "api_error", "server_error", None, "Moved"),
}
BEFORE = {*ANSWERS, "reset_before", "hang"}
WORK = {"refusal", "content_filter", "max_tokens", "wrong_schema", "truncated_reply", "empty"}
AFTER = {"reset_after", "cut_body", "truncated_json", "html", "slow_body", "hang_after"}
BATCH = {"expired", "canceled"}
PAID = ("messages", "chat", "responses", "batch_entry")


@dataclass
class Fault:
    name: str
    times: int | None = 1
    endpoint: str = ""
    contains: str = ""
    skip: int = 0
    share: float = 1.0
    retry_after: float | None = None
    seconds: float = 0.0
    category: str | None = None
    location: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in BEFORE | WORK | AFTER | BATCH:
            raise ValueError(f"no fault is called {self.name!r}")

    def matches(self, endpoint: str, text: str) -> bool:
        where = endpoint == self.endpoint if self.endpoint else endpoint in PAID
        return where and self.times != 0 and self.contains in text


def next_fault(world: World, endpoint: str, text: str) -> Fault | None:
    """The fault that this request meets, counted as used."""
    for fault in world.script:
        if not fault.matches(endpoint, text):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        if fault.share < 1.0 and world.random.random() >= fault.share:
            continue
        if fault.times is not None:
            fault.times -= 1
        world.applied[fault.name] += 1
        return fault
    return None
