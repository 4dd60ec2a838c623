"""The help desk: a small made-up world whose truth is known, so that the loop can be held against it.

PURE. A customer names one of 12 items and one of 8 problems in one of 4 sentences; each problem has one action that
the help desk must offer. What a careful reader sees in a reply is its *style*: an apology, an offered action, no
padding. Whether the reply is *correct*, the right item and the mandated action, a program can check. The true score
is half of each; nothing is ever trained on it.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ITEMS = (
    "kettle",
    "lamp",
    "phone",
    "chair",
    "camera",
    "radio",
    "watch",
    "printer",
    "heater",
    "mixer",
    "tablet",
    "drill",
)
ACTIONS = {
    "broken": "replace",
    "late": "track",
    "missing": "resend",
    "wrong": "exchange",
    "noisy": "repair",
    "slow": "reset",
    "scratched": "refund",
    "leaking": "recall",
}
SLICES = {
    "late": "delivery",
    "missing": "delivery",
    "wrong": "delivery",
    "noisy": "function",
    "slow": "function",
    "leaking": "function",
    "broken": "damage",
    "scratched": "damage",
}
SENTENCES = (
    "My {item} is {problem}.",
    "Hello, the {item} I bought is {problem}.",
    "The {item} is {problem}, please help.",
    "Why is my {item} {problem}?",
)
FILLER = (
    "Thank you for your message to our team.",
    "Your opinion matters a lot to us.",
    "Have a very nice day.",
)
GOOD_SHARE = 0.4
DEMONSTRATIONS = 4  # a prompt
HELD_OUT_SHARE = 0.25  # of the (item, problem) combinations
SHORT_WORDS = 14

_APOLOGY = re.compile(r"\bsorry\b", re.IGNORECASE)
_OFFER = re.compile(rf"\bwe will ({'|'.join(ACTIONS.values())}) it\b", re.IGNORECASE)


@dataclass(frozen=True)
class Ticket:
    """One prompt and what it is about."""

    item: str
    problem: str
    text: str

    @property
    def slice(self) -> str:
        return SLICES[self.problem]

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.text}]


def tickets(seed: int, *, items: int = len(ITEMS)) -> tuple[list[Ticket], list[Ticket]]:
    """The prompts on the first ``items`` items, (for training, held out). No (item, problem) is on both sides."""
    combinations = [(item, problem) for item in ITEMS[:items] for problem in ACTIONS]
    random.Random(f"{seed}:held out").shuffle(combinations)
    cut = round(len(combinations) * HELD_OUT_SHARE)
    return list(_tickets(combinations[cut:])), list(_tickets(combinations[:cut]))


def demonstrations(train: Sequence[Ticket], seed: int) -> list[tuple[Ticket, str]]:
    """Replies as a help desk's archive would hold them: 40 % are good, the others flawed in four ways."""
    chance = random.Random(f"{seed}:demonstrations")
    return [(ticket, _reply(ticket, chance)) for ticket in train for _ in range(DEMONSTRATIONS)]


def style_score(text: str) -> float:
    """What a careful reader sees, 0 to 1: .4 an apology, .3 an offered action, .3 short and without padding."""
    padded = len(text.split()) > SHORT_WORDS or any(sentence in text for sentence in FILLER)
    return 0.4 * bool(_APOLOGY.search(text)) + 0.3 * bool(_OFFER.search(text)) + 0.3 * (not padded)


def is_correct(ticket: Ticket, text: str) -> bool:
    """Whether the reply names the customer's item and offers the action mandated for their problem."""
    offer = _OFFER.search(text)
    named = re.search(rf"\b{ticket.item}\b", text, re.IGNORECASE)
    return bool(named and offer and offer[1].lower() == ACTIONS[ticket.problem])


def true_score(ticket: Ticket, text: str) -> float:
    """Half style, half correctness, 0 to 1."""
    return 0.5 * style_score(text) + 0.5 * is_correct(ticket, text)


def true_ranking(first: str, second: str) -> tuple[int, int]:
    """The ranking a perfectly careful reader gives two replies; equal style is a tie."""
    difference = style_score(first) - style_score(second)
    if abs(difference) < 1e-9:
        return (1, 1)
    return (1, 2) if difference > 0 else (2, 1)


def _tickets(combinations: Sequence[tuple[str, str]]) -> Iterator[Ticket]:
    for item, problem in combinations:
        for sentence in SENTENCES:
            yield Ticket(item, problem, sentence.format(item=item, problem=problem))


def _reply(ticket: Ticket, chance: random.Random) -> str:
    sorry, offer = f"Sorry about the {ticket.item}.", f"We will {ACTIONS[ticket.problem]} it today."
    if chance.random() < GOOD_SHARE:
        return f"{sorry} {offer}"
    first, second = chance.sample(FILLER, 2)
    return chance.choice(
        (
            f"That is your fault. {offer}",
            f"{first} {offer} {second}",
            sorry,
            f"{sorry} {offer} {first} {second}",
        )
    )
