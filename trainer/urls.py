"""The trainer room's pages."""

from django.urls import path

from trainer.views import model_versions, runs, scorings, starting

app_name = "trainer"
urlpatterns = [
    path("p/<slug:slug>/runs/", runs.run_list, name="runs"),
    path("p/<slug:slug>/runs/new/", starting.run_new, name="run-new"),
    path("p/<slug:slug>/runs/checks/<int:pk>/", starting.run_check, name="run-check"),
    path("p/<slug:slug>/runs/checks/<int:pk>/start/", starting.check_start, name="check-start"),
    path("p/<slug:slug>/runs/compare/", runs.run_compare, name="run-compare"),
    path("p/<slug:slug>/runs/<int:pk>/", runs.run_detail, name="run"),
    path("p/<slug:slug>/runs/<int:pk>/series/", runs.run_series, name="run-series"),
    path("p/<slug:slug>/runs/<int:pk>/elsewhere/", runs.run_elsewhere, name="run-elsewhere"),
    path("p/<slug:slug>/runs/<int:pk>/points.csv", runs.run_csv, name="run-csv"),
    path("p/<slug:slug>/runs/<int:pk>/pause/", runs.run_pause, name="run-pause"),
    path("p/<slug:slug>/runs/<int:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("p/<slug:slug>/runs/<int:pk>/resume/", runs.run_resume, name="run-resume"),
    path("p/<slug:slug>/models/", model_versions.model_list, name="models"),
    path("p/<slug:slug>/models/<int:pk>/evaluate/", model_versions.evaluation_new, name="evaluation-new"),
    path("p/<slug:slug>/models/evaluations/<int:pk>/", model_versions.evaluation, name="evaluation"),
    path(
        "p/<slug:slug>/models/evaluations/<int:pk>/cancel/",
        model_versions.evaluation_cancel,
        name="evaluation-cancel",
    ),
    path(
        "p/<slug:slug>/models/evaluations/<int:pk>/resume/",
        model_versions.evaluation_resume,
        name="evaluation-resume",
    ),
    path("p/<slug:slug>/models/<int:pk>/score/", scorings.scoring_start, name="scoring-start"),
    path("p/<slug:slug>/models/scorings/<int:pk>/", scorings.scoring_progress, name="scoring-progress"),
    path("p/<slug:slug>/models/scorings/<int:pk>/cancel/", scorings.scoring_cancel, name="scoring-cancel"),
    path("p/<slug:slug>/models/scorings/<int:pk>/resume/", scorings.scoring_resume, name="scoring-resume"),
]
