"""What is found before freezing: each check on a dataset that has the fault, and on one that has not."""

import socket
from hashlib import sha256

import pytest

from alignment.health.balance import MOST, balanced, times
from alignment.health.consent import terms_of
from alignment.health.examination import KINDS, checks_of, examine
from alignment.health.finding import MOST_ROWS, Pair
from alignment.health.personal import kinds_in
from alignment.health.repeats import text_key

LINES = [
    "Tell me how tides work near a strait.",
    "Which screws hold in wet brick?",
    "Compose a haiku about a lost umbrella.",
    "My printer blinks twice and stops.",
    "How do I fold a fitted sheet so that it stays flat?",
]


def in_letters(number):
    """Words that no other number has."""
    digits = sha256(str(number).encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(digits[start : start + 8] for start in range(0, 64, 8))


def pair(number, **changes):
    """The rows of a healthy dataset: every fifth is held out."""
    values = {
        "comparison": number + 1,
        "split": "train" if number % 5 else "test",
        "prompt": f"{number:064}",
        "prompt_text": f"{LINES[number % 5]} {in_letters(number)}.",
        "chosen": f"good {number}" + "x" * (number % 2),
        "rejected": f"poor {number}" + "x" * ((number + 1) % 2),
        "chosen_source": ("x", "y")[number % 2],
        "tags": (("math", "code")[number % 2],),
        "confidence": 0.95,
        "terms": frozenset({"licence", "consent"}),
    }
    return Pair(**values | changes)


def rows_of(changed, count):
    rows = [pair(number) for number in range(count)]
    for number, changes in changed:
        rows[number] = pair(number, **changes)
    return rows


def found_by(kind, *changed, count=1500, people=(100, 5), evaluated=()):
    check = checks_of(people, set(evaluated))[KINDS.index(kind)]
    for row in rows_of(changed, count):
        check.add(row)
    finding = check.finding()
    assert finding.kind == kind
    return finding


def test_a_healthy_dataset_has_nothing_to_look_at():
    found = {each.kind: each for each in examine(rows_of((), 1500), people=(100, 5), evaluated=set())}
    assert list(found) == list(KINDS)
    assert {kind: each.level for kind, each in found.items() if each.level != "ok"} == {}
    assert found["too_few"].numbers["train_rows"] == 1200
    assert (
        found["length_bias"].numbers["longer"]["low"] < 0.5 < found["length_bias"].numbers["longer"]["high"]
    )


def test_too_few_rows_are_told_for_each_method_and_for_the_test():
    found = found_by("too_few", count=120)
    assert found.level == "warning"
    assert {each["method"]: each["enough"] for each in found.numbers["methods"]} == {
        "sft": False, "dpo": False, "kto": False, "reward": False, "grpo": False,
    }  # fmt: skip
    assert (found.numbers["test_rows"], found.numbers["wanted_share"]) == (24, 0.42)
    assert found.numbers["half_width"] == pytest.approx(0.173, abs=0.001)


def test_tags_and_sources_out_of_balance_are_found_with_the_rare_rows():
    rare = {number: {"tags": ("rare",)} for number in (1, 7)}
    found = found_by(
        "imbalance", *((number, rare.get(number, {"tags": ("often",)})) for number in range(1500))
    )
    assert (found.level, found.rows, found.numbers["times"]) == ("warning", [(2, "rare"), (8, "rare")], 599.0)
    many = [(number, {"tags": ("rare" if number < 30 else "often",)}) for number in range(1500)]
    found = found_by("imbalance", *many)
    assert (len(found.rows), found.count) == (20, 24)  # a fifth of 30 are held out
    one = found_by("imbalance", *((number, {"chosen_source": "x"}) for number in range(1, 1300)))
    assert (one.level, one.numbers["top_source"]) == ("note", "x")


def test_the_same_row_twice_and_prompts_that_are_nearly_the_same_are_duplicates():
    same = pair(1)._asdict() | {"comparison": 4}
    twin = pair(6).prompt_text.upper()
    found = found_by("duplicates", (3, same), (7, {"prompt_text": twin}))
    assert (found.level, found.numbers["same_rows"], found.numbers["near_groups"]) == ("note", 1, 1)
    assert (4, "same_row") in found.rows
    assert {row for row, why in found.rows if why == "near_duplicate"} == {7, 8}


def test_a_pair_that_is_judged_both_ways_is_a_contradiction():
    turned = {"prompt_text": pair(1).prompt_text, "chosen": pair(1).rejected, "rejected": pair(1).chosen}
    found = found_by("contradictions", (3, turned))
    assert (found.level, found.rows) == ("note", [(4, "contradicts"), (2, "contradicts")])


def test_what_is_in_train_and_test_or_kept_for_evaluation_is_found():
    leak = {"prompt_text": pair(5).prompt_text.replace(" ", "  ")}
    kept = text_key(pair(8).prompt_text)
    found = found_by("overlap", (6, leak), (11, {"chosen": pair(10).chosen}), evaluated={kept})
    assert found.level == "warning"
    assert found.numbers == {"prompts_in_both": 1, "evaluated_prompts": 1, "answers_in_both": 1}
    assert found.rows == [(7, "prompt_in_both"), (9, "evaluated")]
    found = found_by("overlap", (6, leak), evaluated={text_key(pair(5).prompt_text)})
    assert (found.numbers["prompts_in_both"], found.numbers["evaluated_prompts"]) == (1, 1)


def test_a_preference_for_length_is_told_with_its_interval():
    found = found_by(
        "length_bias", *((number, {"chosen": "long answer " * 9}) for number in range(0, 1500, 2))
    )
    assert found.level == "warning"
    assert found.numbers["longer"]["low"] > 0.6
    assert found.count == found.numbers["much_longer"] == 750
    assert len(found.rows) == MOST_ROWS


def test_noise_is_what_the_probabilities_and_the_people_say():
    found = found_by(
        "label_noise", *((number, {"confidence": 0.6}) for number in range(750)), people=(200, 10)
    )
    assert found.numbers["expected_error"]["value"] == pytest.approx(0.225)
    assert found.numbers["people_otherwise"]["value"] == 0.05
    assert (found.level, found.count, found.rows[0]) == ("warning", 750, (1, "0.60"))
    unknown = found_by(
        "label_noise", *((number, {"confidence": None}) for number in range(1500)), people=(0, 0)
    )
    assert (unknown.level, unknown.numbers["unknown"]) == ("ok", 1500)
    assert unknown.numbers["expected_error"]["value"] is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to ana.lopez@example.org, please.", {"EMAIL_ADDRESS"}),
        ("Call me at +44 20 7946 0958 today.", {"PHONE_NUMBER"}),
        ("My card is 4111 1111 1111 1111.", {"CREDIT_CARD"}),
        ("Pay to GB29 NWBK 6016 1331 9268 19.", {"IBAN_CODE"}),
        ("The host 192.168.14.2 is down.", {"IP_ADDRESS"}),
        ("Card 4111 1111 1111 1112 fails its check.", set()),
        ("In 1984 there were 3.141592 pies, at 10:30.", set()),
        ("user@localhost is nobody", set()),
        ("Ana Lopez lives in Lyon.", set()),  # names and places need a model
    ],
)
def test_personal_data_is_found_by_its_pattern(text, kinds, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it went to the network"))
    assert kinds_in(text) - {"PHONE_NUMBER"} == kinds - {"PHONE_NUMBER"}
    assert ("PHONE_NUMBER" in kinds_in(text)) >= ("PHONE_NUMBER" in kinds)


def test_personal_data_names_the_rows_and_keeps_nothing_of_it():
    found = found_by("personal_data", (2, {"chosen": "I am ana@example.org."}))
    assert (found.level, found.rows) == ("warning", [(3, "EMAIL_ADDRESS")])
    assert "ana@" not in str(found.as_json())


def test_terms_are_said_by_tags_and_metadata():
    assert terms_of(["License:CC-BY-4.0"], {"consent": "2026-03"}) == {"licence", "consent"}
    assert terms_of(["consented"], {"licence": ""}) == set()
    found = found_by("terms_missing", (2, {"terms": frozenset({"licence"})}))
    assert (found.rows, found.numbers) == ([(3, "consent")], {"without_licence": 0, "without_consent": 1})


def test_weights_make_every_class_weigh_the_same_and_rows_one_on_average():
    shares = balanced({"a": 90, "b": 10, "empty": 0}, "weights")
    assert shares == {"a": pytest.approx(100 / 180), "b": pytest.approx(5.0)}
    assert balanced({"a": 9900, "b": 1}, "weights")["b"] == MOST
    assert set(balanced({"a": 3, "b": 1}, "none").values()) == {1.0}
    with pytest.raises(ValueError, match="is none of none, weights, resample"):
        balanced({}, "other")


def test_resampling_is_right_on_average_and_the_same_again():
    taken = [times(2.3, f"q{number}", 7) for number in range(2000)]
    assert set(taken) == {2, 3}
    assert sum(taken) / 2000 == pytest.approx(2.3, abs=0.05)
    assert taken == [times(2.3, f"q{number}", 7) for number in range(2000)]
