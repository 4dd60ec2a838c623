"""Bodies, headers and errors of providers are read whatever is in them, and nothing that was paid for is lost."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.providers import failures
from judges.core.providers.failures import Failure, failure_from
from judges.core.providers.limits import Limit, limits_from, retry_after_from
from judges.core.providers.probabilities import Token, enum_probabilities, expected_level
from judges.core.providers.reading import chat_reply, message_reply, response_reply
from judges.core.usage import Usage

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "properties": {
        "rationale": {"type": "string"},
        "verdict": {"type": "string", "enum": ["A", "B", "tie"]},
        "scores": {
            "type": "object",
            "properties": {
                "A": {"type": "object", "properties": {"Tone": {"type": "integer", "enum": [1, 2, 10]}}}
            },
        },
    },
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
BODIES = {
    "message": {
        "content": [{"type": "text", "text": "{}"}],
        "model": "m",
        "stop_reason": "refusal",
        "stop_details": {"category": "bio"},
        "usage": {"input_tokens": 1, "output_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 3}},
    },
    "chat": {
        "choices": [
            {
                "finish_reason": "stop",
                "message": {"content": '{"verdict": "A"}', "refusal": None},
                "logprobs": {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": -0.1}]}]},
            }
        ],
        "model": "m",
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
    },
    "response": {
        "status": "completed",
        "error": {"code": "bio_policy", "message": "no"},
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "x", "logprobs": []}]}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
    },
}


def readers():
    yield lambda body: message_reply(body, {})
    yield lambda body: chat_reply(body, SCHEMA, {})
    yield lambda body: response_reply(body, SCHEMA, {})


@st.composite
def spoiled(draw):
    """A body that is right but for one place, where anything stands, or nothing."""
    body = json.loads(json.dumps(BODIES[draw(st.sampled_from(sorted(BODIES)))]))
    node = body
    while True:
        key = draw(st.sampled_from(sorted(node)) if isinstance(node, dict) else st.integers(0, len(node) - 1))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            node[key] = draw(anything)
            return body
        node = inner


@given(anything | spoiled())
def test_whatever_a_server_sends_is_a_reply_with_counts_that_can_be_stored(body):
    for read in readers():
        reply = read(body)
        assert isinstance(reply.text, str)
        assert all(count is None or 0 <= count < 2**31 for count in reply.usage)
        for options in reply.probabilities.values():
            assert sum(options.values()) == pytest.approx(1.0)


counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts, st.booleans())
def test_anthropics_kinds_of_tokens_add_up(fresh, read, written, hour, breakdown):
    hour = min(hour, written)
    usage = {
        "input_tokens": fresh,
        "output_tokens": 5,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }
    if breakdown:
        usage["cache_creation"] = {
            "ephemeral_5m_input_tokens": written - hour,
            "ephemeral_1h_input_tokens": hour,
        }
    found = message_reply({"usage": usage}, {}).usage
    assert found.prompt == fresh + read + written
    assert found.cache_write_1h == (hour if breakdown else 0)


@given(counts, counts, counts)
def test_openais_kinds_of_tokens_add_up_to_its_whole(whole, read, written):
    details = {"cached_tokens": read, "cache_write_tokens": written}
    chat = {"usage": {"prompt_tokens": whole, "completion_tokens": 1, "prompt_tokens_details": details}}
    response = {"usage": {"input_tokens": whole, "output_tokens": 1, "input_tokens_details": details}}
    for usage in (chat_reply(chat, {}, {}).usage, response_reply(response, {}, {}).usage):
        assert usage.prompt == whole
        assert min(usage) >= 0


def test_usage_that_was_not_said_is_unknown_and_not_zero():
    assert message_reply({}, {}).usage == chat_reply({}, {}, {}).usage == Usage(None, None)
    assert Usage(None, 3).prompt is None


def test_thinking_is_no_part_of_the_reply():
    blocks = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "{"},
        {"type": "text", "text": "}"},
    ]
    assert message_reply({"content": blocks}, {}).text == "{}"
    reasoning = [{"type": "reasoning", "content": [{"type": "output_text", "text": "Hm."}]}]
    output = [*reasoning, {"type": "message", "content": [{"type": "output_text", "text": "{}"}]}]
    assert response_reply({"output": output}, {}, {}).text == "{}"


@pytest.mark.parametrize(
    ("body", "stop", "refusal"),
    [
        (
            {"status": "failed", "error": {"code": "bio_policy", "message": "no"}},
            "content_filter",
            "bio_policy",
        ),
        ({"status": "failed", "error": {"code": "server_error", "message": "no"}}, "server_error", ""),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter", ""),
        ({"status": "completed"}, "completed", ""),
    ],
)
def test_why_a_response_stopped_is_told_in_the_providers_words(body, stop, refusal):
    reply = response_reply(body, {}, {})
    assert (reply.stop_reason, reply.refusal) == (stop, refusal)


# Errors


@given(anything, st.none() | st.integers(100, 599))
def test_whatever_an_error_holds_it_is_one_of_the_failures(body, status):
    failure = failure_from(body, status=status)
    assert isinstance(failure, Failure)
    assert type(failure) is not Failure
    assert str(failure)


@given(st.text(max_size=20), st.integers(400, 599))
def test_no_error_repeats_the_key(around, status):
    secret = "sk-0123456789"
    body = {"error": {"message": f"{around}{secret}{around}{secret}", "code": "x"}}
    failure = failure_from(body, status=status, request_id=secret, secret=secret)
    assert secret not in f"{failure} {failure.request_id} {failure.code}"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"type": "rate_limit_error"}, failures.RateLimited),
        (429, {"code": "insufficient_quota"}, failures.OutOfCredit),
        (
            400,
            {"type": "invalid_request_error", "message": "Your credit balance is too low."},
            failures.OutOfCredit,
        ),
        (429, {"details": {"error_code": "enforced_spend_limit_reached"}}, failures.OutOfCredit),
        (400, {"code": "context_length_exceeded"}, failures.TooLarge),
        (400, {"message": "This model's maximum context length is 8"}, failures.TooLarge),
        (418, {}, failures.Rejected),
        (599, {}, failures.OutcomeUnknown),
        (408, {}, failures.OutcomeUnknown),
        (None, {"type": "overloaded_error"}, failures.Overloaded),
        (None, {"type": "invalid_request_error"}, failures.Rejected),
        (None, {"type": "something_new"}, failures.ServerFailed),
    ],
)
def test_an_error_is_told_by_its_words_and_its_status(status, error, kind):
    assert type(failure_from({"error": error}, status=status)) is kind
    assert type(failure_from({"type": "error", "error": {"error": error}}, status=status)) is kind


def test_a_failure_says_what_may_be_done_about_it():
    every = [kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Failure)]
    assert {kind.__name__ for kind in every if kind.may_be_billed} == {"OutcomeUnknown"}
    assert {kind.__name__ for kind in every if kind.stops_all} == {"NotAuthorized", "OutOfCredit", "NotFound"}
    assert not any(kind.retry and kind.stops_all for kind in every)
    assert len({kind.kind for kind in every}) == len(every)


def test_a_long_message_is_cut():
    assert len(str(failure_from({"error": {"message": "x" * 10_000}}, status=400))) == 500


def test_a_server_of_another_kind_is_understood_too():
    assert str(failure_from({"detail": "no such route"}, status=404)) == "no such route"
    assert str(failure_from("plain text", status=400)) == "plain text"
    assert str(failure_from(None, status=400)) == "The server answered 400 and gave no reason."


# Limits


def test_anthropics_limits_are_read():
    headers = {
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:30Z",
        "anthropic-ratelimit-output-tokens-limit": "80000",
        "anthropic-ratelimit-output-tokens-remaining": "0",
    }
    assert limits_from(headers, NOW) == (
        Limit("requests", 1000, 999, 30.0),
        Limit("output-tokens", 80_000, 0, None),
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("soon", None), ("", None)]
)
def test_openais_limits_are_read(text, seconds):
    headers = {
        "x-ratelimit-limit-tokens": "50",
        "x-ratelimit-remaining-tokens": "7",
        "x-ratelimit-reset-tokens": text,
    }
    assert limits_from(headers, NOW) == (Limit("tokens", 50, 7, seconds),)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "retry-after",
                "retry-after-ms",
            ]
        ),
        st.text(max_size=12),
    )
)
def test_headers_that_make_no_sense_are_as_if_they_were_not_there(headers):
    assert all(limit.limit >= 0 and limit.remaining >= 0 for limit in limits_from(headers))
    wait = retry_after_from(headers)
    assert wait is None or (wait >= 0 and math.isfinite(wait))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"}, 60.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_is_asked_for_is_read_in_each_of_its_forms(headers, seconds):
    assert retry_after_from(headers, NOW.timestamp()) == seconds


# Probabilities


def tokens(*pieces):
    """Pieces of text; a pair is one with its alternatives as probabilities."""
    return [
        Token(piece[0], [(text, math.log(share)) for text, share in piece[1].items()])
        if isinstance(piece, tuple)
        else Token(piece, [(piece, 0.0)])
        for piece in pieces
    ]


def probabilities(*pieces, schema=SCHEMA):
    made = tokens(*pieces)
    return enum_probabilities("".join(token.text for token in made), made, schema)


def test_the_shares_of_an_enum_are_those_of_its_options_among_each_other():
    found = probabilities('{"verdict": "', ("A", {"A": 0.6, "B": 0.2, "C": 0.2}), '"}')
    assert found == {"/verdict": {"A": pytest.approx(0.75), "B": pytest.approx(0.25), "tie": 0.0}}


def test_a_token_may_hold_what_stands_before_a_value():
    found = probabilities('{"verdict":', (' "A', {' "A': 0.5, ' "tie': 0.25, ' "t': 0.25}), '"}')
    assert found["/verdict"] == {"A": pytest.approx(0.5), "B": 0.0, "tie": pytest.approx(0.5)}


def test_a_level_that_another_begins_with_is_told_apart_by_the_whole_token():
    found = probabilities('{"scores": {"A": {"Tone":', (" 10", {" 10": 0.7, " 1": 0.2, " 2": 0.1}), "}}}")
    assert found["/scores/A/Tone"] == {
        "1": pytest.approx(0.2),
        "2": pytest.approx(0.1),
        "10": pytest.approx(0.7),
    }


def test_an_alternative_that_could_begin_two_options_leaves_the_place_out():
    schema = {"type": "object", "properties": {"v": {"enum": ["pass", "past"]}}}
    assert probabilities('{"v": "', ("pass", {"pass": 0.5, "pa": 0.5}), '"}', schema=schema) == {}


def test_a_text_that_looks_like_a_verdict_is_not_taken_for_it():
    found = probabilities(
        '{"rationale": "',
        ("A", {"A": 1.0}),
        ' \\"verdict\\": B", "verdict": "',
        ("B", {"B": 0.9, "A": 0.1}),
        '"}',
    )
    assert found == {"/verdict": {"A": pytest.approx(0.1), "B": pytest.approx(0.9), "tie": 0.0}}


@pytest.mark.parametrize("pieces", [(), ("{",), ("[1]",), ('{"verdict": ', '"A"}}'), ("null",)])
def test_where_there_is_nothing_to_read_there_are_no_probabilities(pieces):
    assert probabilities(*pieces) == {}


def test_tokens_that_are_not_those_of_the_text_are_not_used():
    assert enum_probabilities('{"verdict": "A"}', tokens('{"verdict": "', "B", '"}'), SCHEMA) == {}


@given(anything, st.randoms(use_true_random=False))
def test_any_reply_in_any_tokens_is_read_without_an_error(value, random):
    text, pieces = json.dumps({"verdict": "A", "scores": value}), []
    while text:
        cut = random.randint(1, len(text))
        pieces.append(text[:cut])
        text = text[cut:]
    for options in probabilities(*pieces).values():
        assert sum(options.values()) == pytest.approx(1.0)


def test_an_expected_level_lies_between_two():
    assert expected_level({"4": 0.5, "5": 0.5}) == 4.5
    assert expected_level({"A": 1.0}) is None
    assert expected_level({}) is None
