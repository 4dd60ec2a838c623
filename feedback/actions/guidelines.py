"""Guidelines are published here, a version for each change; people say that they have read them."""

from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import Max
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Doubt, Guideline, GuidelineReading, Project, Rater
from feedback.people import Person
from feedback.rendering import LONGEST_RENDERED


def publish_guidelines(
    *,
    project: Project,
    texts: Mapping[str, str],
    change: str = "",
    must_be_read: bool = True,
    settles: Collection[int] = (),
    based_on: int | None = None,
    by: Person,
) -> list[Guideline]:
    """A new version, in each language of ``texts`` (by language code); a language that is left out is gone from it.

    ``change`` says what is new; the first version needs none, and must always be read. ``settles`` are the ids of the
    doubts it answers, ``based_on`` the version that was edited. Refused: an empty text, an unknown language, nothing
    changed, or somebody published another version meanwhile.
    """
    texts = _checked(texts)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        newest = project.guidelines.aggregate(version=Max("version"))["version"] or 0
        if based_on is not None and based_on != newest:
            raise Refused(_other_version(project, newest), field="version")
        if newest:
            _check_change(project, newest, texts, change)
        published = [
            Guideline.objects.create(
                project=project,
                version=newest + 1,
                language=language,
                text=text,
                change=change.strip(),
                must_be_read=must_be_read or not newest,
                created_by=by,
            )
            for language, text in sorted(texts.items())
        ]
        doubts = Doubt.objects.filter(comparison__project=project, pk__in=settles, settled_in=None)
        settled = doubts.update(settled_in=newest + 1)
        record(
            by=by,
            verb="publish guidelines",
            target=project,
            project=project,
            version=newest + 1,
            must_be_read=must_be_read,
            settled=settled,
        )
    return published


def mark_read(*, rater: Rater, version: int) -> None:
    """This person says that they have read this version; once is enough. Refused: there is no such version."""
    if not Guideline.objects.filter(project=rater.project_id, version=version).exists():
        raise Refused(_("There is no such version of the guidelines."), field="version")
    GuidelineReading.objects.get_or_create(rater=rater, version=version)


def _checked(texts: Mapping[str, str]) -> dict[str, str]:
    if not texts or not all(text.strip() for text in texts.values()):
        raise Refused(_("Write the guidelines before you publish them."), field="text")
    for language, text in texts.items():
        try:
            get_language_info(language)
        except KeyError:
            said = _("%(code)s is no language that is known here.") % {"code": language}
            raise Refused(said, field="language") from None
        if len(text) > LONGEST_RENDERED:
            said = _("A text of guidelines has at most %(most)d characters.") % {"most": LONGEST_RENDERED}
            raise Refused(said, field="text")
    return {language: text.strip().replace("\r\n", "\n") for language, text in texts.items()}


def _check_change(project: Project, newest: int, texts: Mapping[str, str], change: str) -> None:
    before = dict(project.guidelines.filter(version=newest).values_list("language", "text"))
    if before == texts:
        raise Refused(
            _("The texts are those of the version that stands; there is nothing to publish."), field="text"
        )
    if not change.strip():
        raise Refused(_("Say in a sentence what changed; everybody sees it before the text."), field="change")


def _other_version(project: Project, newest: int) -> str:
    other = project.guidelines.filter(version=newest).select_related("created_by").first()
    name = other.created_by.get_username() if other and other.created_by else _("Somebody")
    said = _(
        "%(name)s published version %(version)d while you were writing. Nothing was published: compare it with your "
        "text, then publish again."
    )
    return said % {"name": name, "version": newest}
