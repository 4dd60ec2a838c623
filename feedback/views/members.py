"""Who works in a project and as what; for its owners."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from feedback.actions.projects import set_member
from feedback.errors import Refused
from feedback.forms import MemberForm
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


@require_http_methods(["GET", "POST"])
def member_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.OWN)
    form = MemberForm(request.POST or None)
    if form.is_valid():
        user = User.objects.get(username=form.cleaned_data["username"])
        try:
            member = set_member(
                project=project, user=user, role=form.cleaned_data["role"], by=logged_in(request.user)
            )
            messages.success(request, f"{user.get_username()} is now {member.role} in {project.name}.")
            return redirect("feedback:members", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    members = project.members.select_related("user").order_by("user__username")
    return render(request, "feedback/members.html", {"project": project, "form": form, "members": members})
