"""Which judges are trusted: their tests on all slices are decided together, and a change found is held against q."""

import numpy as np

from alignment.policy.certificates import certify, gather
from alignment.policy.document import PolicyDocument
from alignment.policy.study import Study
from alignment.policy.verdicts import ALL, Drift, RaterFacts, Verdicts
from alignment.statistics.alt_test import across, labels_needed
from alignment.statistics.intervals import Resampling

QUICK = Resampling(50)
JUDGE = 3


def four_slices(seed, n=200):
    """Three people and a judge that is hardly as good, on four slices of fifty."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    said = [np.where(rng.random(n) < skill, truth, 1 - truth) for skill in (0.85, 0.85, 0.85, 0.72)]
    return Verdicts(
        comparison_ids=np.arange(n),
        prompts=np.arange(n),
        slices={f"s{place}": np.arange(n) % 4 == place for place in range(4)},
        people=np.arange(4) < JUDGE,
        judgment_ids=np.arange(4 * n),
        comparison=np.tile(np.arange(n), 4),
        rater=np.repeat(np.arange(4), n),
        verdict=np.concatenate(said),
        rankings=[(1, 2), (2, 1)],
    )


def test_a_judge_does_not_pass_on_one_of_many_slices_by_luck():
    document = PolicyDocument(min_agreement_low=0)
    view = Study(four_slices(28), resampling=QUICK).view(document)
    alone = [gather(document, view.evidence, JUDGE, name, QUICK).test for name in view.names]
    together = [test.winning_rate for test in across(alone, document.q)]
    assert view.names[:2] == (ALL, "s0")
    assert (alone[1].winning_rate, together[1]) == (1.0, 0.0)
    for intervals in (False, True):
        found = view.certificates(document, None, intervals)
        assert [one.winning_rate for one in found] == together
        assert not found[1].trusted
    assert found[1].needed > labels_needed(alone[1]).labels


def test_a_change_takes_the_certificate_away_where_its_p_is_within_q():
    evidence = gather(PolicyDocument(), four_slices(28), JUDGE, ALL, QUICK)
    facts = RaterFacts(drift=Drift(0.03, "it changed."))
    reasons = {q: certify(PolicyDocument(q=q), evidence, facts).reason for q in (0.01, 0.03, 0.05)}
    assert reasons[0.03] == reasons[0.05] == "drifted" != reasons[0.01]
