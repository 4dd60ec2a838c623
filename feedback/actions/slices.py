"""Slice rules: what the comparisons of a tag ask of people instead of the project's default.

Where several tags of a comparison have rules, the largest of their overlaps holds, also where it is smaller than the
project's default, and what they require adds up: the language of one, the skill of another. Two languages, or two
skills, on one comparison would leave it to nobody, so a rule or a row that leads there is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.bulk_jobs import FEW, queue_change
from feedback.actions.slots import AT_ONCE, MOST_PEOPLE, line_changed
from feedback.errors import Refused
from feedback.models import BulkChange, Comparison, Pool, Project, Purpose, QueueItem, SliceRule, Tag
from feedback.people import Person
from feedback.queries.search import ComparisonFilter

APPLY_RULES, OVERLAP_TOO = (
    "apply_rules",
    "overlap",
)  # a worker's verb, and its value where the overlap moves too


@dataclass(frozen=True)
class Asked:
    """What a comparison asks for: so many people, who have this language and this skill; empty asks for none."""

    overlap: int
    language: str = ""
    skill: str = ""


class RulesConflict(ValueError):
    """Tags that ask for two languages or two skills at once; the reason names both."""


class SliceRules:
    """A project's rules, read once. ``asked`` says what a comparison with such tags asks for."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._rules = {rule.tag.name: rule for rule in project.slice_rules.select_related("tag")}
        self._pools: dict[tuple[str, str], int] = {}
        self._asked: dict[frozenset[str], Asked] = {}

    def asked(self, tags: Iterable[str]) -> Asked:
        """RulesConflict where the tags' rules can not be met together."""
        ruled = frozenset(tag for tag in tags if tag in self._rules)
        if ruled not in self._asked:
            self._asked[ruled] = self._met_together(ruled)
        return self._asked[ruled]

    def _met_together(self, tags: Iterable[str]) -> Asked:
        rules = [self._rules[tag] for tag in sorted(tags)]
        overlaps = [rule.overlap for rule in rules if rule.overlap is not None]
        return Asked(
            overlap=max(overlaps, default=self.project.overlap),
            language=_one("languages", {rule.tag.name: rule.language for rule in rules}),
            skill=_one("skills", {rule.tag.name: rule.skill for rule in rules}),
        )

    def pool(self, asked: Asked) -> int:
        """The id of the pool of those comparisons, made on first use."""
        key = (asked.language, asked.skill)
        if key not in self._pools:
            pool, _made = Pool.objects.get_or_create(project=self.project, language=key[0], skill=key[1])
            self._pools[key] = pool.pk
        return self._pools[key]


def plain_name(name: str) -> str:
    """A language or a skill as it is kept, so that what is asked and what people have are written alike."""
    return " ".join(name.split()).lower()


def set_slice_rule(
    *, tag: Tag, by: Person, overlap: int | None = None, language: str = "", skill: str = ""
) -> SliceRule | BulkChange:
    """Make, or change, the rule of a tag, and move the comparisons that have the tag: the rule, or the worker's task
    where more than FEW comparisons move.

    Their overlap moves only where the rule's does, and never below the leases and verdicts there are. Refused: an
    overlap over 9, a rule that asks for nothing, a conflict with another tag's rule on some comparison.
    """
    if overlap is not None and not 0 <= overlap <= MOST_PEOPLE:
        said = _("The overlap is the number of people asked about each comparison, from 0 to %(most)s.")
        raise Refused(said % {"most": MOST_PEOPLE}, field="overlap")
    wanted = {"overlap": overlap, "language": plain_name(language), "skill": plain_name(skill)}
    if overlap is None and not wanted["language"] and not wanted["skill"]:
        raise Refused(
            _("Give an overlap, a language or a skill: this rule asks for nothing."), field="overlap"
        )
    with transaction.atomic():
        project = _locked(tag.project_id)
        _refuse_conflict(project, tag, language=str(wanted["language"]), skill=str(wanted["skill"]))
        before = SliceRule.objects.filter(tag=tag).values_list("overlap", flat=True).first()
        rule, _made = SliceRule.objects.update_or_create(tag=tag, project=project, defaults=wanted)
        record(by=by, verb="set slice rule", target=rule, project=project, tag=tag.name, **wanted)
    return _apply(project, tag, overlap=before != overlap, by=by) or rule


def remove_slice_rule(*, rule: SliceRule, by: Person) -> BulkChange | None:
    """Take a tag's rule away; its comparisons ask for what is left: their other tags' rules, or the default."""
    tag = rule.tag
    with transaction.atomic():
        project = _locked(rule.project_id)
        record(by=by, verb="remove slice rule", target=rule, project=project, tag=tag.name)
        SliceRule.objects.filter(pk=rule.pk).delete()
    return _apply(project, tag, overlap=rule.overlap is not None, by=by)


def apply_slice_rules(comparison_ids: Sequence[int], *, project: Project, overlap: bool = True) -> list[int]:
    """Move these comparisons to where their tags' rules want them, when their tags or rules have changed: those moved.

    ``overlap`` says whether the number of people asked moves too. Comparisons not in the queue stay as they are.
    RulesConflict where a comparison's tags can not be met together; the batches before it have moved.
    """
    moved: list[int] = []
    for start in range(0, len(comparison_ids), AT_ONCE):
        with transaction.atomic():
            moved += _move(
                SliceRules(project), sorted(comparison_ids)[start : start + AT_ONCE], overlap=overlap
            )
    return moved


def _apply(project: Project, tag: Tag, *, overlap: bool, by: Person) -> BulkChange | None:
    """Move a tag's comparisons now where they are few; else a worker does, whose task this is."""
    tagged = Comparison.objects.filter(tags=tag, purpose=Purpose.TRAIN).order_by("pk")
    few = list(tagged.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        apply_slice_rules(few, project=project, overlap=overlap)
        return None
    wanted = ComparisonFilter(tag=tag.name, purpose=Purpose.TRAIN)
    value = OVERLAP_TOO if overlap else ""
    return queue_change(project=project, verb=APPLY_RULES, value=value, wanted=wanted, by=by)


def _move(rules: SliceRules, ids: Sequence[int], *, overlap: bool) -> list[int]:
    tags = tags_of(ids)
    rows = Comparison.objects.select_for_update(no_key=True).filter(pk__in=ids, purpose=Purpose.TRAIN)
    comparisons = {row.pk: row for row in rows.order_by("pk")}
    items = QueueItem.objects.select_for_update().filter(pk__in=comparisons).order_by("pk")
    moved = [
        item for item in items if _moved(item, comparisons[item.pk], rules, tags.get(item.pk, ()), overlap)
    ]
    Comparison.objects.bulk_update([comparisons[item.pk] for item in moved], ["overlap"])
    QueueItem.objects.bulk_update(moved, ["pool_id", "slots_free"])
    if moved:
        line_changed([rules.project.pk])
    return [item.pk for item in moved]


def _moved(
    item: QueueItem, comparison: Comparison, rules: SliceRules, tags: Iterable[str], overlap: bool
) -> bool:
    """Put one into its pool, and let it ask for as many as it should; was it elsewhere?"""
    before = (item.pool_id, comparison.overlap)
    asked = rules.asked(tags)
    item.pool_id = rules.pool(asked)
    if overlap:
        taken = comparison.overlap - item.slots_free
        comparison.overlap = max(asked.overlap, taken)
        item.slots_free = comparison.overlap - taken
    return before != (item.pool_id, comparison.overlap)


def tags_of(comparison_ids: Iterable[int]) -> dict[int, list[str]]:
    """The names of the tags of each of these comparisons that has any."""
    found: dict[int, list[str]] = {}
    rows = Comparison.tags.through.objects.filter(comparison__in=comparison_ids)
    for comparison_id, name in rows.values_list("comparison_id", "tag__name"):
        found.setdefault(comparison_id, []).append(name)
    return found


def _locked(project_id: int) -> Project:
    """Two rules at once could each pass and conflict together; imports hold the same lock."""
    return Project.objects.select_for_update(no_key=True).get(pk=project_id)


def _refuse_conflict(project: Project, tag: Tag, *, language: str, skill: str) -> None:
    for field, value in (("language", language), ("skill", skill)):
        others = project.slice_rules.exclude(tag=tag).exclude(**{field: ""}).exclude(**{field: value})
        for other in others.select_related("tag") if value else ():
            both = Comparison.objects.filter(tags=tag, project=project).filter(tags=other.tag).count()
            if both:
                said = _(
                    "%(count)s comparisons have the tag %(tag)s and also %(other)s, which asks for %(asked)s: "
                    "nobody is asked for two languages or two skills at once. Change one rule or the tags."
                )
                values = {"count": both, "tag": tag.name, "other": other.tag.name}
                raise Refused(said % {**values, "asked": getattr(other, field)}, field=field)


def _one(what: str, values: Mapping[str, str]) -> str:
    """The one value that is asked for, or none."""
    asked = {value: tag for tag, value in values.items() if value}
    if len(asked) > 1:
        (first, first_tag), (second, second_tag) = sorted(asked.items())[:2]
        raise RulesConflict(
            f"its tags ask for two {what}, {first!r} ({first_tag}) and {second!r} ({second_tag}); "
            "take one of the tags away or change its rule"
        )
    return next(iter(asked), "")
