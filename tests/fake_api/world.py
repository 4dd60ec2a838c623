"""The server's state: its clock, bill, limits and cache. One instance a server; everything runs in one thread."""

import hashlib
import json
import math
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

MINUTE = 60.0
CACHE_SECONDS = {"5m": 300.0, "1h": 3600.0}
SHORTEST_CACHED = 1024  # tokens; a shorter prefix is not cached, and no error says so
STEP = 128  # OpenAI's cache counts in steps of so many tokens

# Dollars a million tokens: input, output, cache read, cache write (5 minutes), cache write (1 hour). Written down
# apart from the price table of ours that is checked against it.
PRICES = {
    "claude-opus-5-5": ("4", "20", "0.20", "5", "8"),
    "claude-sonnet-5-5": ("2", "10", "0.10", "2.5", "4"),
    "claude-haiku-5-5": ("0.1", "0.5", "0.01", "0.125", "0.2"),
    "gpt-5.6-luna": ("0.2", "1.2", "0.02", "0.25", "0.25"),
}
FREE = ("0", "0", "0", "0", "0")


@dataclass
class Settings:
    """What a test or benchmark may set. Times in seconds of the server's clock, but for ``latency``, which is real.

    ``requests_per_minute`` and the token limits are token buckets, as Anthropic's are: full at first, refilled
    evenly. ``burst``: the share of a minute's limit that a bucket holds. ``batch_seconds``: how long a whole batch
    takes. ``together``: nothing is answered before so many requests were in flight at once. ``first_bias``: how much
    the judge likes the first response shown. ``keys``: those that are valid, where it matters.
    """

    requests_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    burst: float = 1.0
    latency: float = 0.0
    latency_spread: float = 0.0
    together: int = 0
    batch_seconds: float = 0.0
    first_bias: float = 0.0
    tie_margin: float = 0.0
    keys: tuple[str, ...] = ()
    seed: int = 0


class Clock:
    """Seconds since 1970; ``advance`` moves it on without anybody waiting."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


@dataclass(frozen=True)
class Used:
    """Tokens of one piece of work, by kind; they do not overlap."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h

    def dollars(self, model: str, *, batch: bool) -> Decimal:
        prices = [Decimal(price) for price in PRICES.get(model, FREE)]
        kinds = (self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h)
        total = sum((count * price for count, price in zip(kinds, prices, strict=True)), Decimal(0))
        return total / 1_000_000 / (2 if batch else 1)


class Bill:
    """What was worked for, whether or not the reply arrived."""

    def __init__(self) -> None:
        self.requests = 0
        self.delivered = 0
        self.tokens: Counter[str] = Counter()
        self.dollars = Decimal(0)
        self.by_hash: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, request_hash: str, model: str, used: Used, *, batch: bool = False) -> None:
        self.requests += 1
        for kind in fields(used):
            self.tokens[kind.name] += getattr(used, kind.name)
        self.dollars += used.dollars(model, batch=batch)
        self.by_hash[request_hash]["batch" if batch else "live"] += 1

    def deliver(self, request_hash: str) -> None:
        """The whole reply was handed to the connection."""
        self.delivered += 1
        self.by_hash[request_hash]["delivered"] += 1

    def told(self) -> dict[str, Any]:
        paid_twice = sum(1 for counts in self.by_hash.values() if counts["live"] + counts["batch"] > 1)
        return {
            "requests": self.requests,
            "delivered": self.delivered,
            "tokens": dict(self.tokens),
            "dollars": str(self.dollars),
            "distinct": len(self.by_hash),
            "paid_twice": paid_twice,
        }


class Bucket:
    """So many a minute: full at first, refilled evenly. Taking more than is there is a debt."""

    def __init__(self, per_minute: int, burst: float, now: float) -> None:
        self.per_minute, self.most = per_minute, max(1.0, per_minute * burst)
        self.level, self.at = self.most, now

    def refill(self, now: float) -> None:
        self.level = min(self.most, self.level + (now - self.at) * self.per_minute / MINUTE)
        self.at = now

    def wait(self, amount: float) -> float:
        """Seconds until ``amount`` is there; 0 where it is."""
        return max(0.0, (min(amount, self.most) - self.level) * MINUTE / self.per_minute)

    def take(self, amount: float) -> None:
        self.level -= amount


class Limits:
    """Requests and tokens a minute. ``broken_in_a_row``: the most requests turned away one after another."""

    KINDS = ("requests", "input-tokens", "output-tokens")

    def __init__(self, settings: Settings, now: float) -> None:
        given = (
            settings.requests_per_minute,
            settings.input_tokens_per_minute,
            settings.output_tokens_per_minute,
        )
        self.buckets = {
            kind: Bucket(limit, settings.burst, now)
            for kind, limit in zip(self.KINDS, given, strict=True)
            if limit
        }
        self.accepted = self.turned_away = self.in_a_row = self.broken_in_a_row = 0
        self.first_at = self.last_at = 0.0

    def seconds_to_wait(self, tokens: int, now: float) -> float:
        """0 and the request counts, or how long until it would."""
        for bucket in self.buckets.values():
            bucket.refill(now)
        needs = {"requests": 1.0, "input-tokens": float(tokens), "output-tokens": 1.0}
        wait = max((bucket.wait(needs[kind]) for kind, bucket in self.buckets.items()), default=0.0)
        if wait > 0:
            self.turned_away += 1
            self.in_a_row += 1
            self.broken_in_a_row = max(self.broken_in_a_row, self.in_a_row)
            return wait
        for kind in ("requests", "input-tokens"):
            if kind in self.buckets:
                self.buckets[kind].take(needs[kind])
        self.accepted, self.in_a_row = self.accepted + 1, 0
        self.first_at, self.last_at = self.first_at or now, now
        return 0.0

    def wrote(self, tokens: int) -> None:
        if "output-tokens" in self.buckets:
            self.buckets["output-tokens"].take(tokens)

    def told(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "turned_away": self.turned_away,
            "broken_in_a_row": self.broken_in_a_row,
            "seconds": self.last_at - self.first_at,
        }


class Cache:
    """Prefixes of prompts by their hash, each with since when it is there and until when it lasts.

    As documented, one is there once the answer to the request that wrote it has begun: requests that arrive
    together all write.
    """

    def __init__(self) -> None:
        self.lasts: dict[str, tuple[float, float]] = {}

    def has(self, prefix: str, arrived: float, now: float) -> bool:
        since, until = self.lasts.get(prefix, (0.0, 0.0))
        return since <= arrived and until > now

    def keep(self, prefix: str, now: float, seconds: float) -> None:
        since, until = self.lasts.get(prefix, (now, 0.0))
        self.lasts[prefix] = (since if until > now else now, max(until, now + seconds))


class World:
    """All of it, and the numbers that make ids."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = Clock()
        self.bill, self.cache = Bill(), Cache()
        self.limits = Limits(self.settings, self.clock.now())
        self.script: list[Any] = []
        self.batches: dict[str, Any] = {}
        self.files: dict[str, Any] = {}
        self.requests_seen = self.in_flight = self.most_in_flight = 0
        self.applied: Counter[str] = Counter()
        self.random = random.Random(self.settings.seed)
        self._last_id = 0

    def set(self, changes: dict[str, Any]) -> None:
        """Change settings; limits start afresh. Raises TypeError for one that is not known."""
        now = {spec.name: getattr(self.settings, spec.name) for spec in fields(Settings)}
        self.settings = Settings(**(now | changes))
        self.limits = Limits(self.settings, self.clock.now())
        self.random = random.Random(self.settings.seed)

    def new_id(self, prefix: str) -> str:
        self._last_id += 1
        return f"{prefix}_{self._last_id:024d}"


def body_hash(body: Any) -> str:
    """SHA-256 of a request's body as canonical JSON: the same in a batch as alone."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def token_count(text: str) -> int:
    """This server's tokenizer: four bytes of UTF-8 a token."""
    return math.ceil(len(text.encode()) / 4)
