"""Simulated annotators: programs that play people of different skill, and are marked as simulated everywhere.

They work as people do, through the queue: take a comparison, see its responses in the order shown, submit.
"""

import random
import uuid
from dataclasses import dataclass

from deploy.demo.helpdesk import true_ranking
from feedback.actions.assignments import take_next
from feedback.actions.guidelines import mark_read
from feedback.actions.judgments import submit_judgment
from feedback.answers import Verdict
from feedback.models import Outcome, Project, Rater, RaterKind
from feedback.queries.comparisons import response_texts
from feedback.queries.guidelines import current_guideline

SKILL = {
    "Amina": 0.97,
    "Bruno": 0.95,
    "Chloé": 0.92,
    "Dmitri": 0.88,
    "Esther": 0.75,
}  # share judged with care
SKIPPED = 0.01


@dataclass
class Annotator:
    """One simulated person. Where they are careless, they answer any of the three verdicts at random."""

    rater: Rater
    skill: float
    chance: random.Random

    def judge_next(self) -> bool:
        """Judge one comparison; False when the queue has nothing for this person."""
        assignment = take_next(rater=self.rater)
        if assignment is None:
            return False
        comparison = assignment.comparison
        submit_judgment(
            rater=self.rater,
            comparison=comparison,
            submission_id=uuid.UUID(int=self.chance.getrandbits(128), version=4),
            verdict=self._verdict(response_texts(comparison)),
        )
        return True

    def _verdict(self, texts: list[str]) -> Verdict:
        seconds = round(self.chance.lognormvariate(2.2, 0.5), 1)
        if self.chance.random() < SKIPPED:
            return Verdict(outcome=Outcome.SKIPPED, rationale="unsure", seconds=seconds)
        careful = self.chance.random() < self.skill
        ranking = true_ranking(*texts) if careful else self.chance.choice(((1, 2), (2, 1), (1, 1)))
        return Verdict(ranking=ranking, seconds=seconds)


def hire(project: Project, seed: int) -> list[Annotator]:
    """The simulated annotators as raters of the project, who have read its guidelines."""
    guideline = current_guideline(project)
    people = []
    for name, skill in SKILL.items():
        rater = Rater.objects.create(project=project, kind=RaterKind.HUMAN, name=name, simulated=True)
        if guideline:
            mark_read(rater=rater, version=guideline.version)
        people.append(Annotator(rater=rater, skill=skill, chance=random.Random(f"{seed}:{name}")))
    return people


def work_through_queue(annotators: list[Annotator]) -> int:
    """Let everybody judge in turn until nobody finds anything to do; the number of answers."""
    answers = 0
    while annotators:
        annotators = [annotator for annotator in annotators if annotator.judge_next()]
        answers += len(annotators)
    return answers
