"""The trainer room's pages."""

from django.urls import path

from trainer.views import (
    comparing,
    evaluations,
    generations,
    model_versions,
    reward_checks,
    rounds,
    runs,
    scorings,
)

app_name = "trainer"
urlpatterns = [
    path("p/<slug:slug>/runs/", runs.run_list, name="runs"),
    path("p/<slug:slug>/runs/new/", runs.run_new, name="run-new"),
    path("p/<slug:slug>/runs/<int:pk>/", runs.run_detail, name="run"),
    path("p/<slug:slug>/runs/<int:pk>/series/", runs.run_series, name="run-series"),
    path("p/<slug:slug>/runs/<int:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("p/<slug:slug>/runs/<int:pk>/resume/", runs.run_resume, name="run-resume"),
    path("p/<slug:slug>/models/", model_versions.model_list, name="models"),
    path("p/<slug:slug>/models/compare/", comparing.compare, name="models-compare"),
    path("p/<slug:slug>/models/compare.csv", comparing.compare_csv, name="models-compare-csv"),
    path("p/<slug:slug>/models/<int:pk>/", model_versions.model, name="model"),
    path("p/<slug:slug>/models/<int:pk>/stage/", model_versions.model_stage, name="model-stage"),
    path("p/<slug:slug>/models/<int:pk>/approve/", model_versions.model_approve, name="model-approve"),
    path("p/<slug:slug>/models/<int:pk>/download/", model_versions.model_download, name="model-download"),
    path("p/<slug:slug>/models/<int:pk>/merge/", model_versions.model_merge, name="model-merge"),
    path("p/<slug:slug>/models/<int:pk>/push/", model_versions.model_push, name="model-push"),
    path("p/<slug:slug>/models/pushes/<int:pk>/cancel/", model_versions.push_cancel, name="push-cancel"),
    path("p/<slug:slug>/models/pushes/<int:pk>/resume/", model_versions.push_resume, name="push-resume"),
    path("p/<slug:slug>/models/<int:pk>/evaluate/", evaluations.evaluation_new, name="evaluation-new"),
    path("p/<slug:slug>/models/evaluations/<int:pk>/", evaluations.evaluation, name="evaluation"),
    path("p/<slug:slug>/models/evaluations/<int:pk>.csv", evaluations.evaluation_csv, name="evaluation-csv"),
    path(
        "p/<slug:slug>/models/evaluations/<int:pk>/measure/",
        evaluations.evaluation_measure,
        name="evaluation-measure",
    ),
    path(
        "p/<slug:slug>/models/evaluations/<int:pk>/cancel/",
        evaluations.evaluation_cancel,
        name="evaluation-cancel",
    ),
    path(
        "p/<slug:slug>/models/evaluations/<int:pk>/resume/",
        evaluations.evaluation_resume,
        name="evaluation-resume",
    ),
    path("p/<slug:slug>/models/<int:pk>/check/", reward_checks.reward_check_start, name="reward-check-start"),
    path("p/<slug:slug>/models/checks/<int:pk>/", reward_checks.reward_check, name="reward-check"),
    path("p/<slug:slug>/models/checks/<int:pk>.csv", reward_checks.reward_check_csv, name="reward-check-csv"),
    path(
        "p/<slug:slug>/models/checks/<int:pk>/cancel/",
        reward_checks.reward_check_cancel,
        name="reward-check-cancel",
    ),
    path(
        "p/<slug:slug>/models/checks/<int:pk>/resume/",
        reward_checks.reward_check_resume,
        name="reward-check-resume",
    ),
    path("p/<slug:slug>/models/<int:pk>/score/", scorings.scoring_start, name="scoring-start"),
    path("p/<slug:slug>/models/scorings/<int:pk>/", scorings.scoring_progress, name="scoring-progress"),
    path("p/<slug:slug>/models/scorings/<int:pk>/cancel/", scorings.scoring_cancel, name="scoring-cancel"),
    path("p/<slug:slug>/models/scorings/<int:pk>/resume/", scorings.scoring_resume, name="scoring-resume"),
    path("p/<slug:slug>/rounds/", rounds.round_list, name="rounds"),
    path("p/<slug:slug>/rounds.csv", rounds.rounds_csv, name="rounds-csv"),
    path("p/<slug:slug>/rounds/<int:pk>/cancel/", rounds.round_cancel, name="round-cancel"),
    path("p/<slug:slug>/rounds/<int:pk>/resume/", rounds.round_resume, name="round-resume"),
    path("p/<slug:slug>/rounds/responses/new/", generations.generation_new, name="generation-new"),
    path("p/<slug:slug>/rounds/responses/<int:pk>/", generations.generation, name="generation"),
    path(
        "p/<slug:slug>/rounds/responses/<int:pk>/cancel/",
        generations.generation_cancel,
        name="generation-cancel",
    ),
    path(
        "p/<slug:slug>/rounds/responses/<int:pk>/resume/",
        generations.generation_resume,
        name="generation-resume",
    ),
]
