"""Verdicts and decisions in words, in every room's templates."""

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_lazy, gettext_noop

from feedback.models import Judgment

register = template.Library()

# The codes of every room that pages show, as they read; what is not here is a name that somebody gave.
WORDS = {
    # states of a job
    "queued": gettext_lazy("queued"),
    "running": gettext_lazy("running"),
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "cancelled": gettext_lazy("cancelled"),
    "interrupted": gettext_lazy("interrupted"),
    # how a trial of a search ended
    "complete": gettext_lazy("complete"),
    "pruned": gettext_lazy("pruned"),
    # outcomes of a judgment
    "ranked": gettext_lazy("ranked"),
    "skipped": gettext_lazy("skipped"),
    "refused": gettext_lazy("refused"),
    "unparseable": gettext_lazy("unparseable"),
    "inconsistent": gettext_lazy("inconsistent"),
    # kinds of rater and of model
    "human": gettext_lazy("human"),
    "judge": gettext_lazy("judge"),
    "grader": gettext_lazy("grader"),
    "reward_model": gettext_lazy("reward model"),
    "policy": gettext_lazy("policy"),
    "reward": gettext_lazy("reward"),
    # decisions on labels, and their reasons
    "used": gettext_lazy("used"),
    "routed": gettext_lazy("routed"),
    "dropped": gettext_lazy("dropped"),
    "people": gettext_lazy("people"),
    "judges": gettext_lazy("judges"),
    "people_and_judges": gettext_lazy("people and judges"),
    "people_win": gettext_lazy("people win"),
    "adjudicated": gettext_lazy("adjudicated"),
    "low_confidence": gettext_lazy("low confidence"),
    "conflict": gettext_lazy("conflict"),
    "tie": gettext_lazy("tie"),
    "no_trusted_verdict": gettext_lazy("no trusted verdict"),
    "not_proven": gettext_lazy("not proven"),
    "no_verdict": gettext_lazy("no verdict"),
    # what a regression set did
    "not_worse": gettext_lazy("not worse"),
    "worse": gettext_lazy("worse"),
    "undecided": gettext_lazy("undecided"),
    # purposes of a comparison, splits of a snapshot
    "gold": gettext_lazy("gold"),
    "attention": gettext_lazy("attention check"),
    "practice": gettext_lazy("practice"),
    "repeat": gettext_lazy("repeat"),
    "evaluate": gettext_lazy("evaluation"),
    "train": gettext_lazy("train"),
    "test": gettext_lazy("test"),
}

# What code says that knows no catalogue, for ``stored``.
SENTENCES = (
    gettext_noop("no data"),
    gettext_noop("no variation"),
    gettext_noop("no unit has two ratings"),
    gettext_noop("only for comparisons of two responses"),
    gettext_noop("fewer than three people"),
    gettext_noop("too few items"),
    gettext_noop("one cluster only"),
    gettext_noop("too little variation to resample"),
    gettext_noop("too little variation to fit"),
    gettext_noop("each comparison was asked in one order"),
    gettext_noop("the order shown is not known"),
    gettext_noop("no stored call tells it"),
    gettext_noop("it is not known who made its model"),
    gettext_noop("lengths never differ"),
    gettext_noop("no two models were compared"),
)


@register.filter
def ranking(ranks: tuple[int, ...]) -> str:
    """A ranking as people write it, by canonical position from 1: ``1 > 2``, ``1 = 2``; nothing where empty."""
    levels: dict[int, list[str]] = {}
    for position, rank in enumerate(ranks, start=1):
        levels.setdefault(rank, []).append(str(position))
    return " > ".join(" = ".join(levels[rank]) for rank in sorted(levels))


@register.filter
def verdict(judgment: Judgment) -> str:
    """What a judgment says: its ranking, or else the outcome that is no verdict."""
    return ranking(judgment.ranking) or words(judgment.outcome)


@register.filter
def words(code: str) -> str:
    """A state, a kind, a reason or an outcome as it reads: ``low_confidence`` is ``low confidence``."""
    return str(WORDS[code]) if code in WORDS else code.replace("_", " ")


@register.filter
def stored(sentence: str) -> SafeString:
    """A sentence that is kept as it was said, in English mostly: in the page's language where the catalogue has it,
    else marked as English for whoever has it read aloud.
    """
    said = gettext(sentence) if sentence else ""
    if said != sentence or (get_language() or "en").startswith("en"):
        return conditional_escape(said)
    return format_html('<span lang="en">{}</span>', sentence)
