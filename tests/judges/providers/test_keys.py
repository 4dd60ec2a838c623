"""Keys: shown nowhere, and sent to no server but their own."""

import asyncio
import logging
import pickle
import traceback

import pytest

from judges.core.providers import BadSettings, Failure, Key, failures, provider_for
from judges.core.providers.keys import checked_url
from judges.core.providers.provider import Provider

from .conftest import SECRET

NAMES = ("anthropic", "openai")
VARIABLES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("ANTHROPIC", "OPENAI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)


def url_of(fake_api, name):
    return fake_api.openai_url if name == "openai" else fake_api.url


def one_call(provider: Provider, request):
    async def asked():
        async with provider:
            return await provider.ask(request)

    return asyncio.run(asked())


def everything_said_of(error: BaseException) -> str:
    """What a log, a crash report with local variables, or a stored exception could hold of it."""
    told = (
        "".join(traceback.format_exception(error))
        + repr(vars(error))
        + repr(error.args)
        + repr(pickle.dumps(error.args))
    )
    chained = [other for other in (error.__cause__, error.__context__) if other is not None]
    return told + "".join(map(everything_said_of, chained))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["unauthorized", "server_error", "reset_after", "truncated_json", "html"])
def test_a_key_is_in_no_error_and_no_log(fake_api, make_request, caplog, name, fault):
    # The server of ours repeats the key it was given when it turns it down, as some do.
    fake_api.script({"name": fault, "times": None})
    caplog.set_level(logging.DEBUG)
    url = url_of(fake_api, name)
    provider = provider_for(name, {"base_url": url}, key=Key(SECRET, url))
    with pytest.raises(Failure) as failed:
        one_call(provider, make_request(name))
    assert SECRET not in everything_said_of(failed.value)
    assert failed.value.__context__ is None
    assert SECRET not in caplog.text
    assert SECRET not in repr(provider)
    if fault == "unauthorized":
        assert str(failed.value) == "Wrong API key: [key]."


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_in_no_log_of_a_call_that_goes_well(fake_api, make_request, caplog, name):
    caplog.set_level(logging.DEBUG)
    url = url_of(fake_api, name)
    reply = one_call(provider_for(name, {"base_url": url}, key=Key(SECRET, url)), make_request(name))
    assert SECRET not in caplog.text + repr(reply)


def test_a_key_does_not_show_itself():
    key = Key(SECRET, "https://api.example.com")
    assert SECRET not in f"{key} {key!r} {[key]}"


@pytest.mark.parametrize("name", NAMES)
def test_the_environments_key_goes_to_the_server_that_the_environment_names(
    fake_api, make_request, monkeypatch, name
):
    fake_api.set(keys=[SECRET])
    monkeypatch.setenv(VARIABLES[name], SECRET)
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", url_of(fake_api, name) + "/")
    assert one_call(provider_for(name, {}), make_request(name)).text


@pytest.mark.parametrize("name", NAMES)
def test_the_environments_key_goes_to_no_server_that_a_judge_names(fake_api, make_request, monkeypatch, name):
    fake_api.set(keys=[SECRET])
    monkeypatch.setenv(VARIABLES[name], SECRET)
    with pytest.raises(failures.NotAuthorized, match=r"Wrong API key: none\."):
        one_call(provider_for(name, {"base_url": url_of(fake_api, name)}), make_request(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_key_goes_to_no_server_but_its_own(fake_api, make_request, name):
    fake_api.set(keys=[SECRET])
    elsewhere = Key(SECRET, "https://api.example.com")
    with pytest.raises(failures.NotAuthorized, match=r"Wrong API key: none\."):
        one_call(provider_for(name, {"base_url": url_of(fake_api, name)}, key=elsewhere), make_request(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_not_sent_on_where_the_server_redirects(fake_api, make_request, name):
    target = url_of(fake_api, name) + "/stolen"
    fake_api.script({"name": "redirect", "location": target})
    url = url_of(fake_api, name)
    with pytest.raises(failures.Rejected):
        one_call(provider_for(name, {"base_url": url}, key=Key(SECRET, url)), make_request(name))
    assert fake_api.state()["requests_seen"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_without_a_key_the_providers_own_server_is_not_even_asked(make_request, name):
    with pytest.raises(failures.NotAuthorized, match=f"set {VARIABLES[name]}"):
        one_call(provider_for(name, {}), make_request(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_server_of_ones_own_needs_no_key(fake_api, make_request, name):
    assert one_call(provider_for(name, {"base_url": url_of(fake_api, name)}), make_request(name)).text


@pytest.mark.parametrize(
    "address",
    [
        "",
        7,
        None,
        "localhost:8000",
        "file:///etc/passwd",
        "ftp://example.com",
        "http://",
        "http://user:password@example.com",
        "https://example.com/?key=1",
        "https://example.com/#v1",
        "http://[::1",
        "http://example.com:99999",
        "http://exa mple.com",
        "http://example.com/\n",
        "http://example.com/" + "x" * 500,
    ],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(BadSettings, match="base_url"):
        checked_url(address)


def test_an_address_loses_the_slash_at_its_end():
    assert checked_url("http://localhost:11434/v1/") == "http://localhost:11434/v1"
