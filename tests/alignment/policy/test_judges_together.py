"""What judges say together is no worse for more of them, and the surer it is the less often it is wrong."""

import numpy as np
import pytest

from alignment.policy.basis import learn
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.policy.study import Study
from alignment.policy.verdicts import Drift, RaterFacts
from alignment.statistics.intervals import Resampling
from tests.alignment.policy.worlds import PEOPLE, World

SKILL = (0.93, 0.9, 0.8)
SHARES = (0.3, 0.6, 0.9)


def labels_of(world, facts=(), document=None):
    """The labels of a world of which people judged 200 prompts at random."""
    asked = np.isin(world.prompts, np.random.default_rng(7).choice(world.n // 2, 200, replace=False))
    verdicts = world.verdicts(asked, slices=False)
    document = document or PolicyDocument(max_error=None, epsilon=0.3)
    study = Study(verdicts, facts, resampling=Resampling(30))
    return decide(document, learn(document, study, intervals=False).basis, verdicts)


def errors(world, **known):
    """How often the labels of judges alone are wrong, over the surest shares of them."""
    labels = labels_of(world, **known)
    alone = np.flatnonzero((labels.people == 0) & (labels.judges > 0))
    surest = alone[np.argsort(-labels.confidence[alone], kind="stable")]
    wrong = labels.ranking[surest] != world.truth[surest]
    return np.array([wrong[: int(share * len(wrong))].mean() for share in SHARES])


def world_with(n, *more):
    """Two worlds that differ by the verdicts of ``more`` judges, right as often as they say, independently."""
    plain, other = World(n, seed=11, skill=SKILL), World(n, seed=11, skill=SKILL)
    rng = np.random.default_rng(12)
    said = [np.where(rng.random(n) < right, other.truth, 1 - other.truth) for right in more]
    other.judges = np.vstack([other.judges, *said])
    return plain, other


def test_the_surer_the_less_often_wrong():
    """Of five judges all say the same on a third of the comparisons, three or more on nearly all."""
    found = errors(World(6000, seed=10, skill=(0.9, 0.85, 0.85, 0.8, 0.75)))
    assert found[0] + 0.01 < found[1]
    assert found[1] + 0.01 < found[2]


def test_judges_that_toss_coins_do_no_harm():
    plain, noisy = world_with(6000, 0.5, 0.5, 0.5, 0.5)
    assert (errors(noisy) < errors(plain) + 0.015).all()


def test_a_judge_that_is_mostly_wrong_helps_to_tell_the_sure_from_the_doubtful():
    plain, contrary = world_with(6000, 0.15)
    assert (errors(contrary)[1:] < 0.75 * errors(plain)[1:]).all()


def test_no_worse_than_the_best_judge_alone():
    world = World(6000, seed=13, skill=(0.98, 0.6, 0.6, 0.6, 0.6))
    best = (world.judges != world.truth).mean(axis=1).min()
    labels = labels_of(world)
    alone = (labels.people == 0) & (labels.judges > 0)
    assert (labels.ranking[alone] != world.truth[alone]).mean() < best + 0.01


def test_a_judge_that_is_not_trusted_makes_no_label_but_is_heard():
    """The last judge is wrong more often than not, and so never trusted."""
    _, world = world_with(2000, 0.3)
    last = PEOPLE + len(SKILL)
    labels = labels_of(world)
    alone = np.flatnonzero((labels.people == 0) & (labels.judges > 0))
    sentences = labels.sentences()
    for at in alone.tolist():
        raters = labels.raters[labels.starts[at] : labels.starts[at + 1]]
        assert last in raters
        trusted = world.judges[raters[: labels.judges[at]] - PEOPLE, at]
        assert labels.ranking[at] in trusted
        assert " in view of " in sentences[at]


@pytest.mark.parametrize(
    ("fact", "asked"),
    [
        ({"drift": Drift(0.0, "It changed.")}, {}),
        ({"attack_rate": 0.5}, {"max_attack_rate": 0.1}),
        ({}, {"max_attack_rate": 0.9}),
        ({"consistency": {"all": 0.2}}, {"min_consistency": 0.5}),
    ],
)
def test_a_judge_that_does_not_withstand_what_is_asked_is_not_heard(fact, asked):
    plain, world = world_with(2000, 0.3)
    fine = RaterFacts(attack_rate=0.0, consistency={"all": 1.0})
    facts = [*[RaterFacts()] * PEOPLE, *[fine] * len(SKILL)]
    document = PolicyDocument(max_error=None, epsilon=0.3, **asked)
    without = labels_of(plain, facts, document)
    labels = labels_of(world, [*facts, RaterFacts(**fact)], document)
    assert PEOPLE + len(SKILL) not in labels.raters
    assert np.array_equal(labels.confidence, without.confidence, equal_nan=True)


def test_a_near_copy_of_the_best_judge_does_not_weaken_its_word():
    """The two are of one family, whose votes are capped: the weights are learnt of votes that are capped too."""
    world = World(6000, seed=14, skill=(0.9, 0.8))
    copied = np.where(np.random.default_rng(15).random(6000) < 0.98, world.judges[0], 1 - world.judges[0])
    world.judges = np.vstack([world.judges, copied])
    families = [None] * PEOPLE + ["acme", "other", "acme"]
    labels = labels_of(world, [RaterFacts(family=name) for name in families])
    alone = (labels.people == 0) & (labels.judges > 0)
    best = (world.judges[0] != world.truth).mean()
    assert (labels.ranking[alone] != world.truth[alone]).mean() < best + 0.01
