"""What a project waits for, read from its real state: the first thing that would move its loop on comes first."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.queries import LoopCounts
from feedback.models import Project
from feedback.permissions import Permission


@dataclass(frozen=True)
class Step:
    """One thing to do: why, and the page or the command that does it. ``needs`` is who may."""

    sentence: str
    needs: Permission
    view: str = ""
    button: str = ""
    command: str = ""


def next_steps(project: Project, counts: LoopCounts, allowed: frozenset[Permission]) -> list[Step]:
    """At most three things to do, the most useful first, of those that this person may do."""
    return [step for step in _steps(project, counts) if step.needs in allowed][:3]


def _steps(project: Project, counts: LoopCounts) -> Iterator[Step]:
    if not counts.store.comparisons:
        yield Step(
            "Nothing has been imported yet. Bring in prompts with their responses, and judgments if you have any.",
            Permission.ENGINEER,
            "alignment:imports",
            "Import a file",
            command=f"python manage.py import_feedback FILE --project {project.slug}",
        )
        return
    yield from _judging(counts)
    yield from _labelling(counts)
    yield from _training(counts)


def _judging(counts: LoopCounts) -> Iterator[Step]:
    if counts.store.open_slots:
        yield Step(
            f"{_many(counts.store.open_slots, 'judgment')} {_are(counts.store.open_slots)} still wanted from people.",
            Permission.ANNOTATE,
            "feedback:annotate",
            "Annotate",
        )
    if not counts.judges and not counts.store.ai_judgments:
        yield Step(
            "No AI judge is set up. With one, agreement says where it may stand in for people.",
            Permission.ENGINEER,
            "judges:judges",
            "Set up a judge",
        )
    elif not counts.store.ai_judgments and not counts.judge_runs_unfinished:
        yield Step(
            f"{_many(counts.judges, 'judge')} {_are(counts.judges)} set up and none has run yet.",
            Permission.ENGINEER,
            "judges:judges",
            "Run a judge",
        )


def _labelling(counts: LoopCounts) -> Iterator[Step]:
    if not counts.store.human_judgments + counts.store.ai_judgments:
        return
    if not counts.labels_in_all:
        yield Step(
            "There are judgments and no labels: apply a policy to decide which of them may train a model.",
            Permission.ENGINEER,
            "alignment:labels",
            "Apply a policy",
        )
        return
    if counts.labels["routed"]:
        yield Step(
            f"{_many(counts.labels['routed'], 'label')} {_are(counts.labels['routed'])} routed to people: "
            "agreement does not carry them yet. Apply the policy again once their judgments are in.",
            Permission.REVIEW,
            "alignment:labels",
            "See which",
        )
    if counts.labels["used"] and not counts.snapshots:
        yield Step(
            f"{_many(counts.labels['used'], 'label')} can train a model: freeze a snapshot of them.",
            Permission.ENGINEER,
            "alignment:snapshots",
            "Freeze a snapshot",
        )


def _training(counts: LoopCounts) -> Iterator[Step]:
    if counts.runs_to_resume:
        yield Step(
            f"{_many(counts.runs_to_resume, 'run')} {_were(counts.runs_to_resume)} interrupted and can go on from a "
            "checkpoint.",
            Permission.ENGINEER,
            "trainer:runs",
            "Resume",
        )
    if counts.snapshots and not counts.snapshot_used:
        yield Step(
            "The newest snapshot is frozen and has trained nothing yet.",
            Permission.ENGINEER,
            "trainer:runs",
            "Start a run",
        )
    if counts.models_unevaluated:
        yield Step(
            f"{_many(counts.models_unevaluated, 'model version')} {_are(counts.models_unevaluated)} not yet compared "
            "with the base.",
            Permission.ENGINEER,
            "trainer:models",
            "Evaluate",
        )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}".replace(",", "\u202f")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
