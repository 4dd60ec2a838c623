"""What a run will take is known before, near enough to what it takes; what is unknown stays unknown."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from judges.actions.estimates import SAMPLE, estimate_run
from judges.actions.runs import start_judge_run
from judges.models import JudgeCall, RunMode


@pytest.fixture
def priced(make_judge, fake_api, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake_api.url)

    def make(name="paid", **changes):
        return make_judge(
            name,
            **{
                "provider": "anthropic",
                "model": "claude-opus-5-5",
                "settings": {"base_url": fake_api.url, "max_tokens": 500},
            }
            | changes,
        )

    return make


def test_the_prompts_are_counted_and_replies_bounded_by_the_most_there_can_be(
    project, make_comparisons, priced, fake_api, carry_out
):
    make_comparisons(project, 10)
    judge = priced()
    said = estimate_run(judge=judge)
    assert (said.comparisons, said.calls, said.stored, said.sampled) == (10, 20, 0, 10)
    assert (said.exact, said.bound) == (True, True)
    assert said.output_tokens.value == 20 * 500
    assert fake_api.bill()["requests"] == 0
    carry_out(start_judge_run(judge=judge, by=None))
    taken = JudgeCall.objects.aggregate(tokens=Sum("input_tokens"), cost=Sum("cost"))
    assert said.input_tokens.value == taken["tokens"]
    assert said.cost.value > taken["cost"]


def test_earlier_replies_tell_how_long_replies_are(project, make_comparisons, priced, fake_api, carry_out):
    make_comparisons(project, 10)
    judge = priced()
    carry_out(start_judge_run(judge=judge, by=None))
    spent = JudgeCall.objects.aggregate(cost=Sum("cost"))["cost"]
    make_comparisons(project, 10)
    said = estimate_run(judge=judge)
    assert (said.comparisons, said.calls, said.bound) == (10, 20, False)
    assert said.cost.low <= said.cost.value <= said.cost.high
    assert said.cost.value == pytest.approx(float(spent), rel=0.1)


def test_what_is_stored_costs_nothing(project, make_comparisons, priced, fake_api, carry_out):
    make_comparisons(project, 5)
    carry_out(start_judge_run(judge=priced(), by=None))
    said = estimate_run(judge=priced("again"))
    assert (said.calls, said.stored, said.cost.value) == (0, 10, 0)


def test_a_sample_is_scaled_up_with_an_interval(project, make_comparisons, priced, fake_api):
    make_comparisons(project, 3 * SAMPLE)
    said = estimate_run(judge=priced())
    assert (said.sampled, said.calls) == (SAMPLE, 6 * SAMPLE)
    assert said.input_tokens.low < said.input_tokens.value < said.input_tokens.high
    assert said == estimate_run(judge=priced())


def test_batches_cost_half(project, make_comparisons, priced, fake_api):
    make_comparisons(project, 5)
    live, batch = (estimate_run(judge=priced(), mode=mode) for mode in (RunMode.LIVE, RunMode.BATCH))
    assert batch.cost.value == pytest.approx(live.cost.value / 2, rel=0.01)


def test_a_long_beginning_is_reckoned_as_cached(project, make_comparisons, priced, rubric, fake_api):
    make_comparisons(project, 5)
    long = type(rubric).objects.create(
        project=project, name="Long", version=1, instructions="Prefer kindness. " * 400, sha256="0" * 64
    )
    settings = {"base_url": fake_api.url, "max_tokens": 500}
    cached = estimate_run(judge=priced("cached", rubric=long))
    plain = estimate_run(judge=priced("plain", rubric=long, settings=settings | {"cache": "off"}))
    assert cached.input_tokens == plain.input_tokens
    assert cached.cost.value < plain.cost.value


def test_an_unknown_price_is_unknown_and_not_nothing(project, make_comparisons, priced, fake_api):
    make_comparisons(project, 5)
    said = estimate_run(judge=priced(model="our-own"))
    assert said.cost is None
    assert said.unknown == "The price of 'our-own' is not known."
    assert said.as_json()["cost"] is None


def test_a_provider_that_is_away_leaves_a_guess(project, make_comparisons, priced, fake_api):
    make_comparisons(project, 5)
    fake_api.script({"name": "server_error", "endpoint": "count_tokens", "times": None})
    said = estimate_run(judge=priced())
    assert not said.exact
    assert said.input_tokens.value > 0


def test_what_costs_nothing_is_estimated_at_nothing(project, make_comparisons, make_judge):
    make_comparisons(project, 5)
    said = estimate_run(judge=make_judge())
    assert (said.cost.value, said.calls) == (0, 10)


def test_the_limits_of_a_key_tell_how_long_it_takes(project, make_comparisons, priced, fake_api):
    from judges.actions.keys import store_key

    make_comparisons(project, 5)
    store_key(
        project=project,
        provider="anthropic",
        base_url=fake_api.url,
        secret="sk-test-0123456789",
        requests_per_minute=20,
        by=None,
    )
    assert estimate_run(judge=priced()).seconds == 30


def test_the_estimate_is_kept_beside_what_came(project, make_comparisons, priced, fake_api, carry_out):
    make_comparisons(project, 5)
    judge = priced()
    said = estimate_run(judge=judge).as_json()
    run = carry_out(start_judge_run(judge=judge, estimate=said, budget=Decimal(5), by=None))
    assert run.estimate["cost"]["value"] == said["cost"]["value"] >= float(run.spent)
