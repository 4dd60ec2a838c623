"""The feedback room's pages."""

from django.urls import path

from feedback.views import annotate, comparisons, members, projects, tokens

app_name = "feedback"
urlpatterns = [
    path("", projects.project_list, name="projects"),
    path("projects/new/", projects.project_new, name="project-new"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/<int:pk>/revoke/", tokens.token_revoke, name="token-revoke"),
    path("p/<slug:slug>/members/", members.member_list, name="members"),
    path("p/<slug:slug>/annotate/", annotate.annotate, name="annotate"),
    path("p/<slug:slug>/comparisons/", comparisons.comparison_list, name="comparisons"),
    path("p/<slug:slug>/comparisons/<int:pk>/", comparisons.comparison_detail, name="comparison"),
]
