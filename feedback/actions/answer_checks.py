"""A person's answer against what their project asks for, before it is stored. Machines are not asked this way."""

from collections.abc import Iterable
from dataclasses import replace

from django.utils.translation import gettext as _

from feedback.answers import (
    LONGEST_COMMENT,
    LONGEST_RATIONALE,
    MOST_SPANS,
    AnswerForm,
    Choice,
    SpanComment,
    Verdict,
    has_equals,
    is_tie,
    ranking_by_scores,
    verdict_problem,
)
from feedback.errors import Refused
from feedback.models import Comparison, Criterion, FlagKind, Outcome, Project
from feedback.queries.comparisons import response_texts
from feedback.queries.rubrics import criteria_for_people


def complete_answer(verdict: Verdict, comparison: Comparison, project: Project, responses: int) -> Verdict:
    """The answer as it is stored: where people only score, the ranking follows from their scores.

    Refused, with the field at fault: anything that the project's form does not ask for, or asks for and misses.
    """
    form = AnswerForm.of(project.form)
    criteria = criteria_for_people(project.pk) if form.scores else []
    _check_flags(verdict, form)
    _check_rationale(verdict, form)
    if verdict.outcome != Outcome.RANKED:
        _check_no_verdict(verdict)
        return verdict
    _check_scores(verdict, criteria, responses)
    _check_spans(verdict, comparison, form)
    kind = form.kind(responses, criteria=len(criteria))
    if kind == "none":
        verdict = _ranked_by_scores(verdict, criteria, responses)
    _check_ranking(verdict, form, kind, responses)
    _check_strength(verdict, form, kind)
    if verdict.all_bad and not form.all_bad:
        raise _not_asked("all_bad")
    return verdict


def _check_no_verdict(verdict: Verdict) -> None:
    problem = verdict_problem(verdict.outcome, verdict.ranking, 0)
    if problem or verdict.outcome != Outcome.SKIPPED:
        raise Refused(
            _("Answer the comparison, or skip it without an answer."),
            field=problem.field if problem else "outcome",
        )
    for name in ("strength", "scores", "spans", "all_bad"):
        if getattr(verdict, name):
            raise Refused(_("A comparison that is skipped has no answer; leave it out."), field=name)


def _check_ranking(verdict: Verdict, form: AnswerForm, kind: Choice, responses: int) -> None:
    if verdict_problem(verdict.outcome, verdict.ranking, responses):
        raise Refused(
            _("Give each of the %(count)d responses a rank from 1 without gaps; equal ranks are ties.")
            % {"count": responses},
            field="ranking",
        )
    if has_equals(verdict.ranking) and not form.ties(kind):
        raise Refused(_("Ties are not asked for here: decide which response is better."), field="ranking")


def _check_strength(verdict: Verdict, form: AnswerForm, kind: Choice) -> None:
    if kind != "strength" or is_tie(verdict.ranking):
        if verdict.strength is not None:
            raise _not_asked("strength")
    elif verdict.strength is None or not 1 <= verdict.strength <= form.steps:
        raise Refused(
            _("Say how much better it is, from 1 to %(most)d.") % {"most": form.steps}, field="strength"
        )


def _check_scores(verdict: Verdict, criteria: Iterable[Criterion], responses: int) -> None:
    scales = {criterion.pk: criterion for criterion in criteria}
    wanted = {(pk, position) for pk in scales for position in range(responses)}
    if set(verdict.scores) - wanted:
        raise _not_asked("scores")
    if wanted - set(verdict.scores):
        raise Refused(_("Score every response on every criterion."), field="scores")
    for (pk, _position), level in verdict.scores.items():
        scale = scales[pk]
        if not scale.scale_min <= level <= scale.scale_max:
            raise Refused(
                _("%(criterion)s is %(level)d; its scale goes from %(low)d to %(high)d.")
                % {
                    "criterion": scale.name,
                    "level": level,
                    "low": scale.scale_min,
                    "high": scale.scale_max,
                },
                field="scores",
            )


def _ranked_by_scores(verdict: Verdict, criteria: Iterable[Criterion], responses: int) -> Verdict:
    if verdict.ranking:
        raise _not_asked("ranking")
    weights = {criterion.pk: criterion.weight for criterion in criteria}
    return replace(verdict, ranking=ranking_by_scores(verdict.scores, weights, responses))


def _check_spans(verdict: Verdict, comparison: Comparison, form: AnswerForm) -> None:
    if not verdict.spans:
        return
    if not form.spans:
        raise _not_asked("spans")
    if len(verdict.spans) > MOST_SPANS:
        raise Refused(
            _("There are %(count)d comments on parts; at most %(most)d fit.")
            % {"count": len(verdict.spans), "most": MOST_SPANS},
            field="spans",
        )
    lengths = [len(text) for text in response_texts(comparison)]
    for span in verdict.spans:
        _check_span(span, lengths)


def _check_span(span: SpanComment, lengths: list[int]) -> None:
    if not 0 <= span.position < len(lengths) or not 0 <= span.start < span.end <= lengths[span.position]:
        raise Refused(
            _("A comment marks a part that the response does not have; mark it again."), field="spans"
        )
    if not span.comment.strip() or len(span.comment) > LONGEST_COMMENT:
        raise Refused(
            _("A comment on a part needs a text of at most %(most)d characters.") % {"most": LONGEST_COMMENT},
            field="spans",
        )


def _check_rationale(verdict: Verdict, form: AnswerForm) -> None:
    written = bool(verdict.rationale.strip())
    if len(verdict.rationale) > LONGEST_RATIONALE:
        raise Refused(
            _("The reasons are longer than %(most)d characters; shorten them.") % {"most": LONGEST_RATIONALE},
            field="rationale",
        )
    if verdict.outcome != Outcome.RANKED:
        return  # why it was skipped
    if written and form.rationale == "off":
        raise _not_asked("rationale")
    if not written and form.rationale == "required":
        raise Refused(_("Write why you decided so."), field="rationale")


def _check_flags(verdict: Verdict, form: AnswerForm) -> None:
    if verdict.flags and not form.flags:
        raise _not_asked("flags")
    if set(verdict.flags) - set(FlagKind.values) or len(set(verdict.flags)) < len(verdict.flags):
        raise Refused(
            _("Flags are %(kinds)s, each at most once.") % {"kinds": ", ".join(FlagKind.values)},
            field="flags",
        )


def _not_asked(field: str) -> Refused:
    """Also when the project's form was changed while a page was open."""
    return Refused(
        _("This project does not ask for %(field)s: reload the page and answer again.") % {"field": field},
        field=field,
    )
