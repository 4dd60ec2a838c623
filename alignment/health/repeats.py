"""What comes more than once: the same row, the same pair judged both ways, the same texts in train and test."""

import hashlib
from collections import Counter

from alignment.formats.dataset_folder import SPLITS
from alignment.health.finding import NOTE, OK, WARNING, Finding, Pair
from alignment.health.near_duplicates import NearDuplicates

TRAIN, TEST = SPLITS
OFTEN = 0.01  # of the rows


class Duplicates:
    """The same prompt text with the same chosen and rejected answers, and prompts that are nearly the same."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}
        self._found = Finding("duplicates")
        self._rows = 0
        self._near = NearDuplicates()
        self._first: dict[str, int] = {}

    def add(self, pair: Pair) -> None:
        self._rows += 1
        key = _digest(pair.prompt_text, pair.chosen, pair.rejected)
        if self._seen.setdefault(key, pair.comparison) != pair.comparison:
            self._found.add(pair.comparison, "same_row")
        if pair.prompt not in self._first:
            self._first[pair.prompt] = pair.comparison
            self._near.add(pair.prompt, pair.prompt_text)

    def finding(self) -> Finding:
        same = self._found.count
        groups = self._near.groups()
        for prompt in sorted(groups):
            self._found.add(self._first[prompt], "near_duplicate")
        self._found.numbers = {
            "same_rows": same,
            "near_prompts": len(groups),
            "near_groups": len(set(groups.values())),
            "prompts": len(self._first),
        }
        self._found.level = WARNING if same > OFTEN * self._rows else NOTE if same or groups else OK
        return self._found


class Contradictions:
    """The same two answers to the same prompt text, once this way and once the other."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[int, bool]] = {}
        self._found = Finding("contradictions")
        self._rows = 0

    def add(self, pair: Pair) -> None:
        self._rows += 1
        first, second = sorted((pair.chosen, pair.rejected))
        forward = pair.chosen == first
        other, way = self._seen.setdefault(
            _digest(pair.prompt_text, first, second), (pair.comparison, forward)
        )
        if way != forward:
            self._found.add(pair.comparison, "contradicts")
            self._found.add(other, "contradicts")

    def finding(self) -> Finding:
        pairs = self._found.count // 2
        self._found.numbers = {"contradictions": pairs, "share": pairs / self._rows if self._rows else 0.0}
        self._found.level = WARNING if pairs > OFTEN * self._rows else NOTE if pairs else OK
        return self._found


class Overlap:
    """Texts in train and test alike, and prompts that an evaluation asks about among those to train on."""

    def __init__(self, evaluated: set[bytes]) -> None:
        self._evaluated = evaluated
        self._prompts: dict[bytes, str] = {}
        self._answers: tuple[set[bytes], set[bytes]] = (set(), set())
        self._found = Finding("overlap")
        self._counts: Counter[str] = Counter()
        self._leaked: set[tuple[bytes, str]] = set()

    def add(self, pair: Pair) -> None:
        prompt = text_key(pair.prompt_text)
        if self._prompts.setdefault(prompt, pair.split) != pair.split:
            self._note(pair, prompt, "prompt_in_both")
        if pair.split == TRAIN and prompt in self._evaluated:
            self._note(pair, prompt, "evaluated")
        mine, others = self._answers if pair.split == TRAIN else self._answers[::-1]
        answer = text_key(pair.chosen)
        mine.add(answer)
        if answer in others:
            self._counts["answer_in_both"] += 1

    def finding(self) -> Finding:
        prompts = self._counts["prompt_in_both"] + self._counts["evaluated"]
        self._found.numbers = {
            "prompts_in_both": self._counts["prompt_in_both"],
            "evaluated_prompts": self._counts["evaluated"],
            "answers_in_both": self._counts["answer_in_both"],
        }
        self._found.level = WARNING if prompts else NOTE if self._counts["answer_in_both"] else OK
        return self._found

    def _note(self, pair: Pair, prompt: bytes, why: str) -> None:
        if (prompt, why) not in self._leaked:
            self._leaked.add((prompt, why))
            self._counts[why] += 1
        self._found.add(pair.comparison, why)


def text_key(text: str) -> bytes:
    """What a text is found again by: upper and lower case and spaces apart."""
    return _digest(" ".join(text.casefold().split()))


def _digest(*texts: str) -> bytes:
    found = hashlib.blake2b(digest_size=8)
    for text in texts:
        found.update(len(text).to_bytes(8, "big") + text.encode("utf-8", "surrogatepass"))
    return found.digest()
