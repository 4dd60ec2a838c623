"""Bodies of replies become Replies, whatever a server put into them: nothing that was paid for is lost to a field.

A part that is missing or of a wrong type is read as absent; the text that is there stays as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from judges.core.providers.failures import Failure
from judges.core.providers.limits import limits_from
from judges.core.providers.probabilities import Token, enum_probabilities
from judges.core.providers.provider import Reply
from judges.core.usage import NOTHING, Usage

LARGEST_COUNT = 2**31 - 1  # tokens; a larger number is no count, and no database column holds it
REFUSAL, FILTERED = "refusal", "content_filter"
# OpenAI answers some prompts with 400 and one of these codes: the prompt was refused, and nothing was billed.
REFUSED_PROMPTS = (
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "bio_policy",
    "cyber_policy",
    "misalignment_policy_violation",
)


def message_reply(
    body: Any, headers: Mapping[str, str], *, request_id: str = "", latency: float | None = None
) -> Reply:
    """Anthropic's Message."""
    message = _object(body)
    details = _object(message.get("stop_details"))
    return Reply(
        text="".join(
            _text(block.get("text")) for block in _objects(message.get("content")) if _is_text(block)
        ),
        stop_reason=_text(message.get("stop_reason")),
        served_model=_text(message.get("model")),
        request_id=request_id,
        usage=_message_usage(_object(message.get("usage"))),
        refusal=_text(details.get("category")),
        latency=latency,
        limits=limits_from(headers),
    )


def chat_reply(
    body: Any,
    schema: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    request_id: str = "",
    latency: float | None = None,
) -> Reply:
    """OpenAI's ChatCompletion."""
    completion = _object(body)
    choice = next(iter(_objects(completion.get("choices"))), {})
    message = _object(choice.get("message"))
    text, refused = _text(message.get("content")), _text(message.get("refusal"))
    tokens = _tokens(_object(choice.get("logprobs")).get("content"))
    return Reply(
        text=refused or text,
        stop_reason=REFUSAL if refused else _text(choice.get("finish_reason")),
        served_model=_text(completion.get("model")),
        request_id=request_id,
        usage=_openai_usage(_object(completion.get("usage")), "prompt", "completion"),
        latency=latency,
        probabilities=enum_probabilities(text, tokens, schema),
        limits=limits_from(headers),
    )


def response_reply(
    body: Any,
    schema: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    request_id: str = "",
    latency: float | None = None,
) -> Reply:
    """OpenAI's Response."""
    response = _object(body)
    parts = [
        part
        for item in _objects(response.get("output"))
        if item.get("type") == "message"
        for part in _objects(item.get("content"))
    ]
    text = "".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text")
    refused = "".join(_text(part.get("refusal")) for part in parts if part.get("type") == "refusal")
    error = _object(response.get("error"))
    tokens = [token for part in parts for token in _tokens(part.get("logprobs"))]
    code = _text(error.get("code"))
    return Reply(
        text=refused or text or _text(error.get("message")),
        stop_reason=REFUSAL if refused else _response_stop(response, code),
        served_model=_text(response.get("model")),
        request_id=request_id,
        usage=_openai_usage(_object(response.get("usage")), "input", "output"),
        refusal=code if code in REFUSED_PROMPTS else "",
        latency=latency,
        probabilities=enum_probabilities(text, tokens, schema),
        limits=limits_from(headers),
    )


def refused_prompt(failure: Failure, model: str) -> Reply | None:
    """What OpenAI says of a prompt it turns down with an error: an answer of its kind, and free. Else None."""
    if failure.code not in REFUSED_PROMPTS:
        return None
    return Reply(str(failure), FILTERED, model, failure.request_id, NOTHING, refusal=failure.code)


def _response_stop(response: Mapping[str, Any], code: str) -> str:
    if code:
        return FILTERED if code in REFUSED_PROMPTS else code
    incomplete = _text(_object(response.get("incomplete_details")).get("reason"))
    return incomplete or _text(response.get("status"))


def _message_usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic's kinds of input do not overlap. Without a breakdown a cache write counts as the ordinary one."""
    written = _count(usage.get("cache_creation_input_tokens")) or 0
    hour = _count(_object(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")) or 0
    return Usage(
        input=_count(usage.get("input_tokens")),
        output=_count(usage.get("output_tokens")),
        cache_read=_count(usage.get("cache_read_input_tokens")) or 0,
        cache_write=max(0, written - hour),
        cache_write_1h=min(hour, written) if written else hour,
    )


def _openai_usage(usage: Mapping[str, Any], sent: str, received: str) -> Usage:
    """OpenAI's input holds what was read from the cache and written to it; ours does not."""
    whole = _count(usage.get(f"{sent}_tokens"))
    details = _object(usage.get(f"{sent}_tokens_details"))
    read = min(_count(details.get("cached_tokens")) or 0, whole or 0)
    written = min(_count(details.get("cache_write_tokens")) or 0, (whole or 0) - read)
    return Usage(
        input=None if whole is None else whole - read - written,
        output=_count(usage.get(f"{received}_tokens")),
        cache_read=read,
        cache_write=written,
    )


def _tokens(given: Any) -> list[Token]:
    return [
        Token(
            _text(token.get("token")),
            [
                (_text(top.get("token")), float(top["logprob"]))
                for top in _objects(token.get("top_logprobs"))
                if isinstance(top.get("logprob"), int | float)
            ],
        )
        for token in _objects(given)
    ]


def _is_text(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, Sequence) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None
