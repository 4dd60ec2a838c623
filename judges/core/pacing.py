"""When the next request may go: as near to the provider's limits as can be, and slower when it says so.

A limit of L a minute is a bucket that fills evenly at L · share / 60 a second and holds one second's worth, so that
requests leave evenly, and a pause of this process of up to a second is made up for. The share is what is left for
inaccuracies of two clocks. What is given is a limit of ours; what a server says in its headers lowers it, or sets it
where none is given. When the server turns a request away, all wait as long as it asks (up to a cap of ours) or
longer each time; then they go on at 0.7 of the rate before, which is back at the full rate within 20 seconds.

The clock (seconds, monotonic) is injected. Nothing here sleeps.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from judges.core.providers.limits import Limit

SHARE = 0.985
HELD_SECONDS = 1.0
SLOWER = 0.7
SLOWEST = 0.05
RECOVERY_SECONDS = 20.0
LONGEST_WAIT = 60.0  # seconds: the cap on what a server may ask for
FIRST_WAIT = 0.5  # seconds, where the server does not say how long; doubled each time
MEASURED = 10.0  # seconds over which the rate is measured where no limit is known
GROWTH = 1.1  # a second: how fast a rate that was found by trying is tried higher
LEAST_GUESS = 300.0  # requests a minute: fewer than these are not what a server turned away
KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
WEIGHT = 0.1  # of the newest value in a running mean


class Bucket:
    """So many a minute. A debt is possible: a request larger than the bucket holds goes when it is full."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self.at = now
        self.level = self.most

    @property
    def most(self) -> float:
        return max(1.0, self.per_minute * SHARE * HELD_SECONDS / 60)

    def refill(self, now: float, factor: float) -> None:
        self.level = min(self.most, self.level + (now - self.at) * self.rate(factor))
        self.at = now

    def rate(self, factor: float) -> float:
        """A second."""
        return self.per_minute * SHARE * factor / 60

    def wait(self, amount: float, factor: float) -> float:
        """Seconds until ``amount`` may go."""
        return max(0.0, (min(amount, self.most) - self.level) / self.rate(factor))


class Pacer:
    """``limits`` maps kinds of KINDS to so many a minute; those missing are learnt, or there are none."""

    def __init__(self, limits: Mapping[str, float], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._given = dict(limits)
        self._buckets = {kind: Bucket(limit, clock()) for kind, limit in limits.items()}
        self._guessed = False  # the limit of requests is one that was found by trying
        self._sent: deque[float] = deque(maxlen=2000)
        self._base, self._resumes_at, self._slowed_at = 1.0, clock(), float("-inf")
        self._in_a_row = 0
        self._characters_a_token, self._output = 3.0, 200.0

    @property
    def factor(self) -> float:
        """The share of the full rate at which requests go now."""
        since = self._clock() - self._resumes_at
        if self._guessed:
            return float(self._base * GROWTH ** max(0.0, since))
        return min(1.0, self._base + (1 - self._base) * max(0.0, since) / RECOVERY_SECONDS)

    def expected_tokens(self, characters: int) -> float:
        """Tokens of a prompt of so many characters, by what earlier prompts had."""
        return characters / self._characters_a_token

    def wait(self, tokens: float) -> float:
        """Seconds until a request with a prompt of so many tokens may go; 0: it may go now, see ``take``."""
        now, factor = self._clock(), self.factor
        if now < self._resumes_at:
            return self._resumes_at - now
        needs = self._needs(tokens)
        for bucket in self._buckets.values():
            bucket.refill(now, factor)
        return max((bucket.wait(needs[kind], factor) for kind, bucket in self._buckets.items()), default=0.0)

    def take(self, tokens: float) -> None:
        """The request goes."""
        needs = self._needs(tokens)
        for kind, bucket in self._buckets.items():
            bucket.level -= needs[kind]
        self._sent.append(self._clock())

    def answered(self, *, characters: int, prompt: int | None, output: int | None, sent_at: float) -> None:
        """What a request turned out to need, against what was taken for it."""
        if sent_at > self._slowed_at:
            self._in_a_row = 0
        expected, expected_output = self.expected_tokens(characters), self._output
        if prompt:
            self._correct(("tokens", "input-tokens"), prompt - expected)
            self._characters_a_token += WEIGHT * (characters / prompt - self._characters_a_token)
        if output is not None:
            self._correct(("tokens", "output-tokens"), output - expected_output)
            self._output += WEIGHT * (output - self._output)

    def learn(self, limits: Iterable[Limit], tokens_in_flight: float = 0.0) -> None:
        """What a server said. More tokens left than we counted are there: it does not count all of them."""
        now = self._clock()
        for said in limits:
            if said.kind not in KINDS or said.limit <= 0:
                continue
            limit = min(said.limit, self._given.get(said.kind, said.limit))
            bucket = self._buckets.setdefault(said.kind, Bucket(limit, now))
            if bucket.per_minute != limit:
                bucket.refill(now, self.factor)
                bucket.per_minute = limit
                if said.kind == "requests" and self._guessed:
                    self._guessed, self._base = False, min(1.0, self._base)
            if said.kind != "requests":
                bucket.level = max(bucket.level, min(bucket.most, said.remaining - tokens_in_flight))

    def turned_away(self, *, retry_after: float | None, sent_at: float) -> None:
        """A request that was sent at ``sent_at`` met a limit, or a server without room."""
        now, factor = self._clock(), self.factor
        if sent_at > self._slowed_at:
            # Those sent before the last time say nothing new.
            self._slow_down(now, factor)
        wait = FIRST_WAIT * 2 ** min(self._in_a_row - 1, 10) if retry_after is None else retry_after
        self._resumes_at = max(self._resumes_at, now + min(wait, LONGEST_WAIT))

    def _slow_down(self, now: float, factor: float) -> None:
        self._slowed_at = now
        self._in_a_row += 1
        if "requests" not in self._buckets:
            recent = sum(1 for at in self._sent if at > now - MEASURED)
            span = max(1.0, min(MEASURED, now - self._sent[0])) if self._sent else MEASURED
            self._buckets["requests"] = Bucket(max(LEAST_GUESS, recent * 60 / span), now)
            self._guessed = True
        self._base = max(SLOWEST, factor * SLOWER)
        for bucket in self._buckets.values():
            bucket.level = min(bucket.level, 1.0)

    def _needs(self, tokens: float) -> dict[str, float]:
        return {
            "requests": 1.0,
            "tokens": tokens + self._output,
            "input-tokens": tokens,
            "output-tokens": self._output,
        }

    def _correct(self, kinds: Iterable[str], more: float) -> None:
        for kind in kinds:
            if kind in self._buckets:
                self._buckets[kind].level -= more
