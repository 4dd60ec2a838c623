"""What can go wrong while a run trains, found in its own event stream as it is written. Pure.

The runner feeds each event to a `Watch` and writes what that raises back into the stream, so the log alone
says what was seen. Only silence cannot be seen from inside: `stalled` is asked by who reads the log.
Each rule compares a run with its own beginning or with its best, over the medians of a few logged points.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist, median
from types import MappingProxyType
from typing import Any, NamedTuple


def _(sentence: str) -> str:
    """Marks a sentence for translation; who shows it translates it."""
    return sentence


class Alarm(NamedTuple):
    title: str
    meaning: str
    advice: str


class Raised(NamedTuple):
    alarm: str
    step: int
    evidence: str


ALARMS: Mapping[str, Alarm] = MappingProxyType(
    {
        "nan": Alarm(
            _("A value is no number"),
            _(
                "The loss, a gradient or a reward became infinite or undefined: the weights are spoilt from here on."
            ),
            _("Start again with a lower learning rate or with warm-up, and look at the rows of that step."),
        ),
        "overfitting": Alarm(
            _("Overfitting"),
            _(
                "The loss on the training rows still falls while the loss on held-out rows rises: it learns by heart."
            ),
            _(
                "Use the checkpoint of the best held-out loss; train fewer epochs, on more rows, or with LoRA."
            ),
        ),
        "kl_blow_up": Alarm(
            _("Too far from the base"),
            _("The model's answers have become very unlikely for the model it started from."),
            _("Raise the KL coefficient (beta) or lower the learning rate, and read the samples."),
        ),
        "entropy_collapse": Alarm(
            _("Entropy has collapsed"),
            _("The model has become almost certain of each token: it explores no more, and answers alike."),
            _("Lower the learning rate, raise the sampling temperature or the KL coefficient."),
        ),
        "length_hacking": Alarm(
            _("Reward by length"),
            _(
                "The reward rises as the answers grow longer: it may be paying for words rather than for worth."
            ),
            _(
                "Compare style-controlled win rates, and take length out of the reward or add a penalty for it."
            ),
        ),
        "reward_hacking": Alarm(
            _("Reward hacking"),
            _("The reward rises while the win rate on held-out prompts falls: the model games the reward."),
            _("Stop here, use the checkpoint of the best win rate, and mend the reward or add a second one."),
        ),
        "stalled": Alarm(
            _("Nothing has happened for long"),
            _("The runner has written nothing for many times its usual step."),
            _("Look at the end of its log. Cancel and resume goes on from the last checkpoint."),
        ),
    }
)

LOSS, GRADIENT = ("loss",), ("grad_norm",)
REWARD = ("reward", "mean_reward", "objective_scores")
KL = ("kl", "objective_kl")
ENTROPY = ("entropy", "policy_entropy")
LENGTH = ("length", "mean_length", "completions_mean_length", "response_length")
PER_TOKEN_KL = ("grpo", "rloo")  # TRL reports their KL as a mean over tokens
EXPLORING = ("ppo", "grpo", "rloo")  # learn from their own samples; others should grow certain of their rows

POINTS = 5  # logged points in a median
RISE = 0.05  # of the best held-out loss
FAR, FAR_A_TOKEN = 25.0, 0.1  # nats: of a response, and for each of its tokens where it is long
LEFT = 0.1  # of the entropy at the start
LONGER = 1.6  # times the length at the start
FEWER_WINS = 0.05  # the least fall of the win rate that counts, however many prompts there are
CHANCE = 0.05  # of reward_hacking in a run, however long, whose win rate never falls but by chance
EVEN = 0.5  # the win rate of the base over itself, known without asking
SILENT_SECONDS, SILENT_STEPS = 120.0, 20.0


@dataclass
class _Line:
    """One value over time: its first points, and its newest."""

    first: list[float] = field(default_factory=list)
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=POINTS))
    seen: int = 0

    def add(self, value: float) -> None:
        if len(self.first) < POINTS:
            self.first.append(value)
        self.newest.append(value)
        self.seen += 1

    @property
    def ready(self) -> bool:
        """Whether the newest points are others than the first."""
        return self.seen >= 2 * POINTS

    @property
    def start(self) -> float:
        return median(self.first)

    @property
    def now(self) -> float:
        return median(self.newest)


@dataclass
class _Best:
    """The best held-out figure so far, what training looked like then, and how often it was missed since."""

    value: float
    step: int
    training: float
    worse: int = 0
    decided: int = 0  # prompts that made the win rate another than even


class Watch:
    """Fed a run's events in order; each alarm is raised once. A resumed run keeps what was seen before."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._method = ""
        self._best: dict[str, _Best] = {}
        self._win_rates = 0  # so many were measured
        self._raised: set[str] = set()

    def feed(self, event: Mapping[str, Any]) -> list[Raised]:
        """The alarms that this event sets off."""
        kind = event["kind"]
        if kind == "started":
            self._method = event["method"]
        elif kind == "alarm":
            self._raised.add(event["alarm"])
        elif kind in ("metric", "evaluation"):
            found = self._metric(event) if kind == "metric" else self._evaluation(event)
            new = [each for each in found if each.alarm not in self._raised]
            self._raised |= {each.alarm for each in new}
            return new
        return []

    def remember(self, event: Mapping[str, Any]) -> None:
        """See an event of an earlier attempt: raised is what its log says so of."""
        self._raised -= {each.alarm for each in self.feed(event)}

    def _metric(self, event: Mapping[str, Any]) -> list[Raised]:
        step, values = event["step"], event["values"]
        for name, value in values.items():
            if value is not None:
                self._lines.setdefault(name, _Line()).add(value)
        checks = (self._far(values), self._certain(), self._long(), _not_a_number(values))
        return [Raised(name, step, evidence) for name, evidence in checks if evidence]

    def _evaluation(self, event: Mapping[str, Any]) -> list[Raised]:
        step, values = event["step"], event["values"]
        checks = (self._overfits(step, values), self._hacks(step, values), _not_a_number(values))
        return [Raised(name, step, evidence) for name, evidence in checks if evidence]

    def _line(self, names: Sequence[str]) -> _Line | None:
        """The line of the first of these names that has enough points."""
        return next((self._lines[n] for n in names if n in self._lines and self._lines[n].ready), None)

    def _far(self, values: Mapping[str, Any]) -> tuple[str, str]:
        kl, length = self._line(KL), self._line(LENGTH)
        if kl is None or not any(name in values for name in KL):
            return "kl_blow_up", ""
        tokens = length.now if length else 0.0
        a_response = kl.now * tokens if self._method in PER_TOKEN_KL and length else kl.now
        limit = max(FAR, FAR_A_TOKEN * tokens)
        far = a_response > limit
        return "kl_blow_up", f"The KL is {a_response:.3g} nats a response; {limit:.3g} is far." if far else ""

    def _certain(self) -> tuple[str, str]:
        entropy = self._line(ENTROPY)
        if self._method not in EXPLORING or entropy is None:
            return "entropy_collapse", ""
        if entropy.start <= 0 or entropy.now >= LEFT * entropy.start:
            return "entropy_collapse", ""
        return "entropy_collapse", f"The entropy fell from {entropy.start:.3g} to {entropy.now:.3g}."

    def _long(self) -> tuple[str, str]:
        length, reward = self._line(LENGTH), self._line(REWARD)
        if length is None or reward is None or reward.now <= reward.start:
            return "length_hacking", ""
        if length.now < LONGER * length.start:
            return "length_hacking", ""
        return "length_hacking", (
            f"The answers grew from {length.start:.3g} to {length.now:.3g} tokens while the reward rose from "
            f"{reward.start:.3g} to {reward.now:.3g}."
        )

    def _overfits(self, step: int, values: Mapping[str, Any]) -> tuple[str, str]:
        loss, training = values.get("loss"), self._lines.get("loss")
        if loss is None or training is None:
            return "overfitting", ""
        best = self._best.get("loss")
        if best is None or loss <= best.value:
            self._best["loss"] = _Best(loss, step, training.now)
            return "overfitting", ""
        best.worse = best.worse + 1 if loss > best.value + RISE * abs(best.value) else 0
        if best.worse < 2 or training.now >= best.training:
            return "overfitting", ""
        return "overfitting", (
            f"The held-out loss was {best.value:.4g} at step {best.step} and is {loss:.4g} now, while the "
            f"training loss fell from {best.training:.4g} to {training.now:.4g}."
        )

    def _hacks(self, step: int, values: Mapping[str, Any]) -> tuple[str, str]:
        rate, n, decided = (values.get(name) for name in ("win_rate", "win_rate_n", "win_rate_decided"))
        reward = next((self._lines[name] for name in REWARD if name in self._lines), None)
        if rate is None or not n or decided is None or reward is None:
            return "reward_hacking", ""
        self._win_rates += 1
        # Before its first step it is the base, and ties with it.
        best = self._best.setdefault("win_rate", _Best(EVEN, 0, reward.start))
        if rate > best.value:
            self._best["win_rate"] = _Best(rate, step, reward.now, decided=decided)
            return "reward_hacking", ""
        margin = max(FEWER_WINS, by_chance(self._win_rates, n, decided + best.decided))
        best.worse = best.worse + 1 if rate < best.value - margin else 0
        if best.worse < 2 or reward.now <= best.training:
            return "reward_hacking", ""
        return "reward_hacking", (
            f"The win rate on held-out prompts fell from {best.value:.2f} at step {best.step} to {rate:.2f}, "
            f"while the reward rose from {best.training:.3g} to {reward.now:.3g}; of {n:.0f} prompts {margin:.2f} "
            "may be chance."
        )


def by_chance(measured: int, n: float, decided: float) -> float:
    """How far the newest of so many win rates may lie under the best before it, though nothing has changed.

    `decided`: of the n prompts those on which one answer was worth more, in both rates together; ties tell nothing.
    Each moves its rate by ½/n up or down, so the difference has a standard error of at most √decided/(2n), and steps
    of 1/n, of which half is allowed for. The level CHANCE / (m (m + 1)) of the m-th rate adds up to CHANCE over a
    run of any length; that the best is the luckiest of those before makes less than is left (simulated in its test).
    """
    level = CHANCE / (measured * (measured + 1))
    return (-NormalDist().inv_cdf(level) * math.sqrt(decided) + 1) / (2 * n)


def stalled(moments: Sequence[float], now: float) -> str:
    """The evidence that a runner has gone silent, or nothing.

    `moments` are the seconds at which the newest events were written, in order, and `now` is on the same clock.
    Silent is longer than SILENT_STEPS times the usual gap between events, and than SILENT_SECONDS.
    """
    if len(moments) < 3:
        return ""
    usual = median(after - before for before, after in pairwise(moments))
    silent = now - moments[-1]
    if silent <= max(SILENT_SECONDS, SILENT_STEPS * usual):
        return ""
    return (
        f"Its last word came {silent:.0f} seconds ago; usually one comes every {max(usual, 0.1):.1f} seconds."
    )


def _not_a_number(values: Mapping[str, Any]) -> tuple[str, str]:
    watched = (*LOSS, *GRADIENT, *REWARD, *KL, *ENTROPY)
    spoilt = [name for name in watched if name in values and values[name] is None]
    return "nan", f"{spoilt[0]} is not a finite number." if spoilt else ""
