"""The addresses of this room under /api/v1/."""

from django.urls import path

from judges.api.judges import Judges
from judges.api.runs import (
    CancelJudgeRun,
    EstimateJudgeRun,
    JudgeRunBudget,
    JudgeRuns,
    OneJudgeRun,
    PauseJudgeRun,
    ResumeJudgeRun,
    RetryJudgeRun,
)

urlpatterns = [
    path("projects/<slug:slug>/judges", Judges.as_view()),
    path("projects/<slug:slug>/judges/<int:pk>/estimate", EstimateJudgeRun.as_view()),
    path("projects/<slug:slug>/judges/<int:pk>/runs", JudgeRuns.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>", OneJudgeRun.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>/budget", JudgeRunBudget.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>/pause", PauseJudgeRun.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>/resume", ResumeJudgeRun.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>/cancel", CancelJudgeRun.as_view()),
    path("projects/<slug:slug>/judge-runs/<int:pk>/retry", RetryJudgeRun.as_view()),
]
