"""What is promised of labels on judges' word holds in simulation; what is not shown is not promised."""

import gc
import weakref

import numpy as np
import pytest

from alignment.policy.basis import learn
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.policy.labels import REASONS, USED
from alignment.policy.study import Study
from alignment.policy.verdicts import ALL, Ground
from alignment.statistics.intervals import Resampling
from tests.alignment.policy.worlds import World
from tests.bench.policy import allowed, simulated

QUICK = Resampling(30)
SPLITS = 40  # `make bench-agreement` does 500


def learnt_on(document, verdicts, ground=None):
    return learn(document, Study(verdicts, ground=ground, resampling=QUICK), intervals=False)


@pytest.mark.parametrize("max_error", [0.155, 0.22])
def test_people_contradict_more_than_tolerated_no_more_often_than_promised(max_error):
    """Of all judges' labels of this world people contradict 16 %: a little more than the first document tolerates."""
    found = simulated(World(1200, seed=4, skill=(0.93, 0.9)), max_error, SPLITS)
    assert found.used > (SPLITS / 4 if max_error > 0.2 else -1)  # what uses nothing keeps its promise too
    assert found.beyond <= allowed(SPLITS, 0.1)


def test_a_slice_on_which_judges_are_bad_goes_to_people():
    world, document = World(4000, seed=1), PolicyDocument(max_error=0.2, epsilon=0.5)
    asked = world.prompts % 4 == 0
    verdicts = world.verdicts(asked)
    learnt = learnt_on(document, verdicts)
    labels = decide(document, learnt.basis, verdicts)
    alone = (labels.people == 0) & (labels.decision == USED)
    assert alone[~world.hard].sum() > 1000
    assert not alone[world.hard].any()
    assert learnt.guarantees["hard"].threshold is None
    assert learnt.guarantees["hard"].own


def test_what_is_not_shown_says_how_many_more_it_takes_and_so_many_do():
    world, document = World(4000, seed=2), PolicyDocument(max_error=0.1, epsilon=0.3)
    few = np.isin(world.prompts, np.random.default_rng(0).choice(2000, 60, replace=False))
    short = learnt_on(document, world.verdicts(few, slices=False)).guarantees[ALL]
    assert short.threshold is None
    assert short.needed > 0
    enough = np.isin(
        world.prompts, np.random.default_rng(0).choice(2000, 4 * (60 + short.needed), replace=False)
    )
    assert learnt_on(document, world.verdicts(enough, slices=False)).guarantees[ALL].threshold is not None


def test_no_comparison_has_a_say_in_its_own_label_on_the_calibration_set():
    """Turning what people say of one fold changes no label of judges and no trust on that fold, only what is wrong."""
    world, document = World(1000, seed=3), PolicyDocument(max_error=0.3, epsilon=0.3)
    asked = world.prompts % 2 == 0
    before = learnt_on(document, world.verdicts(asked, slices=False)).calibration
    study = Study(world.verdicts(asked, slices=False), resampling=QUICK)
    held = study.view(document).fold == 0
    world.people[:, held] = 1 - world.people[:, held]
    after = learnt_on(document, world.verdicts(asked, slices=False)).calibration
    inside = held[before.comparison]
    assert np.array_equal(before.comparison[inside], after.comparison[held[after.comparison]])
    assert np.array_equal(before.posterior[inside], after.posterior[held[after.comparison]])
    assert np.array_equal(before.confidence[inside], after.confidence[held[after.comparison]])
    assert np.array_equal(before.wrong[inside], 1 - after.wrong[held[after.comparison]])


def test_what_people_were_asked_because_it_is_doubtful_shows_nothing():
    world, document = World(1000, seed=3), PolicyDocument(max_error=0.3, epsilon=0.3)
    asked = world.prompts % 2 == 0
    verdicts = world.verdicts(asked, slices=False)
    every = learnt_on(document, verdicts)
    ground = np.where(np.arange(world.n) % 4 == 0, Ground.GAIN, Ground.OTHER)
    fair = learnt_on(document, verdicts, ground)
    assert fair.calibration.n < every.calibration.n
    assert not (ground[fair.calibration.comparison] == Ground.GAIN).any()
    drawn = learnt_on(PolicyDocument(calibration="drawn", epsilon=0.3), verdicts, ground)
    assert drawn.calibration.n == 0
    labels = decide(document, drawn.basis, verdicts)
    assert {REASONS[reason] for reason in labels.reason[labels.people == 0]} == {"not_proven"}


def test_a_study_keeps_one_view():
    """The editor's page holds a study while fields are moved; each view has the judgments once more."""
    study = Study(World(100, seed=0).verdicts(np.ones(100, bool)), resampling=QUICK)
    document = PolicyDocument()
    first = weakref.ref(study.view(document))
    assert study.view(document) is first()
    study.view(PolicyDocument(slices=()))
    gc.collect()
    assert first() is None


def test_without_people_nothing_is_shown_and_nothing_used():
    world, document = World(200, seed=0), PolicyDocument()
    verdicts = world.verdicts(np.zeros(world.n, bool))
    learnt = learnt_on(document, verdicts)
    assert learnt.calibration.n == 0
    assert learnt.guarantees[ALL].needed == 29
    assert not (decide(document, learnt.basis, verdicts).decision == USED).any()


def test_judges_of_one_family_are_one_voice():
    from alignment.policy.verdicts import RaterFacts

    world = World(2000, seed=5)
    verdicts = world.verdicts(world.prompts % 2 == 0, slices=False)
    facts = [RaterFacts()] * 3 + [RaterFacts(family="a"), RaterFacts(family="a"), RaterFacts(family="b")]
    sure = {}
    for most in (1.0, None):
        document = PolicyDocument(max_error=None, epsilon=0.4, max_family_votes=most)
        basis = learn(document, Study(verdicts, facts, resampling=QUICK), intervals=False).basis
        labels = decide(document, basis, verdicts)
        sure[most] = labels.margin[(labels.people == 0) & (labels.judges == 3)].max()
    assert sure[1.0] < sure[None]


@pytest.mark.parametrize("combine", ["weighed", "majority"])
def test_confidence_is_what_people_bear_out(combine):
    world = World(6000, seed=6)
    document = PolicyDocument(max_error=None, epsilon=0.4, combine=combine)
    asked = world.prompts % 3 == 0
    verdicts = world.verdicts(asked, slices=False)
    labels = decide(document, learnt_on(document, verdicts).basis, verdicts)
    alone = (labels.people == 0) & (labels.judges > 0)
    right = labels.ranking[alone] == world.reference[alone]
    assert labels.confidence[alone].mean() == pytest.approx(right.mean(), abs=0.03)
