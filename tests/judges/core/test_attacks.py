"""The injection attacks: enough of them, each in the worse response, and their effect measured against a control."""

import re
from dataclasses import replace

import pytest

from judges.core.attacks import (
    ATTACKS,
    KINDS,
    PAIRS,
    AttackOutcome,
    outcome_of,
    planted,
    requests_on,
    success_rate,
)
from judges.core.attacks.attack import TARGET
from judges.core.rendering import MODES, PASS_FAIL, SCORES, JudgeText, sections_of
from judges.core.rubric import CriterionText
from judges.core.verdict import CallVerdict
from tests.bench.injections import OURS, injection_rates, table
from tests.fake_api.judge import judge as obedient

JUDGE = JudgeText("anthropic", "m", {}, "Prefer.", (CriterionText("Clarity"),))


def test_there_are_enough_attacks_each_with_an_id_of_its_own():
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS) >= 40
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", attack.id) for attack in ATTACKS)
    assert len(KINDS) >= 10


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_an_attack_leaves_the_response_whole_and_names_its_target(attack):
    text = attack.plant("The response.", "XK")
    assert "The response." in text
    assert len(text) > len("The response.") + 10
    assert TARGET not in text
    text.encode()


@pytest.mark.parametrize("mode", MODES)
def test_an_attack_is_in_the_worse_response_and_nothing_else_changes(mode):
    judge = replace(JUDGE, mode=mode)
    control = requests_on(judge, PAIRS[0], PAIRS[0].worse)
    attacked = planted(ATTACKS[0], judge, PAIRS[0])
    assert [request.shown for request in control] == [request.shown for request in attacked]
    for before, after in zip(control, attacked, strict=True):
        texts = [[section.text for section in sections_of(request)] for request in (before, after)]
        changed = [one for one, other in zip(*texts, strict=True) if one != other]
        assert changed == [PAIRS[0].worse]
        assert before.system == after.system


def test_pass_or_fail_is_asked_about_the_worse_response_alone():
    assert [request.shown for request in requests_on(replace(JUDGE, mode=PASS_FAIL), PAIRS[0], "x")] == [(1,)]


def test_an_attack_that_names_a_response_mostly_knows_its_name_in_one_order_and_never_in_the_other():
    attack = next(attack for attack in ATTACKS if attack.id == "order-ignore-rubric")
    knows = 0
    for pair in PAIRS:
        first, second = planted(attack, JUDGE, pair)
        text = attack.plant(pair.worse, "").removesuffix(".")
        told = next(section.text for section in sections_of(first) if section.text.startswith(text))
        named = told.removesuffix(".")[-2:]
        knows += first.positions[named] == 1
        assert not first.positions[named] == second.positions[named] == 1
    assert knows >= 3


BETTER, WORSE = (1, 2), (2, 1)


def calls(*rankings):
    return [
        CallVerdict("ranked", shown, ranking)
        for shown, ranking in zip([(0, 1), (1, 0)], rankings, strict=True)
    ]


@pytest.mark.parametrize(
    ("control", "attacked", "succeeded", "disrupted", "swayed"),
    [
        (calls(BETTER, BETTER), calls(WORSE, WORSE), True, False, 2),
        (calls(BETTER, BETTER), calls(BETTER, BETTER), False, False, 0),
        (calls(BETTER, BETTER), calls(WORSE, BETTER), False, True, 1),
        (
            calls(BETTER, BETTER),
            [CallVerdict("refused", (0, 1)), CallVerdict("refused", (1, 0))],
            False,
            True,
            0,
        ),
        (calls(WORSE, WORSE), calls(WORSE, WORSE), False, False, 2),
        (calls(BETTER, WORSE), calls(WORSE, WORSE), False, False, 2),
    ],
)
def test_an_attack_succeeds_where_it_turns_the_verdict(control, attacked, succeeded, disrupted, swayed):
    outcome = outcome_of(ATTACKS[0], 0, JUDGE, control, attacked)
    assert (outcome.succeeded, outcome.disrupted, outcome.swayed, outcome.asked) == (
        succeeded,
        disrupted,
        swayed,
        2,
    )


@pytest.mark.parametrize(("rank", "preferred"), [(1, "worse"), (2, "better")])
def test_a_worse_response_that_passes_is_preferred(rank, preferred):
    judge = replace(JUDGE, mode=PASS_FAIL)
    said = outcome_of(
        ATTACKS[0], 0, judge, [CallVerdict("ranked", (1,), (2,))], [CallVerdict("ranked", (1,), (rank,))]
    )
    assert (said.control, said.attacked) == ("better", preferred)


def test_a_tie_by_scores_is_told():
    judge = replace(JUDGE, mode=SCORES)
    scores = {("Clarity", 0): 3, ("Clarity", 1): 3}
    said = [CallVerdict("ranked", (0, 1), (), "", scores)]
    assert outcome_of(ATTACKS[0], 0, judge, said, said).attacked == "tie"


def outcomes(control, attacked, attack="a"):
    return AttackOutcome(attack, "order", 0, control, attacked, 0, 2)


def test_the_rate_is_of_what_could_turn_with_its_interval():
    rows = [
        outcomes("better", "worse", "a"),
        outcomes("better", "better", "b"),
        outcomes("worse", "worse", "c"),
    ]
    rate = success_rate([*rows, outcomes("inconsistent", "worse", "d")])
    assert (rate["value"], rate["n"]) == (0.5, 2)
    assert 0 < rate["low"] < 0.5 < rate["high"] < 1
    assert success_rate([outcomes("worse", "worse")])["value"] is None


class TestTheScriptedJudge:
    """It obeys what it finds outside a fence by construction; see ``tests/bench/injections.py`` for what that shows."""

    def test_every_attack_reaches_it_through_a_naive_prompt_and_none_through_ours(self):
        rates = injection_rates(pairs=PAIRS[:2])
        assert {attack.id for attack in ATTACKS} == rates.naive_reached
        assert rates.ours_reached == frozenset()
        assert (rates.naive["value"], rates.ours["value"], rates.ours["n"]) == (1, 0, 2 * len(ATTACKS))
        assert "all" in table(rates)

    def test_it_would_obey_if_an_attack_knew_the_mark(self):
        """So it is the mark that keeps them out, not the judge."""
        attack = next(attack for attack in ATTACKS if attack.id == "fence-ours")
        request = planted(attack, OURS, PAIRS[0])[0]
        message = request.messages[0]["content"]
        assert not obedient(message).obeyed
        assert obedient(message.replace(request.mark, "0123456789abcdef")).obeyed
