"""The addresses of this room under /api/v1/."""

from django.urls import path

from feedback.api.assignments import (
    OwnJudgments,
    ReleaseAssignments,
    RenewAssignments,
    SubmitJudgment,
    TakeAssignments,
    UndoJudgment,
)
from feedback.api.projects import OneProject, Projects
from feedback.api.reviews import OneReview, ReviewDecision, ReviewQueue
from feedback.api.texts import Prompts, Responses

urlpatterns = [
    path("projects", Projects.as_view()),
    path("projects/<slug:slug>", OneProject.as_view()),
    path("projects/<slug:slug>/prompts", Prompts.as_view()),
    path("projects/<slug:slug>/responses", Responses.as_view()),
    path("projects/<slug:slug>/assignments/take", TakeAssignments.as_view()),
    path("projects/<slug:slug>/assignments/renew", RenewAssignments.as_view()),
    path("projects/<slug:slug>/assignments/release", ReleaseAssignments.as_view()),
    path("projects/<slug:slug>/judgments/submit", SubmitJudgment.as_view()),
    path("projects/<slug:slug>/judgments/undo", UndoJudgment.as_view()),
    path("projects/<slug:slug>/judgments/mine", OwnJudgments.as_view()),
    path("projects/<slug:slug>/review", ReviewQueue.as_view()),
    path("projects/<slug:slug>/review/<int:number>", OneReview.as_view()),
    path("projects/<slug:slug>/review/<int:number>/decide", ReviewDecision.as_view()),
]
