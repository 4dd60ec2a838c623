"""Ten wrong passwords close the door for one name from one address, whatever stands between."""

import pytest


@pytest.fixture
def try_wrong(client, make_user):
    """Send so many wrong passwords for ana with this X-Forwarded-For; the last answer's status."""
    make_user("ana")

    def send(count: int, forwarded: str) -> int:
        form = {"username": "ana", "password": "wrong"}
        answers = [client.post("/login/", form, headers={"x-forwarded-for": forwarded}) for _ in range(count)]
        return answers[-1].status_code

    return send


def test_behind_a_proxy_each_address_counts_for_itself(try_wrong, settings):
    settings.TRUSTED_PROXIES = 1
    assert try_wrong(9, "10.0.0.1") == 200
    assert try_wrong(9, "10.0.0.2") == 200

    assert try_wrong(1, "10.0.0.2") == 429
    assert try_wrong(1, "10.0.0.3") == 200


def test_what_a_client_writes_into_the_header_itself_does_not_count(try_wrong, settings):
    settings.TRUSTED_PROXIES = 1
    try_wrong(5, "1.2.3.4, 10.0.0.1")
    assert try_wrong(5, "5.6.7.8, 10.0.0.1") == 429

    settings.TRUSTED_PROXIES = 0
    try_wrong(5, "10.0.0.7")
    assert try_wrong(5, "10.0.0.8") == 429
