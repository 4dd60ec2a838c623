"""Requests leave as quickly as the limits allow and no quicker; what a server says slows them down for a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.pacing import FIRST_WAIT, LONGEST_WAIT, RECOVERY_SECONDS, SHARE, Pacer
from judges.core.providers.limits import Limit
from tests.fake_api.world import Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def send(pacer: Pacer, clock: Clock, tokens: float = 10.0) -> float:
    """Wait for the pacer's leave, and go; the time of it."""
    for _ in range(100):
        if (wait := pacer.wait(tokens)) <= 0:
            break
        clock.now += wait
    pacer.take(tokens)
    return clock.now


@given(st.integers(30, 20_000), st.integers(100, 400))
def test_nearly_all_of_a_limit_is_used_and_never_more(per_minute, count):
    clock = Clock()
    pacer, server = Pacer({"requests": per_minute}, clock), Bucket(per_minute, 0.02, clock.now)
    began = clock.now
    for _ in range(count):
        send(pacer, clock)
        server.refill(clock.now)
        assert server.wait(1.0) < 1e-6
        server.take(1.0)
    held = max(1.0, per_minute * SHARE / 60)
    assert clock.now - began <= max(0.0, count - held) * 60 / (per_minute * 0.98) + 1e-6


@given(st.integers(1000, 100_000), st.lists(st.integers(1, 5000), min_size=20, max_size=100))
def test_tokens_are_paced_even_where_a_prompt_is_larger_than_a_seconds_worth(per_minute, sizes):
    clock = Clock()
    pacer = Pacer({"input-tokens": per_minute}, clock)
    began = clock.now
    for size in sizes:
        send(pacer, clock, size)
    # What has gone is at most what has come, with one second's worth and the last prompt.
    assert sum(sizes[:-1]) <= (clock.now - began + 1.0) * per_minute / 60 + max(sizes)


def test_without_a_limit_nothing_waits():
    pacer = Pacer({}, Clock())
    assert all(pacer.wait(1e6) == 0 for _ in range(100))


def test_a_limit_is_learnt_and_that_of_the_settings_stands():
    clock = Clock()
    pacer = Pacer({"tokens": 100}, clock)
    pacer.learn(
        [Limit("requests", 60, 59, 1.0), Limit("tokens", 1_000_000, 0, None), Limit("odd", 1, 1, None)]
    )
    send(pacer, clock, 0)
    assert pacer.wait(0) > 0.9
    before = clock.now
    for _ in range(10):
        send(pacer, clock, 20)
    assert clock.now - before > 60


def test_tokens_that_a_server_does_not_count_are_not_waited_for():
    clock = Clock()
    pacer = Pacer({}, clock)
    pacer.learn([Limit("input-tokens", 6000, 6000, 0.0)])
    pacer.take(5000)
    assert pacer.wait(50) > 40
    pacer.learn([Limit("input-tokens", 6000, 5990, 0.0)])
    assert pacer.wait(50) == 0


def test_a_server_that_turns_away_is_left_alone_as_long_as_it_asks_up_to_a_cap():
    clock = Clock()
    pacer = Pacer({"requests": 6000}, clock)
    send(pacer, clock)
    clock.now += 1
    pacer.turned_away(retry_after=7.0, sent_at=clock.now)
    assert pacer.wait(1) == pytest.approx(7.0)
    pacer.turned_away(retry_after=3600.0, sent_at=clock.now)
    assert pacer.wait(1) == pytest.approx(LONGEST_WAIT)


def test_without_a_word_the_wait_doubles_until_a_request_gets_through():
    clock = Clock()
    pacer = Pacer({"requests": 6000}, clock)
    waits = []
    for _ in range(4):
        clock.now += 0.001
        sent = send(pacer, clock)
        clock.now += 0.001
        pacer.turned_away(retry_after=None, sent_at=sent)
        waits.append(pacer.wait(1))
    assert waits == pytest.approx([FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT])
    sent = send(pacer, clock)
    pacer.answered(characters=30, prompt=10, output=5, sent_at=sent + 0.001)
    pacer.turned_away(retry_after=None, sent_at=sent + 0.001)
    assert pacer.wait(1) == pytest.approx(FIRST_WAIT)


def test_the_rate_falls_once_for_all_that_were_in_flight_and_comes_back():
    clock = Clock()
    pacer = Pacer({"requests": 6000}, clock)
    sent = clock.now - 1
    for _ in range(50):
        pacer.turned_away(retry_after=0.0, sent_at=sent)
        clock.now += 0.001
    assert pacer.factor == pytest.approx(0.7, abs=0.01)
    clock.now += RECOVERY_SECONDS / 2
    assert pacer.factor == pytest.approx(0.85, abs=0.01)
    clock.now += RECOVERY_SECONDS
    assert pacer.factor == 1.0


def test_where_no_limit_is_known_one_is_found_by_trying():
    clock = Clock()
    pacer = Pacer({}, clock)
    for _ in range(200):
        send(pacer, clock)
        clock.now += 0.05
    pacer.turned_away(retry_after=0.0, sent_at=clock.now)
    began = clock.now
    for _ in range(60):
        send(pacer, clock)
    # Twenty a second were too many: now some fourteen, and a little more each second.
    assert 3.0 < clock.now - began < 5.0
    clock.now += 60
    for _ in range(20):
        send(pacer, clock)
    began = clock.now
    for _ in range(100):
        send(pacer, clock)
    assert clock.now - began < 1.0
    pacer.learn([Limit("requests", 60, 60, 0.0)])
    began = clock.now
    for _ in range(5):
        send(pacer, clock)
    assert clock.now - began > 3


def test_prompts_are_measured_by_those_before():
    clock = Clock()
    pacer = Pacer({"tokens": 60_000}, clock)
    for _ in range(100):
        pacer.answered(characters=4000, prompt=1000, output=50, sent_at=clock.now)
    assert pacer.expected_tokens(4000) == pytest.approx(1000, rel=0.01)
