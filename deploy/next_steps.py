"""What a project waits for, read from its real state: the first thing that would move its loop on comes first."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

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
            _(
                "Nothing has been imported yet. Bring in prompts with their responses, and judgments if you have any."
            ),
            Permission.ENGINEER,
            "alignment:imports",
            _("Import a file"),
            command=f"python manage.py import_feedback FILE --project {project.slug}",
        )
        return
    yield from _judging(counts)
    yield from _labelling(counts)
    yield from _training(counts)


def _judging(counts: LoopCounts) -> Iterator[Step]:
    if counts.store.open_slots:
        yield Step(
            ngettext(
                "%(n)s judgment is still wanted from people.",
                "%(n)s judgments are still wanted from people.",
                counts.store.open_slots,
            )
            % _n(counts.store.open_slots),
            Permission.ANNOTATE,
            "feedback:annotate",
            _("Annotate"),
        )
    if not counts.judges and not counts.store.ai_judgments:
        yield Step(
            _("No AI judge is set up. With one, agreement says where it may stand in for people."),
            Permission.ENGINEER,
            "judges:judges",
            _("Set up a judge"),
        )
    elif not counts.store.ai_judgments and not counts.judge_runs_unfinished:
        yield Step(
            ngettext(
                "%(n)s judge is set up and has not run yet.",
                "%(n)s judges are set up and none has run yet.",
                counts.judges,
            )
            % _n(counts.judges),
            Permission.ENGINEER,
            "judges:judges",
            _("Run a judge"),
        )


def _labelling(counts: LoopCounts) -> Iterator[Step]:
    if not counts.store.human_judgments + counts.store.ai_judgments:
        return
    if not counts.labels_in_all:
        yield Step(
            _("There are judgments and no labels: apply a policy to decide which of them may train a model."),
            Permission.ENGINEER,
            "alignment:labels",
            _("Apply a policy"),
        )
        return
    if counts.labels["routed"]:
        yield Step(
            ngettext(
                "%(n)s label is routed to people: agreement does not carry it yet. Apply the "
                "policy again once its judgments are in.",
                "%(n)s labels are routed to people: agreement does not carry them yet. Apply the "
                "policy again once their judgments are in.",
                counts.labels["routed"],
            )
            % _n(counts.labels["routed"]),
            Permission.REVIEW,
            "alignment:labels",
            _("See which"),
        )
    if counts.labels["used"] and not counts.snapshots:
        yield Step(
            ngettext(
                "%(n)s label can train a model: freeze a snapshot of it.",
                "%(n)s labels can train a model: freeze a snapshot of them.",
                counts.labels["used"],
            )
            % _n(counts.labels["used"]),
            Permission.ENGINEER,
            "alignment:snapshots",
            _("Freeze a snapshot"),
        )


def _training(counts: LoopCounts) -> Iterator[Step]:
    if counts.runs_to_resume:
        yield Step(
            ngettext(
                "%(n)s run was interrupted and can go on from a checkpoint.",
                "%(n)s runs were interrupted and can go on from a checkpoint.",
                counts.runs_to_resume,
            )
            % _n(counts.runs_to_resume),
            Permission.ENGINEER,
            "trainer:runs",
            _("Resume"),
        )
    if counts.snapshots and not counts.snapshot_used:
        yield Step(
            _("The newest snapshot is frozen and has trained nothing yet."),
            Permission.ENGINEER,
            "trainer:runs",
            _("Start a run"),
        )
    if counts.models_unevaluated:
        yield Step(
            ngettext(
                "%(n)s model version is not yet compared with the base.",
                "%(n)s model versions are not yet compared with the base.",
                counts.models_unevaluated,
            )
            % _n(counts.models_unevaluated),
            Permission.ENGINEER,
            "trainer:models",
            _("Evaluate"),
        )


def _n(count: int) -> dict[str, str]:
    return {"n": f"{count:,}".replace(",", "\u202f")}
