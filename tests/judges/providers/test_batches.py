"""Batches of both providers: handed in, waited for, read in any order, and found again by what is in them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from judges.core.providers import Failure, Reply, failures
from judges.core.verdict import read_verdict

from .conftest import CRITERIA

NAMES = ("anthropic", "openai")
DAY = 86_400


@pytest.fixture
def run(opened):
    """Something done with an open provider."""

    def perform(name, work, **chosen):
        async def performed():
            async with opened(name, **chosen) as provider:
                return await work(provider)

        return asyncio.run(performed())

    return perform


@pytest.fixture
def requests_of(make_request):
    def make(name, count, **more):
        made = [make_request(name, f"Question {number}?", **more) for number in range(count)]
        return {request.sha256(): request for request in made}

    return make


async def outcomes(provider, batch, **more):
    return {custom_id: outcome async for custom_id, outcome in provider.results(batch.id, **more)}


@pytest.mark.parametrize("name", NAMES)
def test_every_request_of_a_batch_has_a_result_in_whatever_order(fake_api, run, requests_of, name):
    requests = requests_of(name, 20)

    async def work(provider):
        batch = await provider.submit(requests)
        assert (batch.ended, batch.total) == (False, 20)
        batch = await provider.poll(batch.id)
        assert (batch.ended, batch.failed) == (True, "")
        return [result async for result in provider.results(batch.id)]

    results = run(name, work)
    assert [result.custom_id for result in results] != list(requests)
    assert {result.custom_id for result in results} == set(requests)
    for custom_id, reply in results:
        verdict = read_verdict(requests[custom_id], reply.text, reply.stop_reason)
        assert verdict.ranking == (1, 2)
        assert reply.usage.prompt > 0
        assert (reply.latency, reply.served_model) == (None, requests[custom_id].model)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_billed_at_half_and_as_the_same_requests_as_alone(fake_api, run, requests_of, name):
    requests = requests_of(name, 3)

    async def work(provider):
        for request in requests.values():
            await provider.ask(request)
        alone = fake_api.bill()
        batch = await provider.submit(requests)
        await provider.poll(batch.id)
        return alone

    # In a batch Anthropic is asked to keep the prompt's beginning for an hour; the same is asked here alone.
    chosen = {"cache": "1h"} if name == "anthropic" else {}
    alone, both = run(name, work, **chosen), fake_api.bill()
    assert float(both["dollars"]) == pytest.approx(1.5 * float(alone["dollars"]))
    assert (both["distinct"], both["paid_twice"]) == (3, 3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("server_error", failures.ServerFailed),
        ("overloaded", failures.Overloaded),
        ("bad_request", failures.Rejected),
        ("too_long", failures.TooLarge),
        ("expired", failures.Expired),
        ("canceled", failures.Canceled),
    ],
)
def test_a_request_that_failed_in_a_batch_has_its_reason_and_was_not_billed(
    fake_api, run, requests_of, name, fault, kind
):
    fake_api.script({"name": fault, "skip": 2})
    requests = requests_of(name, 4)

    async def work(provider):
        batch = await provider.submit(requests)
        return await outcomes(provider, await provider.poll(batch.id))

    found = run(name, work)
    failed = [outcome for outcome in found.values() if isinstance(outcome, Failure)]
    assert [type(outcome) for outcome in failed] == [kind]
    assert not failed[0].may_be_billed
    assert fake_api.bill()["requests"] == 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["refusal", "max_tokens", "wrong_schema"])
def test_a_strange_reply_in_a_batch_is_a_reply(fake_api, run, requests_of, name, fault):
    fake_api.script(fault)

    async def work(provider):
        batch = await provider.submit(requests_of(name, 2))
        return await outcomes(provider, await provider.poll(batch.id))

    assert all(isinstance(outcome, Reply) for outcome in run(name, work).values())
    assert fake_api.bill()["requests"] == 2


def test_a_prompt_that_openai_turns_down_in_a_batch_is_a_refusal(fake_api, run, requests_of):
    fake_api.script("refused_prompt")

    async def work(provider):
        batch = await provider.submit(requests_of("openai", 1))
        return await outcomes(provider, await provider.poll(batch.id))

    (reply,) = run("openai", work).values()
    assert (reply.stop_reason, reply.refusal) == ("content_filter", "bio_policy")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_takes_its_time_and_can_be_cancelled_on_the_way(fake_api, run, requests_of, name):
    fake_api.set(batch_seconds=1000)

    async def work(provider):
        batch = await provider.submit(requests_of(name, 10))
        fake_api.advance(450)
        assert not (await provider.poll(batch.id)).ended
        batch = await provider.cancel(batch.id)
        assert not batch.ended
        batch = await provider.poll(batch.id)
        assert batch.ended
        return await outcomes(provider, batch)

    found = list(run(name, work).values())
    assert sum(isinstance(outcome, Reply) for outcome in found) == 4
    assert sum(isinstance(outcome, failures.Canceled) for outcome in found) == 6
    assert fake_api.bill()["requests"] == 4


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_done_after_a_day_has_expired(fake_api, run, requests_of, name):
    fake_api.set(batch_seconds=2 * DAY)

    async def work(provider):
        batch = await provider.submit(requests_of(name, 10))
        assert abs(batch.expires_at - batch.created_at - timedelta(days=1)) < timedelta(seconds=2)
        fake_api.advance(DAY + 1)
        batch = await provider.poll(batch.id)
        assert batch.ended
        return await outcomes(provider, batch)

    found = list(run(name, work).values())
    assert sum(isinstance(outcome, Reply) for outcome in found) == 5
    assert sum(isinstance(outcome, failures.Expired) for outcome in found) == 5


@pytest.mark.parametrize(
    ("name", "known_at_once", "tag"), [("anthropic", False, ""), ("openai", True, "run-7")]
)
def test_a_batch_is_found_again_by_what_is_in_it(fake_api, run, requests_of, name, known_at_once, tag):
    fake_api.set(batch_seconds=10)
    requests = requests_of(name, 3)

    async def work(provider):
        before = datetime.now(UTC) - timedelta(minutes=1)
        await provider.submit(requests, tag="run-7")
        (found,) = [batch async for batch in provider.batches(since=before)]
        assert (found.tag, found.total, found.ended) == (tag, 3, False)
        assert await provider.custom_ids(found) == (frozenset(requests) if known_at_once else None)
        fake_api.advance(10)
        (found,) = [batch async for batch in provider.batches(since=before)]
        return found.ended, await provider.custom_ids(found)

    assert run(name, work) == (True, frozenset(requests))


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_listed_newest_first_over_all_pages_and_back_to_a_time(
    fake_api, run, requests_of, monkeypatch, name
):
    monkeypatch.setattr(f"judges.core.providers.{name}.PAGE", 2)
    requests = requests_of(name, 1)

    async def work(provider):
        made = [(await provider.submit(requests)).id for _ in range(3)]
        fake_api.advance(3600)
        made += [(await provider.submit(requests)).id for _ in range(3)]
        everything = [batch.id async for batch in provider.batches()]
        lately = datetime.now(UTC) + timedelta(minutes=30)
        return made, everything, [batch.id async for batch in provider.batches(since=lately)]

    made, everything, recent = run(name, work)
    assert everything == made[::-1]
    assert recent == made[:2:-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_whose_answer_is_lost_is_there_and_may_be_billed(fake_api, run, requests_of, name):
    endpoint = "batches.create" if name == "openai" else "message_batches.create"
    fake_api.script({"name": "reset_after", "endpoint": endpoint})

    async def work(provider):
        with pytest.raises(failures.OutcomeUnknown):
            await provider.submit(requests_of(name, 2))
        return [batch async for batch in provider.batches()]

    assert [batch.total for batch in run(name, work)] == [2]


def test_a_file_that_was_not_taken_leaves_no_batch(fake_api, run, requests_of):
    fake_api.script({"name": "reset_after", "endpoint": "files.create"})

    async def work(provider):
        with pytest.raises(failures.OutcomeUnknown):
            await provider.submit(requests_of("openai", 2))
        return [batch async for batch in provider.batches()]

    assert run("openai", work) == []


@pytest.mark.parametrize("name", NAMES)
def test_results_that_break_off_are_read_up_to_there(fake_api, run, requests_of, name):
    endpoint = "files.content" if name == "openai" else "message_batches.results"
    fake_api.script({"name": "cut_body", "endpoint": endpoint})
    requests = requests_of(name, 20)

    async def work(provider):
        batch = await provider.submit(requests)
        await provider.poll(batch.id)
        read = []

        async def read_on():
            async for result in provider.results(batch.id):
                read.append(result.custom_id)

        with pytest.raises(failures.OutcomeUnknown):
            await read_on()
        return read, await outcomes(provider, batch)

    read, again = run(name, work)
    assert len(set(read)) == len(read) < 20
    assert set(again) == set(requests)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_that_does_not_exist_is_a_typed_failure(run, name):
    prefix = "batch" if name == "openai" else "msgbatch"

    async def work(provider):
        for ask in (provider.poll, provider.cancel):
            with pytest.raises(failures.NotFound):
                await ask(f"{prefix}_nowhere")

    run(name, work)


@pytest.mark.parametrize("chosen", [{}, {"api": "responses"}])
def test_probabilities_are_read_in_a_batch_where_the_request_is_known(run, requests_of, chosen):
    requests = requests_of("openai", 2, criteria=CRITERIA)
    first = next(iter(requests))

    async def work(provider):
        batch = await provider.submit(requests)
        await provider.poll(batch.id)
        return await outcomes(provider, batch, requests={first: requests[first]})

    found = run("openai", work, logprobs=True, **chosen)
    assert [bool(found[custom_id].probabilities) for custom_id in requests] == [True, False]


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_of_a_request_in_a_batch_are_known_beforehand(fake_api, run, requests_of, name):
    requests = requests_of(name, 50)

    async def work(provider):
        assert provider.most_requests >= 50_000
        return sum(provider.batch_size(*each) for each in requests.items())

    assert 50_000 < run(name, work) < 200_000
