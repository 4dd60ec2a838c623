"""What labels say, and the numbers that tell them apart."""

from dataclasses import replace

import numpy as np

from alignment.policy.decisions import _taken
from alignment.policy.document import PolicyDocument
from alignment.policy.labels import REASONS, ROUTED, USED, Labels


def labels_of(confidence, *, reason, decision=USED, threshold=0.8, people=1, judges=1, max_error=0.1):
    """Labels on pairs without sources, of these confidences and otherwise alike."""
    n = len(confidence)

    def column(value):
        return np.broadcast_to(np.asarray(value), n).copy()

    return Labels(
        document=PolicyDocument(max_error=max_error),
        comparison_ids=np.arange(n),
        decision=column(decision),
        reason=column([REASONS.index(name) for name in np.atleast_1d(reason)]),
        ranking=column(0),
        rankings=[(1, 2)],
        confidence=np.asarray(confidence, dtype=np.float64),
        margin=column(1.0),
        threshold=column(threshold).astype(np.float64),
        people=column(people),
        judges=column(judges),
        starts=np.zeros(n + 1, dtype=np.int64),
        sources=np.zeros(0, dtype=np.int64),
        raters=np.zeros(0, dtype=np.int64),
    )


def test_a_label_says_the_same_alone_and_among_others():
    """Some of these confidences lie at the edge of a thousandth, some labels have none."""
    rng = np.random.default_rng(0)
    n = 3000
    confidence = np.round(rng.uniform(0.5, 1, n) * 2000) / 2000
    confidence[rng.random(n) < 0.2] = np.nan
    known = np.isfinite(confidence)
    labels = labels_of(
        confidence,
        reason=np.where(known, "low_confidence", "no_verdict"),
        decision=ROUTED,
        threshold=np.where(rng.random(n) < 0.3, np.inf, np.round(rng.uniform(0.5, 1, n), 3)),
        people=rng.integers(0, 3, n),
        judges=rng.integers(0, 3, n),
    )
    alone = [_taken(labels, np.array([place])).sentences()[0] for place in range(n)]
    assert labels.sentences() == alone


def test_labels_that_differ_in_their_reason_alone_have_other_digests():
    labels = labels_of([0.9], reason="people", people=2, judges=0)
    other = replace(labels, reason=np.array([REASONS.index("people_win")]))
    assert labels.sentences() == other.sentences()
    assert labels.digests(labels.sources)[0] != other.digests(labels.sources)[0]


def test_what_is_tolerated_is_said_as_it_was_asked():
    for max_error, said in ((0.005, "at most 0.5% of"), (0.07, "at most 7% of"), (0.29, "at most 29% of")):
        labels = labels_of([0.9], reason="not_proven", decision=ROUTED, max_error=max_error)
        assert said in labels.sentences()[0]
