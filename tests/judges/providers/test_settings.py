"""The settings of a judge's provider: those that make no sense are refused by name, before anything is asked."""

import asyncio

import pytest

from judges.core.providers import BadSettings, provider_for

GOOD = [
    ("anthropic", {}),
    ("anthropic", {"effort": "xhigh", "max_tokens": 500, "cache": "1h", "timeout_seconds": 60}),
    ("openai", {}),
    ("openai", {"api": "chat", "effort": "minimal", "seed": 0, "temperature": 0, "logprobs": True}),
    ("openai", {"api": "responses", "temperature": 1.5, "max_tokens": 1}),
]
BAD = [
    ("anthropic", {"temperature": 0}, "temperature is not known"),
    ("anthropic", {"effort": "huge"}, "effort must be one of low"),
    ("anthropic", {"effort": ["low"]}, "effort must be one of low"),
    ("anthropic", {"cache": "2h"}, "cache must be one of 5m, 1h, off"),
    ("anthropic", {"max_tokens": 0}, "max_tokens must be a whole number from 1"),
    ("anthropic", {"max_tokens": True}, "max_tokens must be a whole number from 1"),
    ("anthropic", {"max_tokens": 1.5}, "max_tokens must be a whole number from 1"),
    ("anthropic", {"timeout_seconds": 10**9}, "timeout_seconds must be a whole number"),
    ("anthropic", {"base_url": "here"}, "base_url must begin with http"),
    ("anthropic", {"api_key": "sk-1"}, "api_key is not known"),
    ("openai", {"api": "completions"}, "api must be one of chat, responses"),
    ("openai", {"effort": "huge"}, "effort must be one of none"),
    ("openai", {"temperature": 3}, "temperature must be a number from 0 to 2"),
    ("openai", {"temperature": float("nan")}, "temperature must be a number from 0 to 2"),
    ("openai", {"temperature": True}, "temperature must be a number from 0 to 2"),
    ("openai", {"seed": -1}, "seed must be a whole number from 0"),
    ("openai", {"seed": None}, "seed must be a whole number from 0"),
    ("openai", {"seed": 2**31}, "seed must be a whole number from 0"),
    ("openai", {"seed": 1, "api": "responses"}, "seed is not taken by the responses API"),
    ("openai", {"logprobs": 1}, "logprobs must be true or false"),
]


@pytest.mark.parametrize(("name", "chosen"), GOOD)
def test_settings_that_make_sense_make_a_provider_that_is_paid_for(name, chosen):
    assert provider_for(name, chosen).free is False


@pytest.mark.parametrize(("name", "chosen", "told"), BAD)
def test_settings_that_can_not_be_used_are_refused_by_name(name, chosen, told):
    with pytest.raises(BadSettings) as refused:
        provider_for(name, chosen)
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_provider_that_is_not_open_says_so(name, make_request):
    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(provider_for(name, {}).ask(make_request(name)))


def test_a_provider_can_be_opened_again_in_another_loop(ask):
    assert ask("anthropic").text == ask("anthropic").text


@pytest.mark.parametrize(
    ("name", "chosen", "sent"),
    [
        ("anthropic", {"effort": "low"}, '"effort": "low"'),
        ("anthropic", {"max_tokens": 77}, '"max_tokens": 77'),
        ("anthropic", {"cache": "1h"}, '"ttl": "1h"'),
        ("openai", {"effort": "low"}, '"reasoning_effort": "low"'),
        ("openai", {"seed": 41}, '"seed": 41'),
        ("openai", {"temperature": 0.5}, '"temperature": 0.5'),
        ("openai", {"max_tokens": 77}, '"max_tokens": 77'),
        ("openai", {"logprobs": True}, '"top_logprobs": 20'),
        ("openai", {"api": "responses", "effort": "low"}, '"reasoning": {"effort": "low"}'),
        ("openai", {"api": "responses", "max_tokens": 77}, '"max_output_tokens": 77'),
        ("openai", {"api": "responses"}, '"store": false'),
    ],
)
def test_each_setting_arrives_at_the_server(fake_api, ask, name, chosen, sent):
    compact = sent.replace('": ', '":').replace(', "', ',"')
    fake_api.script({"name": "server_error", "contains": compact})
    with pytest.raises(Exception, match="Internal server error"):
        ask(name, **chosen)


def test_each_sample_has_a_seed_of_its_own(fake_api, ask, make_request):
    fake_api.script({"name": "server_error", "contains": '"seed":43'})
    with pytest.raises(Exception, match="Internal server error"):
        ask("openai", make_request("openai", sample=2), seed=41)
