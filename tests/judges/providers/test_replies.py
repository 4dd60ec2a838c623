"""What comes back over real connections: text, stop reason, refusal, usage by kind, probabilities and limits."""

import asyncio
from datetime import date
from decimal import Decimal

import pytest

from judges.core.prices import price_table
from judges.core.providers.probabilities import expected_level
from judges.core.usage import NOTHING, Usage
from judges.core.verdict import REFUSED, read_verdict

from .conftest import CRITERIA, LONG

DAY = date(2026, 11, 21)
EACH = [("anthropic", {}), ("openai", {}), ("openai", {"api": "responses"})]


@pytest.mark.parametrize(("name", "chosen"), EACH)
@pytest.mark.parametrize(("shown", "ranking"), [((0, 1), (1, 2)), ((1, 0), (1, 2))])
def test_a_reply_holds_what_is_stored(ask, make_request, name, chosen, shown, ranking):
    request = make_request(name, criteria=CRITERIA, shown=shown)
    reply = ask(name, request, **chosen)
    assert read_verdict(request, reply.text, reply.stop_reason).ranking == ranking
    assert read_verdict(request, reply.text, reply.stop_reason).scores[("Clarity", 0)] == 5
    assert reply.served_model == request.model
    assert reply.request_id.startswith("req_")
    assert reply.usage.prompt > 60
    assert reply.usage.output > 10
    assert reply.latency > 0


@pytest.mark.parametrize(("name", "chosen"), EACH)
def test_the_server_bills_what_the_usage_says_and_the_price_table_makes_of_it(
    fake_api, opened, make_request, name, chosen
):
    async def asked():
        async with opened(name, **chosen) as provider:
            return [await provider.ask(make_request(name, f"{n}?", rubric=LONG)) for n in range(3)]

    usages = [reply.usage for reply in asyncio.run(asked())]
    assert usages[0].cache_write > 1024
    assert usages[1].cache_read == usages[2].cache_read == usages[0].cache_write
    assert usages[1].cache_write == 0
    bill, table = fake_api.bill(), price_table()
    assert bill["tokens"] == {kind: sum(getattr(usage, kind) for usage in usages) for kind in Usage._fields}
    costs = [table.cost(usage, model=make_request(name).model, on=DAY) for usage in usages]
    assert sum(costs) - Decimal("0.000003") <= Decimal(bill["dollars"]) <= sum(costs)


def test_an_hours_cache_is_written_as_such_and_lasts_that_long(fake_api, ask, make_request):
    first = ask("anthropic", make_request(rubric=LONG), cache="1h").usage
    assert first.cache_write_1h > 1024
    assert first.cache_write == 0
    fake_api.advance(3000)
    assert ask("anthropic", make_request(question="Then?", rubric=LONG), cache="1h").usage.cache_read > 1024


def test_a_cache_of_five_minutes_is_gone_after_six(fake_api, ask, make_request):
    ask("anthropic", make_request(rubric=LONG))
    fake_api.advance(360)
    assert ask("anthropic", make_request(question="Then?", rubric=LONG)).usage.cache_read == 0


def test_without_a_cache_nothing_is_written_to_it(ask, make_request):
    usage = ask("anthropic", make_request(rubric=LONG), cache="off").usage
    assert (usage.cache_write, usage.cache_write_1h, usage.cache_read) == (0, 0, 0)


@pytest.mark.parametrize("category", ["frontier_llm", "bio", None])
def test_anthropics_refusal_is_shown_with_its_category(fake_api, ask, make_request, category):
    fake_api.script({"name": "refusal", "category": category})
    reply = ask("anthropic")
    assert (reply.stop_reason, reply.refusal, reply.text) == ("refusal", category or "", "")
    assert read_verdict(make_request(), reply.text, reply.stop_reason).outcome == REFUSED
    assert reply.usage.prompt > 0


@pytest.mark.parametrize("chosen", [{}, {"api": "responses"}])
@pytest.mark.parametrize(("fault", "stop"), [("refusal", "refusal"), ("content_filter", "content_filter")])
def test_openais_refusals_are_no_verdicts(fake_api, ask, make_request, chosen, fault, stop):
    fake_api.script(fault)
    reply = ask("openai", **chosen)
    assert reply.stop_reason == stop
    assert ("sorry" in reply.text) == (fault == "refusal")
    assert read_verdict(make_request("openai"), reply.text, reply.stop_reason).outcome == REFUSED


def test_a_prompt_that_openai_turns_down_is_a_refusal_with_its_code_and_free(fake_api, ask):
    fake_api.script("refused_prompt")
    reply = ask("openai")
    assert (reply.stop_reason, reply.refusal, reply.usage) == ("content_filter", "bio_policy", NOTHING)
    assert reply.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("name", "chosen", "stop"),
    [
        ("anthropic", {}, "max_tokens"),
        ("openai", {}, "length"),
        ("openai", {"api": "responses"}, "max_output_tokens"),
    ],
)
def test_a_reply_that_is_cut_short_says_so_in_the_providers_words(ask, name, chosen, stop):
    assert ask(name, max_tokens=5, **chosen).stop_reason == stop


@pytest.mark.parametrize("chosen", [{}, {"api": "responses"}])
def test_scores_are_weighted_by_how_likely_each_level_was(ask, make_request, chosen):
    request = make_request("openai", criteria=CRITERIA)
    reply = ask("openai", request, logprobs=True, **chosen)
    good, bad = request.ids
    assert reply.probabilities["/verdict"] == pytest.approx({good: 0.9, bad: 0.05, "tie": 0.05})
    scores = {f"/scores/{label}/{name}" for label in request.ids for name in ("Clarity", "Tone")}
    assert set(reply.probabilities) == {"/verdict", *scores}
    assert expected_level(reply.probabilities[f"/scores/{good}/Clarity"]) == pytest.approx(
        0.9 * 5 + 0.025 * 10
    )


def test_without_logprobs_there_are_no_probabilities(ask, make_request):
    assert ask("openai", make_request("openai", criteria=CRITERIA)).probabilities == {}


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_what_is_left_of_a_limit_is_read_from_every_reply(fake_api, ask, name):
    fake_api.set(requests_per_minute=1000, input_tokens_per_minute=100_000)
    limits = {limit.kind: limit for limit in ask(name).limits}
    assert (limits["requests"].limit, limits["requests"].remaining) == (1000, 999)
    assert 0 <= limits["requests"].resets_in < 60
    assert limits["tokens" if name == "openai" else "input-tokens"].remaining < 100_000


def test_anthropics_count_is_exact_and_free(fake_api, opened, make_request):
    async def asked():
        async with opened("anthropic") as provider:
            request = make_request(rubric=LONG)
            return (
                await provider.count_tokens(request),
                fake_api.bill()["requests"],
                await provider.ask(request),
            )

    count, billed, reply = asyncio.run(asked())
    assert (count.tokens, count.exact) == (reply.usage.prompt, True)
    assert billed == 0


def test_openais_count_is_a_guess_that_errs_to_the_dear_side_and_says_so(fake_api, opened, make_request):
    async def asked():
        async with opened("openai") as provider:
            request = make_request("openai", rubric=LONG)
            return await provider.count_tokens(request), await provider.ask(request)

    count, reply = asyncio.run(asked())
    assert not count.exact
    assert reply.usage.prompt <= count.tokens <= 2 * reply.usage.prompt
    assert fake_api.state()["requests_seen"] == 1


def test_hundreds_of_calls_are_in_flight_at_once(fake_api, opened, make_request):
    fake_api.set(together=200)

    async def asked():
        async with opened("anthropic") as provider:
            return await asyncio.gather(*(provider.ask(make_request(question=f"{n}?")) for n in range(200)))

    assert len(asyncio.run(asked())) == 200
    assert (fake_api.bill()["requests"], fake_api.bill()["paid_twice"]) == (200, 0)
