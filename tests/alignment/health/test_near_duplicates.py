"""Near duplicates are found, others are not, and what is found depends on neither order nor chance."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.health.near_duplicates import NearDuplicates, signature, similarity

LONG = (
    "My kettle is leaking since this morning and I have a birthday party to prepare for eleven children. "
    "Could you please tell me what I should do with it, and whether I get my money back from the shop?"
)


def grouped(texts: dict[str, str]) -> dict[str, str]:
    found = NearDuplicates()
    for key, text in texts.items():
        found.add(key, text)
    return found.groups()


@pytest.mark.parametrize(
    "twin",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "  \n"),
        LONG.replace("shop", "store"),
        LONG + " Thanks.",
        LONG.replace("kettle", "ｋｅｔｔｌｅ"),
    ],
)
def test_a_text_that_is_nearly_the_same_is_found(twin):
    assert grouped({"b": LONG, "a": twin, "c": "Where is my parcel?"}) == {"a": "a", "b": "a"}


@pytest.mark.parametrize(
    "other", ["", "Where is my parcel?", LONG[:60], "My kettle is noisy. " + LONG[100:160], LONG[::-1]]
)
def test_another_text_is_not(other):
    assert grouped({"a": LONG, "b": other}) == {}


def test_short_texts_are_the_same_or_not():
    assert grouped({"a": "Hi", "b": "hi ", "c": "Ho"}) == {"a": "a", "b": "a"}


def test_a_chain_of_near_duplicates_is_one_group():
    words = LONG.split()
    chain = {str(n): " ".join([*words[: len(words) - n], *["new"] * n]) for n in range(4)}
    assert set(grouped(chain).values()) == {"0"}


def test_the_estimate_is_close_to_the_jaccard_similarity():
    rng = random.Random(3)
    errors = []
    for shared in np.linspace(0, 1, 60):
        count = int(shared * 300)
        common = [f"w{rng.randrange(10**12)}" for _ in range(count)]
        texts = [
            " ".join([*common, *(f"w{rng.randrange(10**12)}" for _ in range(300 - count))]) for _ in "ab"
        ]
        runs = [{tuple(text.split()[i : i + 5]) for i in range(296)} for text in texts]
        jaccard = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        errors.append(similarity(signature(texts[0]), signature(texts[1])) - jaccard)
    assert abs(np.mean(errors)) < 0.05
    assert np.max(np.abs(errors)) < 0.25


@given(st.permutations(range(12)))
def test_the_order_of_texts_changes_nothing(order):
    texts = {f"k{n}": LONG + "".join(f" {n % 4}w{place}" for place in range(40)) for n in range(12)}
    expected = grouped(texts)
    assert grouped({f"k{n}": texts[f"k{n}"] for n in order}) == expected
    assert len(set(expected.values())) == 4


@given(st.text(max_size=200))
def test_any_text_has_a_signature_and_is_its_own_duplicate(text):
    assert similarity(signature(text), signature(text)) == 1


def test_a_hundred_copies_are_one_group_and_quick():
    assert len(set(grouped({f"{n:03}": LONG for n in range(100)}).values())) == 1


def test_nothing_has_no_duplicates():
    assert grouped({}) == {}
