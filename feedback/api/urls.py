"""The addresses of this room under /api/v1/."""

from django.urls import path

from feedback.api.assignments import NextAssignment, OwnJudgments, SubmitJudgment
from feedback.api.projects import OneProject, Projects
from feedback.api.texts import Prompts, Responses

urlpatterns = [
    path("projects", Projects.as_view()),
    path("projects/<slug:slug>", OneProject.as_view()),
    path("projects/<slug:slug>/prompts", Prompts.as_view()),
    path("projects/<slug:slug>/responses", Responses.as_view()),
    path("projects/<slug:slug>/assignments/next", NextAssignment.as_view()),
    path("projects/<slug:slug>/judgments/submit", SubmitJudgment.as_view()),
    path("projects/<slug:slug>/judgments/mine", OwnJudgments.as_view()),
]
