"""Every way in which asking can go wrong, over real connections: the right failure, asked once, and known if billed."""

import asyncio

import pytest

from judges.core.providers import Failure, failures
from judges.core.verdict import UNPARSEABLE, read_verdict

NAMES = ("anthropic", "openai")
NOT_BILLED = [
    ("rate_limited", failures.RateLimited, 429),
    ("server_error", failures.ServerFailed, 500),
    ("unavailable", failures.Overloaded, 503),
    ("unauthorized", failures.NotAuthorized, 401),
    ("forbidden", failures.NotAuthorized, 403),
    ("out_of_credit", failures.OutOfCredit, 402),
    ("quota", failures.OutOfCredit, 429),
    ("too_large", failures.TooLarge, 413),
    ("too_long", failures.TooLarge, 400),
    ("bad_request", failures.Rejected, 400),
    ("not_found", failures.NotFound, 404),
    ("redirect", failures.Rejected, 307),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fault", "kind", "status"), NOT_BILLED)
def test_an_answer_that_is_no_reply_is_typed_and_was_not_billed(fake_api, ask, name, fault, kind, status):
    fake_api.script(fault)
    with pytest.raises(Failure) as failed:
        ask(name)
    assert type(failed.value) is kind
    assert (failed.value.status, failed.value.may_be_billed) == (status, False)
    assert failed.value.request_id.startswith("req_")
    assert fake_api.bill()["requests"] == 0
    assert fake_api.state()["requests_seen"] == 1


@pytest.mark.parametrize(("name", "status"), [("anthropic", 529), ("openai", 503)])
def test_an_overloaded_provider_is_told_apart(fake_api, ask, name, status):
    fake_api.script("overloaded")
    with pytest.raises(failures.Overloaded) as failed:
        ask(name)
    assert (failed.value.status, failed.value.retry) == (status, True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("given", "told"), [(None, None), (7, 7.0), (86_400, 86_400.0)])
def test_the_wait_that_a_server_asks_for_is_passed_on_as_it_is(fake_api, ask, name, given, told):
    fake_api.script({"name": "rate_limited", "retry_after": given})
    with pytest.raises(failures.RateLimited) as failed:
        ask(name)
    assert failed.value.retry_after == told


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        ("reset_before", 0),
        ("reset_after", 1),
        ("cut_body", 1),
        ("truncated_json", 1),
        ("html", 1),
        ("bad_gateway", 0),
        ("gateway_timeout", 0),
    ],
)
def test_without_a_whole_reply_it_may_have_been_billed(fake_api, ask, name, fault, billed):
    fake_api.script(fault)
    with pytest.raises(failures.OutcomeUnknown) as failed:
        ask(name)
    assert failed.value.may_be_billed
    assert failed.value.retry
    assert (fake_api.bill()["requests"], fake_api.bill()["delivered"]) == (billed, 0)
    assert fake_api.state()["requests_seen"] == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fault", "billed"), [("hang", 0), ("hang_after", 1), ("slow_body", 1)])
def test_a_reply_that_takes_too_long_may_have_been_billed(fake_api, ask, name, fault, billed):
    # The slow body sends a piece now and then, so that no wait for a single piece is too long.
    fake_api.script({"name": fault, "seconds": 600})
    with pytest.raises(failures.OutcomeUnknown, match=r"within 0\.3 seconds"):
        ask(name, seconds=0.3)
    assert fake_api.bill()["requests"] == billed


@pytest.mark.parametrize("name", NAMES)
def test_a_slow_body_that_is_in_time_is_a_reply(fake_api, ask, make_request, name):
    fake_api.script({"name": "slow_body", "seconds": 0.1})
    assert f'"verdict": "{make_request(name).ids[0]}"' in ask(name).text
    assert fake_api.bill()["delivered"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_where_no_connection_is_made_nothing_can_have_been_billed(ask, name, unused_port):
    with pytest.raises(failures.NotSent) as failed:
        ask(name, base_url=f"http://127.0.0.1:{unused_port}/v1")
    assert (failed.value.retry, failed.value.may_be_billed) == (True, False)


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_a_minute_turns_away_what_is_too_much(fake_api, opened, make_request, name):
    fake_api.set(requests_per_minute=3)

    async def asked():
        async with opened(name) as provider:
            return await asyncio.gather(
                *(provider.ask(make_request(name, f"{n}?")) for n in range(5)), return_exceptions=True
            )

    outcomes = asyncio.run(asked())
    turned_away = [outcome for outcome in outcomes if isinstance(outcome, failures.RateLimited)]
    assert len(turned_away) == 2
    assert all(0 < outcome.retry_after <= 20 for outcome in turned_away)
    assert {limit.kind: limit.limit for limit in turned_away[0].limits} == {"requests": 3}
    assert fake_api.bill()["requests"] == 3
    fake_api.advance(20)
    assert ask_again(opened, make_request, name).text


def ask_again(opened, make_request, name):
    async def asked():
        async with opened(name) as provider:
            return await provider.ask(make_request(name, "again?"))

    return asyncio.run(asked())


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_on_tokens_counts_tokens(fake_api, ask, make_request, name):
    fake_api.set(input_tokens_per_minute=500)
    assert ask(name).limits[0].kind in ("input-tokens", "tokens")
    with pytest.raises(failures.RateLimited):
        ask(name, make_request(name, "Because? " * 300))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["wrong_schema", "truncated_reply", "empty", "max_tokens"])
def test_a_reply_that_does_not_fit_is_a_reply_and_is_kept(fake_api, ask, make_request, name, fault):
    fake_api.script(fault)
    request = make_request(name)
    reply = ask(name, request)
    assert reply.usage.prompt > 0
    assert read_verdict(request, reply.text, reply.stop_reason).outcome == UNPARSEABLE


def test_every_fault_of_the_script_is_tried_here(fake_api):
    tried = {name for name, _, _ in NOT_BILLED} | {
        *("overloaded", "reset_before", "reset_after", "cut_body", "truncated_json", "html", "bad_gateway"),
        *("gateway_timeout", "hang", "hang_after", "slow_body", "wrong_schema", "truncated_reply", "empty"),
        *("max_tokens", "refusal", "content_filter", "refused_prompt", "expired", "canceled"),
    }
    from tests.fake_api import faults

    assert tried == faults.BEFORE | faults.WORK | faults.AFTER | faults.BATCH


def test_a_fault_that_is_not_known_is_a_mistake_in_a_test(fake_api):
    with pytest.raises(ValueError, match="no fault is called"):
        fake_api.script("earthquake")
