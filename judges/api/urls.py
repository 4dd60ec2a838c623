"""The addresses of this room under /api/v1/."""

from django.urls import path

from judges.api.graders import RunGrader, ValidateGrader
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
    # As OpenAI's SDK asks for them below its base URL.
    path("fine_tuning/alpha/graders/run", RunGrader.as_view(), name="api_grader_run"),
    path("fine_tuning/alpha/graders/validate", ValidateGrader.as_view(), name="api_grader_validate"),
]
