"""What people know that some comparisons require: the languages and skills of a person in a project."""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.slices import plain_name
from feedback.errors import Refused
from feedback.models import Qualification, Rater, RaterKind
from feedback.people import Person

LONGEST = 60


def set_qualifications(
    *, rater: Rater, languages: Iterable[str], skills: Iterable[str], by: Person
) -> list[Qualification]:
    """Give a person exactly these languages and skills, compared without regard to case.

    Refused: a rater who is no person, a name that is too long.
    """
    if rater.kind != RaterKind.HUMAN:
        raise Refused(_("Only people have languages and skills."), field="rater")
    wanted = {
        (kind, plain_name(name))
        for kind, names in ((Qualification.Kind.LANGUAGE, languages), (Qualification.Kind.SKILL, skills))
        for name in names
        if plain_name(name)
    }
    for kind, name in wanted:
        if len(name) > LONGEST:
            said = _("The name %(name)s is longer than %(most)s characters.")
            raise Refused(said % {"name": name, "most": LONGEST}, field=f"{kind}s")
    with transaction.atomic():
        Rater.objects.select_for_update(no_key=True).get(pk=rater.pk)
        kept = set()
        for row in rater.qualifications.all():
            if (row.kind, row.name) in wanted:
                kept.add((row.kind, row.name))
            else:
                row.delete()
        Qualification.objects.bulk_create(
            Qualification(rater=rater, kind=kind, name=name) for kind, name in sorted(wanted - kept)
        )
        names = {
            f"{kind}s": sorted(name for each, name in wanted if each == kind)
            for kind in ("language", "skill")
        }
        record(by=by, verb="set qualifications", target=rater, project=rater.project, **names)
    return list(rater.qualifications.all())
