"""Who works in a project and as what: invited, given a role and qualifications, let go; for its owners."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from feedback.actions.invitations import create_invitation, revoke_invitation
from feedback.actions.projects import deactivate_member, rater_of, reactivate_member, set_member
from feedback.actions.qualifications import set_qualifications
from feedback.errors import Refused
from feedback.forms.members import InvitationForm, MemberForm, QualificationsForm, RoleForm
from feedback.models import Invitation, Member, Project, Qualification, Rater
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


@require_http_methods(["GET", "POST"])
def member_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The members; a POST adds somebody who has an account, or gives them another role."""
    project = project_for(request.user, slug, Permission.OWN)
    form = MemberForm(request.POST or None)
    if form.is_valid():
        user = User.objects.get(username=form.cleaned_data["username"])
        if _give_role(request, project, user, form):
            return redirect("feedback:members", project.slug)
    return render(request, "feedback/members.html", _page(project, form=form))


@never_cache
@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """The link is in this answer only: its secret is kept nowhere, so a reload can not show it again."""
    project = project_for(request.user, slug, Permission.OWN)
    form, link = InvitationForm(request.POST), None
    if form.is_valid():
        _made, secret = create_invitation(project=project, by=logged_in(request.user), **form.cleaned_data)
        form, link = InvitationForm(), request.build_absolute_uri(f"/join/{secret}/")
    return render(request, "feedback/members.html", _page(project, invitation_form=form, link=link))


@require_POST
def uninvite(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    revoke_invitation(
        invitation=get_object_or_404(Invitation, project=project, pk=pk), by=logged_in(request.user)
    )
    messages.success(request, _("The invitation lets nobody in any more."))
    return redirect("feedback:members", project.slug)


@require_http_methods(["GET", "POST"])
def member_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One member; a POST gives them another role."""
    project, member = _member(request, slug, pk)
    form = RoleForm(request.POST or None, initial={"role": member.role})
    if form.is_valid() and _give_role(request, project, member.user, form):
        return redirect("feedback:member", project.slug, member.pk)
    return render(request, "feedback/member.html", _member_page(member, form=form))


@require_POST
def member_qualify(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The languages and skills of a member, in place of those they had."""
    project, member = _member(request, slug, pk)
    form = QualificationsForm(request.POST)
    if form.is_valid():
        rater = rater_of(project=project, user=member.user)
        names = {field: form.names(field) for field in ("languages", "skills")}
        try:
            set_qualifications(rater=rater, by=logged_in(request.user), **names)
            messages.success(request, _("The languages and skills are kept."))
            return redirect("feedback:member", project.slug, member.pk)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
    return render(request, "feedback/member.html", _member_page(member, qualifications_form=form))


@require_POST
def member_deactivate(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    said = _("%(name)s can not open this project any more; what they did stays.")
    return _change(request, slug, pk, deactivate_member, said)


@require_POST
def member_reactivate(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _change(request, slug, pk, reactivate_member, _("%(name)s is back."))


def _change(request: HttpRequest, slug: str, pk: int, action: Callable[..., None], said: str) -> HttpResponse:
    project, member = _member(request, slug, pk)
    try:
        action(member=member, by=logged_in(request.user))
        messages.success(request, said % {"name": member.user.get_username()})
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    if member.user == request.user:
        return redirect("feedback:projects")
    return redirect("feedback:member", project.slug, member.pk)


def _member(request: HttpRequest, slug: str, pk: int) -> tuple[Project, Member]:
    project = project_for(request.user, slug, Permission.OWN)
    return project, get_object_or_404(
        Member.objects.select_related("user", "project"), project=project, pk=pk
    )


def _give_role(request: HttpRequest, project: Project, user: User, form: MemberForm | RoleForm) -> bool:
    """Whether it was done; the form says why not."""
    try:
        member = set_member(
            project=project, user=user, role=form.cleaned_data["role"], by=logged_in(request.user)
        )
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
        return False
    said = _("%(name)s is now %(role)s in %(project)s.")
    words = {"name": user.get_username(), "role": member.get_role_display().lower(), "project": project.name}
    messages.success(request, said % words)
    return True


def _page(project: Project, **changed: Any) -> dict[str, Any]:
    unused = project.invitations.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())
    page = {
        "project": project,
        "form": MemberForm(),
        "invitation_form": InvitationForm(),
        "rows": _rows(project),
        "invitations": unused.select_related("created_by"),
    }
    return page | changed


def _member_page(member: Member, **changed: Any) -> dict[str, Any]:
    rater = Rater.objects.filter(project=member.project, user=member.user).first()
    page = {
        "project": member.project,
        "member": member,
        "rater": rater,
        "form": RoleForm(initial={"role": member.role}),
        "qualifications_form": QualificationsForm.of(rater),
    }
    return page | changed


def _rows(project: Project) -> list[dict[str, Any]]:
    """The members, each with what they are qualified for."""
    found: dict[int | None, list[Qualification]] = {}
    for qualification in Qualification.objects.filter(rater__project=project).select_related("rater"):
        found.setdefault(qualification.rater.user_id, []).append(qualification)
    members = project.members.select_related("user").order_by("user__username")
    return [{"member": member, "qualifications": found.get(member.user_id, [])} for member in members]
