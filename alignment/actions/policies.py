"""Policies: versioned rules that turn judgments and agreement into labels. A change is a new version."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from alignment.models import Policy
from alignment.policy.document import PolicyDocument, PolicyError
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person


def create_policy(*, project: Project, name: str, document: Mapping[str, Any], by: Person) -> Policy:
    """The policy of this name with this document: the version that has it already, or else a new one.

    Fields left out of ``document`` take their default. Refused where a field is unknown or out of its range.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise Refused(_("A policy needs a name of at most 100 characters."), field="name")
    checked = _checked(document)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)  # two at once must not make one version twice
        versions = Policy.objects.filter(project=project, name=name)
        known = versions.filter(sha256=checked.sha256()).first()
        return known or _next_version(project, name, checked, versions.count() + 1, by)


def _checked(document: Mapping[str, Any]) -> PolicyDocument:
    try:
        return PolicyDocument.from_dict(document)
    except PolicyError as error:
        named = str(error).split(" ", 1)[0]
        known = {field.name for field in fields(PolicyDocument)}
        raise Refused(
            _("The policy can not be used: %(error)s.") % {"error": error},
            field=named if named in known else None,
        ) from error


def _next_version(project: Project, name: str, document: PolicyDocument, version: int, by: Person) -> Policy:
    policy = Policy.objects.create(
        project=project,
        name=name,
        version=version,
        document=document.as_dict(),
        sha256=document.sha256(),
        created_by=by,
    )
    record(by=by, verb="create", target=policy, project=project, name=name, version=version)
    return policy
