"""The policy: documents, certificates and the decision on every comparison."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.policy.basis import learn
from alignment.policy.certificates import Certificate, certify, gather
from alignment.policy.decisions import decide as decide_by
from alignment.policy.document import PolicyDocument, PolicyError
from alignment.policy.study import Study
from alignment.policy.verdicts import ALL, Adjudication, Verdicts
from alignment.statistics.intervals import Resampling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, encode

QUICK = Resampling(50)
A, B, BOTH = (1, 2), (2, 1), (1, 1)
PEOPLE, GOOD, BAD = (0, 1, 2), 3, 4


def verdicts_of(rows, slices=None, ids=None, people=3, raters=5):
    """Rows of (comparison, rater, ranking or None); judgment ids count from 100; one prompt a comparison."""
    comparison, rater, rankings = zip(*rows, strict=True)
    encoded = encode(rankings)
    n = max(comparison) + 1
    return Verdicts(
        comparison_ids=np.arange(n) if ids is None else np.array(ids),
        prompts=np.arange(n),
        slices={name: np.isin(np.arange(n), members) for name, members in (slices or {}).items()},
        people=np.arange(raters) < people,
        judgment_ids=np.arange(100, 100 + len(rows)),
        comparison=np.array(comparison),
        rater=np.array(rater),
        verdict=encoded.codes,
        rankings=encoded.rankings,
    )


def certificate(judge, trusted=True, slice_name=ALL):
    nothing = Statistic.undefined("not measured", 0)
    return Certificate(judge, slice_name, trusted, "", "", None, nothing, nothing)


def certify_judges(document, verdicts, resampling=QUICK):
    """What the judges' certificates are, as (judge, slice)."""
    return list(learn(document, Study(verdicts, resampling=resampling)).basis.certificates)


class Certified(Study):
    """A study in which the judges' certificates are given, whatever people say of them."""

    def __init__(self, verdicts, certificates):
        super().__init__(verdicts, resampling=QUICK)
        self.given = certificates

    def view(self, document):
        view = super().view(document)
        view.certificates = lambda document, fold, intervals: self.given
        return view


def decide(document, certificates, verdicts, adjudications=()):
    """The labels under certificates that are given."""
    learnt = learn(document, Certified(verdicts, certificates))
    return list(decide_by(document, learnt.basis, verdicts, adjudications))


# No guarantee is asked: what judges say alone counts from the same confidence on as what people say.
FREE = PolicyDocument(max_error=None)

# Twenty comparisons on which everybody agrees, so that all raters are known to be good.
BASE = [(item, rater, A if item % 2 else B) for item in range(20) for rater in (*PEOPLE, GOOD)]


def decide_last(rows, document=None, trusted=(GOOD,), **kwargs):
    """The decision on comparison 20, after the twenty clear ones."""
    verdicts = verdicts_of([*BASE, *((20, rater, ranking) for rater, ranking in rows)], **kwargs)
    certificates = [certificate(judge) for judge in trusted]
    return decide(document or FREE, certificates, verdicts)[20]


class TestDocument:
    def test_json_round_trip_is_canonical(self):
        document = PolicyDocument.from_json('{"q": 0.1, "epsilon": 0, "conflict": "drop"}')
        assert document == PolicyDocument(epsilon=0.0, q=0.1, conflict="drop")
        assert PolicyDocument.from_json(document.to_json()) == document
        assert json.loads(document.to_json())["epsilon"] == 0.0
        assert document.sha256() == PolicyDocument(q=0.1, epsilon=0, conflict="drop").sha256()
        assert document.sha256() != PolicyDocument().sha256()
        assert len(document.sha256()) == 64

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "not valid JSON"),
            ("[]", "must be a JSON object"),
            ('{"min_confidense": 1}', "min_confidense is not a field of a policy; the fields are slices"),
            ('{"epsilon": 1}', "epsilon must be a number at least 0 and below 1, not 1"),
            ('{"epsilon": true}', "epsilon must be a number"),
            ('{"q": 0}', "q must be a number above 0 and below 1, not 0"),
            ('{"q": NaN}', "q must be a number"),
            (
                '{"min_winning_rate": 1.5}',
                "min_winning_rate must be a number at least 0 and at most 1, not 1.5",
            ),
            ('{"min_agreement_low": "0.5"}', "min_agreement_low must be a number"),
            ('{"min_confidence": 0.5}', "min_confidence must be a number above 0.5 and below 1, not 0.5"),
            ('{"max_error": 0.0005}', "max_error must be a number at least 0.001 and below 1, not 0.0005"),
            ('{"min_items": 1}', "min_items must be a whole number of 2 or more, not 1"),
            ('{"min_items": 2.5}', "min_items must be a whole number"),
            ('{"min_items": true}', "min_items must be a whole number"),
            (
                '{"conflict": "flip"}',
                "conflict must be one of people_win, adjudicate, route, drop, not 'flip'",
            ),
            ('{"ties": null}', "ties must be one of keep, drop, not None"),
            ('{"unjudged": ["drop"]}', "unjudged must be one of route, drop"),
            ('{"slices": ["a\\u0000"]}', "slices can not be stored: it contains a NUL character"),
        ],
    )
    def test_a_wrong_field_is_named_with_what_it_may_be(self, text, sentence):
        with pytest.raises(PolicyError) as error:
            PolicyDocument.from_json(text)
        assert sentence in str(error.value)

    @pytest.mark.parametrize(
        "text", ['{"min_winning_rate": 1}', '{"min_winning_rate": 0}', '{"epsilon": 0.0}']
    )
    def test_closed_ends_are_allowed(self, text):
        assert PolicyDocument.from_json(text)


def test_columns_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="one judgment on a comparison"):
        verdicts_of([(0, 0, A), (0, 0, B)])
    good = verdicts_of([(0, 0, A)])
    with pytest.raises(ValueError, match="same length"):
        replace(good, rater=np.array([0, 1]))
    with pytest.raises(ValueError, match="same length"):
        replace(good, prompts=np.array([0, 1]))


def simulate(n=200, judge_skill=0.9, people=3, seed=0):
    """People of skill .9 and a judge, which is right on nearly all comparisons of even number."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    rows = []
    for item in range(n):
        skills = [(rater, 0.9) for rater in range(people)] + [(GOOD, 0.97 if item % 2 == 0 else judge_skill)]
        for rater, skill in skills:
            right = rng.random() < skill
            rows.append((item, rater, A if (truth[item] == 0) == right else B))
    return truth, rows


class TestCertificates:
    def test_a_judge_is_trusted_only_where_it_is_good(self):
        _, rows = simulate(400, judge_skill=0.3)
        slices = {"even": range(0, 400, 2), "odd": range(1, 400, 2), "unseen": []}
        certificates = certify_judges(PolicyDocument(), verdicts_of(rows, slices), QUICK)
        assert [(c.judge, c.slice, c.trusted, c.reason) for c in certificates] == [
            (GOOD, ALL, False, "low_winning_rate"),
            (GOOD, "even", True, "trusted"),
            (GOOD, "odd", False, "low_winning_rate"),
        ]
        even = certificates[1]
        assert even.winning_rate == 1
        assert even.advantage_probability.low > 0.8
        assert (even.agreement.n, even.agreement.excluded) == (200, 0)
        assert even.sentence.startswith(
            "Trusted: it may replace 3 of 3 people (winning rate 1.00), agreement with"
        )
        assert "the policy asks 0.50)" in certificates[0].sentence

    def test_too_few_items_say_how_many_are_missing(self):
        _, rows = simulate(20)
        result = certify(PolicyDocument(), gather(PolicyDocument(), verdicts_of(rows), GOOD, ALL))
        assert (result.trusted, result.reason, result.winning_rate) == (False, "too_few_items", None)
        assert "each share 30 comparisons" in result.sentence
        assert result.sentence.endswith("the third still needs 10.")

    def test_too_few_people_say_how_many_there_are(self):
        _, rows = simulate(50, people=2)
        result = certify(PolicyDocument(), gather(PolicyDocument(), verdicts_of(rows), GOOD, ALL))
        assert (result.trusted, result.reason) == (False, "too_few_people")
        assert result.sentence.endswith("there are 2.")

    def test_agreement_must_surely_be_high_enough(self):
        _, rows = simulate(60)
        document = PolicyDocument(min_agreement_low=0.98)
        result = certify(document, gather(document, verdicts_of(rows), GOOD, ALL))
        assert (result.trusted, result.reason) == (False, "low_agreement")
        assert "begin at 0.98" in result.sentence

    def test_one_prompt_gives_no_interval_and_no_trust(self):
        _, rows = simulate(60)
        verdicts = replace(verdicts_of(rows), prompts=np.zeros(60, dtype=int))
        result = certify(PolicyDocument(), gather(PolicyDocument(), verdicts, GOOD, ALL))
        assert (result.trusted, result.reason) == (False, "agreement_undefined")
        assert "one cluster only" in result.sentence

    def test_missing_verdicts_are_excluded_not_coerced(self):
        _, rows = simulate(100)
        rows = [(i, r, None if r == GOOD and i < 7 else ranking) for i, r, ranking in rows]
        evidence = gather(PolicyDocument(), verdicts_of(rows), GOOD, ALL, QUICK)
        assert evidence.test.advantage_probability.excluded == 7
        assert (evidence.agreement.n, evidence.agreement.excluded) == (93, 7)

    def test_a_judge_without_a_verdict_has_no_certificate(self):
        assert certify_judges(PolicyDocument(), verdicts_of([(0, 0, A), (0, GOOD, None)])) == []


class TestTrust:
    def trusted(self, tags, certificates):
        """Does the judge's lone verdict on comparison 20 count, under these tags?"""
        verdicts = verdicts_of([*BASE, (20, GOOD, A)], slices={tag: [20] for tag in tags} | {"other": [1]})
        decision = decide(
            PolicyDocument(), [certificate(GOOD, t, s) for s, t in certificates.items()], verdicts
        )
        return bool(decision[20].sources)

    @pytest.mark.parametrize(
        ("tags", "certificates", "counts"),
        [
            ([], {ALL: True}, True),
            ([], {ALL: False, "other": True}, False),
            ([], {}, False),
            (["math"], {"math": True, ALL: False}, True),
            (["math"], {"math": False, ALL: True}, False),
            (["math"], {ALL: True}, True),
            (["math"], {"other": True}, False),
            (["math", "hard"], {"math": True, "hard": True}, True),
            (["math", "hard"], {"math": True, "hard": False, ALL: True}, False),
            (["math", "hard"], {"math": True, ALL: True}, True),
        ],
    )
    def test_a_judge_counts_where_it_is_trusted_on_every_tag(self, tags, certificates, counts):
        assert self.trusted(tags, certificates) is counts


class TestDecisions:
    def test_people_who_agree_make_a_label(self):
        label = decide_last([(0, A), (1, A)])
        assert (label.decision, label.ranking, label.reason) == ("used", A, "people")
        assert label.weight == label.confidence > 0.9
        assert label.sources == (180, 181)
        assert label.sentence == f"By 2 people, with a confidence of {label.confidence:.3f}."

    def test_people_and_trusted_judges_together(self):
        label = decide_last([(0, B), (GOOD, B)])
        assert (label.decision, label.ranking, label.reason) == ("used", B, "people_and_judges")
        assert label.sentence.startswith("By 1 person and 1 trusted judge, ")

    def test_a_trusted_judge_alone_labels(self):
        label = decide_last([(GOOD, B)])
        assert (label.decision, label.ranking, label.reason) == ("used", B, "judges")

    def test_an_untrusted_judge_never_counts(self):
        label = decide_last([(0, A), (1, A), (BAD, B)])
        assert (label.decision, label.ranking, label.sources) == ("used", A, (180, 181))
        alone = decide_last([(BAD, B)])
        assert (alone.decision, alone.reason, alone.ranking) == ("routed", "no_trusted_verdict", None)
        assert (alone.confidence, alone.weight, alone.sources) == (None, 0.0, ())

    @pytest.mark.parametrize(("unjudged", "decision"), [("route", "routed"), ("drop", "dropped")])
    def test_no_verdict_follows_the_policy(self, unjudged, decision):
        label = decide_last([(0, None), (GOOD, None)], PolicyDocument(max_error=None, unjudged=unjudged))
        assert (label.decision, label.reason, label.sources) == (decision, "no_verdict", ())

    def test_a_missing_verdict_is_not_a_tie(self):
        with_missing = decide_last([(0, A), (1, A), (2, None)])
        assert with_missing == decide_last([(0, A), (1, A)])

    def test_even_disagreement_goes_to_people(self):
        label = decide_last([(0, A), (1, B)])
        assert (label.decision, label.reason, label.ranking) == ("routed", "low_confidence", None)
        assert label.confidence <= 0.5
        assert label.weight == 0
        assert "below the policy's 0.800" in label.sentence

    @pytest.mark.parametrize(
        ("conflict", "decision", "reason"),
        [
            ("route", "routed", "conflict"),
            ("drop", "dropped", "conflict"),
            ("people_win", "used", "people_win"),
        ],
    )
    def test_judges_against_a_majority_of_people(self, conflict, decision, reason):
        rows = [(0, A), (1, A), (GOOD, B)]
        label = decide_last(rows, PolicyDocument(max_error=None, conflict=conflict))
        assert (label.decision, label.reason) == (decision, reason)
        assert label.ranking == (A if conflict == "people_win" else None)
        assert label.sources == ((180, 181) if conflict == "people_win" else (180, 181, 182))
        if conflict == "people_win":
            assert label.confidence == pytest.approx(decide_last(rows[:2]).confidence, abs=1e-4)

    def test_one_person_against_one_judge_is_weighed_not_ruled(self):
        assert decide_last([(0, A), (GOOD, B)]).reason == "low_confidence"

    def test_split_judges_contradict_nobody(self):
        rows = [(0, A), (1, A), (2, A), (GOOD, B), (BAD, A)]
        label = decide_last(rows, trusted=(GOOD, BAD))
        assert (label.decision, label.ranking) == ("used", A)

    def test_ties_are_kept_or_dropped(self):
        rows = [(rater, BOTH) for rater in PEOPLE]
        kept = decide_last(rows)
        assert (kept.decision, kept.ranking) == ("used", BOTH)
        dropped = decide_last(rows, PolicyDocument(max_error=None, ties="drop"))
        assert (dropped.decision, dropped.reason, dropped.ranking) == ("dropped", "tie", None)
        assert decide_last([(0, A), (1, A)], PolicyDocument(max_error=None, ties="drop")).decision == "used"

    def test_longer_rankings_are_labelled_and_compared_as_a_whole(self):
        agreed = decide_last([(0, (1, 3, 2)), (1, (1, 3, 2)), (GOOD, (1, 3, 2))])
        assert (agreed.decision, agreed.ranking) == ("used", (1, 3, 2))
        contradicted = decide_last([(0, (1, 3, 2)), (1, (1, 3, 2)), (GOOD, (1, 2, 2))])
        assert (contradicted.decision, contradicted.reason) == ("routed", "conflict")
        with pytest.raises(ValueError, match="same number of responses"):
            decide_last([(0, (1, 3, 2)), (1, A)])

    def test_people_alone_need_no_judge(self):
        labels = decide(PolicyDocument(), [], verdicts_of([(0, 0, A), (0, 1, A), (1, 0, B)], raters=3))
        assert [label.comparison for label in labels] == [0, 1]

    def test_nothing_given_nothing_decided(self):
        empty = np.zeros(0, dtype=np.int64)
        nothing = Verdicts(
            empty, empty, {}, np.zeros(0, bool), empty, empty, empty, empty, encode([]).rankings
        )
        assert decide(PolicyDocument(), [], nothing) == []
        assert certify_judges(PolicyDocument(), nothing) == []


rankings = st.sampled_from([A, B, BOTH, None])
projects = st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 4)), rankings, min_size=1, max_size=40)


@given(projects, st.randoms())
def test_labels_do_not_depend_on_the_order_of_the_input(given_rows, random):
    rows = [(item, rater, ranking) for (item, rater), ranking in given_rows.items()]
    slices = {"even": range(0, 10, 2)}
    certificates = [certificate(GOOD), certificate(BAD, True, "even")]
    verdicts = verdicts_of(rows, slices)
    ours = decide(PolicyDocument(), certificates, verdicts)
    assert decide(PolicyDocument(), certificates, verdicts) == ours
    order = np.array(random.sample(range(len(rows)), len(rows)))
    place = np.array(random.sample(range(verdicts.count), verdicts.count))
    back = np.argsort(place)
    shuffled = Verdicts(
        comparison_ids=verdicts.comparison_ids[back],
        prompts=verdicts.prompts[back],
        slices={name: mask[back] for name, mask in verdicts.slices.items()},
        people=verdicts.people,
        judgment_ids=verdicts.judgment_ids[order],
        comparison=place[verdicts.comparison[order]],
        rater=verdicts.rater[order],
        verdict=verdicts.verdict[order],
        rankings=verdicts.rankings,
    )
    assert decide(PolicyDocument(), certificates, shuffled) == ours


@given(projects)
def test_every_comparison_gets_one_decision_that_holds_together(given_rows):
    rows = [(item, rater, ranking) for (item, rater), ranking in given_rows.items()]
    verdicts = verdicts_of(rows)
    labels = decide(PolicyDocument(), [certificate(GOOD)], verdicts)
    assert [label.comparison for label in labels] == list(range(verdicts.count))
    for label in labels:
        used = label.decision == "used"
        assert (label.ranking is not None) is used
        assert label.weight == (label.confidence if used else 0)
        assert (label.confidence is None) is (not label.sources)
        assert label.sentence.endswith(".")
        assert len(label.sentence) <= 300
        if used:
            assert label.confidence >= 0.8


@given(projects, st.lists(st.booleans(), min_size=10, max_size=10))
def test_exchanging_the_responses_exchanges_the_label(given_rows, swapped):
    other = {A: B, B: A, BOTH: BOTH, None: None}
    rows = [(item, rater, ranking) for (item, rater), ranking in given_rows.items()]
    turned = [(i, r, other[ranking] if swapped[i] else ranking) for i, r, ranking in rows]
    ours = decide(PolicyDocument(), [certificate(GOOD)], verdicts_of(rows))
    theirs = decide(PolicyDocument(), [certificate(GOOD)], verdicts_of(turned))
    for label, mirrored in zip(ours, theirs, strict=True):
        assert mirrored.decision == label.decision
        assert mirrored.ranking == (other[label.ranking] if swapped[label.comparison] else label.ranking)


def test_labels_beat_pooling_where_a_judge_is_biased():
    """A judge that is mostly wrong on odd comparisons: the policy finds out and leaves it aside there."""
    truth, rows = simulate(600, judge_skill=0.3)
    sparse = [(i, r, ranking) for i, r, ranking in rows if r == GOOD or i < 300 or r == i % 3]
    verdicts = verdicts_of(sparse, slices={"even": range(0, 600, 2), "odd": range(1, 600, 2)})
    document = PolicyDocument()
    labels = decide(document, certify_judges(document, verdicts, QUICK), verdicts)
    used = [label for label in labels if label.decision == "used"]
    wrong = np.mean([label.ranking != (A if truth[label.comparison] == 0 else B) for label in used])
    judge = {i: ranking for i, r, ranking in rows if r == GOOD}
    judge_wrong = np.mean(
        [judge[label.comparison] != (A if truth[label.comparison] == 0 else B) for label in used]
    )
    assert len(used) > 300
    assert wrong < judge_wrong / 2


def test_a_hundred_thousand_comparisons_at_once_are_mostly_right():
    n, rng = 100_000, np.random.default_rng(0)
    truth = rng.choice(3, n, p=[0.45, 0.45, 0.1])
    comparison = np.repeat(np.arange(n), 5)
    rater = np.tile(np.arange(5), n)
    verdict = np.where(rng.random(5 * n) < 0.8, truth[comparison], rng.integers(0, 3, 5 * n))
    verdict[rng.random(5 * n) < 0.4] = MISSING
    verdicts = Verdicts(
        comparison_ids=np.arange(n),
        prompts=np.arange(n) // 2,
        slices={"even": np.arange(n) % 2 == 0},
        people=np.arange(5) < 3,
        judgment_ids=np.arange(5 * n),
        comparison=comparison,
        rater=rater,
        verdict=verdict,
        rankings=encode([]).rankings,
    )
    labels = decide(PolicyDocument(), [certificate(GOOD), certificate(BAD)], verdicts)
    codes = {A: FIRST, B: SECOND}
    right = [codes.get(label.ranking, 2) == truth[label.comparison] for label in labels if label.ranking]
    assert np.mean(right) > 0.93


class TestAdjudications:
    """A reviewer's decision is final, whatever the votes say."""

    def final(self, rows, ranking, document=None):
        verdicts = verdicts_of([*BASE, *((20, rater, said) for rater, said in rows)])
        decided = [Adjudication(comparison=20, judgment=900, ranking=ranking)]
        return decide(document or FREE, [certificate(GOOD)], verdicts, decided)

    def test_it_stands_against_everybody_and_rests_on_itself_alone(self):
        decisions = self.final([(0, A), (1, A), (2, A), (GOOD, A)], B)
        last = decisions[20]
        assert (last.decision, last.ranking, last.reason) == ("used", B, "adjudicated")
        assert (last.sources, last.confidence, last.weight) == ((900,), 1.0, 1.0)
        assert [decision.comparison for decision in decisions] == list(range(21))

    def test_the_votes_on_it_still_tell_how_good_raters_are(self):
        rows = [(0, A), (1, B)]
        verdicts = verdicts_of([*BASE, *((20, rater, said) for rater, said in rows)])
        without = decide(PolicyDocument(), [certificate(GOOD)], verdicts)
        assert self.final(rows, B)[:20] == without[:20]

    def test_a_conflict_and_too_little_confidence_are_settled_by_it(self):
        rows = [(0, A), (1, A), (GOOD, B)]
        assert decide_last(rows, PolicyDocument(max_error=None, conflict="drop")).reason == "conflict"
        assert (
            self.final(rows, B, PolicyDocument(max_error=None, conflict="drop", min_confidence=0.999))[
                20
            ].ranking
            == B
        )

    @pytest.mark.parametrize(
        ("ties", "said"), [("keep", ("used", BOTH, 1.0)), ("drop", ("dropped", None, 0.0))]
    )
    def test_whether_a_tie_is_used_is_the_policys_to_say(self, ties, said):
        last = self.final([(0, A)], BOTH, PolicyDocument(max_error=None, ties=ties))[20]
        assert (last.decision, last.ranking, last.weight) == said
        assert last.sources == (900,)

    def test_a_comparison_that_nobody_else_judged_is_labelled_by_it(self):
        verdicts = verdicts_of(BASE)
        decisions = decide(PolicyDocument(), [], verdicts, [Adjudication(-1, 900, (2, 1, 3))])
        assert (decisions[0].comparison, decisions[0].ranking, len(decisions)) == (-1, (2, 1, 3), 21)
