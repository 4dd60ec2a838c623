"""Reads of the guidelines: their versions, their doubts, and who has read what."""

from dataclasses import dataclass
from datetime import datetime

from django.conf.locale import LANG_INFO
from django.contrib.auth.models import User
from django.db.models import Max, QuerySet
from django.utils.translation import get_language_info

from feedback.models import Doubt, Guideline, GuidelineReading, Project, Rater
from feedback.statements import rows

_UNREAD = """
SELECT 1 FROM feedback_guideline g WHERE g.project_id = %s AND g.must_be_read AND NOT EXISTS
  (SELECT 1 FROM feedback_guidelinereading s WHERE s.rater_id = %s AND s.version >= g.version) LIMIT 1
"""


@dataclass(frozen=True)
class Version:
    """One version of a project's guidelines, its texts by language code."""

    number: int
    texts: dict[str, Guideline]

    @property
    def any(self) -> Guideline:
        return next(iter(self.texts.values()))

    def text(self, language: str) -> Guideline:
        """In this language, else in English, else in any: the same choice everywhere."""
        return self.texts.get(language) or self.texts.get("en") or self.any

    @property
    def languages(self) -> list[tuple[str, str]]:
        return [(code, language_name(code)) for code in self.texts]


def language_name(code: str) -> str:
    """A language as its speakers call it."""
    return str(get_language_info(code)["name_local"])


def known_languages() -> list[tuple[str, str]]:
    """Every language that guidelines can be written in, by code, as its speakers call it."""
    named = ((code, str(info["name_local"])) for code, info in LANG_INFO.items() if "name_local" in info)
    return sorted(named, key=lambda language: language[1].casefold())


def versions(project: Project) -> list[Version]:
    """All of them, the newest first."""
    found: dict[int, dict[str, Guideline]] = {}
    for text in project.guidelines.select_related("created_by").order_by("-version", "language"):
        found.setdefault(text.version, {})[text.language] = text
    return [Version(number, texts) for number, texts in found.items()]


def current_guideline(project: Project, language: str = "en") -> Guideline | None:
    """The newest guidelines, in ``language`` where there is such a text, else in English, else in any language."""
    newest = Guideline.objects.filter(project=project).order_by("-version").first()
    if newest is None:
        return None
    texts = {text.language: text for text in project.guidelines.filter(version=newest.version)}
    return texts.get(language) or texts.get("en") or newest


def unread_guideline(rater: Rater, language: str = "en") -> Guideline | None:
    """The newest guidelines, if something in them came since this person last read any that they must read."""
    unread = rows(_UNREAD, [rater.project_id, rater.pk])
    return current_guideline(rater.project, language) if unread else None


def open_doubts(project: Project) -> QuerySet[Doubt]:
    """Where reviewers found the guidelines unclear and no version has answered yet, the oldest first."""
    doubts = Doubt.objects.filter(comparison__project=project, settled_in=None)
    return doubts.select_related("comparison__prompt", "raised_by").order_by("pk")


@dataclass(frozen=True)
class Reader:
    """One member and the newest version they say they have read; ``behind`` where they must read a newer one."""

    user: User
    role: str
    version: int | None
    at: datetime | None
    behind: bool


def readers(project: Project) -> list[Reader]:
    """Every member who can work, those behind first."""
    needed = project.guidelines.filter(must_be_read=True).aggregate(version=Max("version"))["version"] or 0
    newest: dict[int | None, GuidelineReading] = {}
    for reading in (
        GuidelineReading.objects.filter(rater__project=project).select_related("rater").order_by("version")
    ):
        newest[reading.rater.user_id] = reading
    rows = [
        Reader(
            user=member.user,
            role=member.role,
            version=read.version if read else None,
            at=read.at if read else None,
            behind=bool(needed) and (read is None or read.version < needed),
        )
        for member in project.members.filter(deactivated_at=None).select_related("user")
        for read in [newest.get(member.user_id)]
    ]
    return sorted(rows, key=lambda row: (not row.behind, row.user.get_username()))


def last_read(project: Project, user: User) -> int | None:
    """The newest version that this person says they have read."""
    readings = GuidelineReading.objects.filter(rater__project=project, rater__user=user)
    found: int | None = readings.aggregate(version=Max("version"))["version"]
    return found
