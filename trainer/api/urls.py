"""The addresses of this room under /api/v1/."""

from django.urls import path

from trainer.api.checks import Checks, OneCheck
from trainer.api.models import Models, ModelStage, OneModel
from trainer.api.remote import RemoteEvents, RemoteFile
from trainer.api.rounds import OneRound, Rounds
from trainer.api.runs import CancelRun, OneRun, PauseRun, ResumeRun, RunEvents, Runs

urlpatterns = [
    path("projects/<slug:slug>/runs", Runs.as_view()),
    path("projects/<slug:slug>/runs/checks", Checks.as_view()),
    path("projects/<slug:slug>/runs/checks/<int:pk>", OneCheck.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>", OneRun.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/events", RunEvents.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/cancel", CancelRun.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/remote/events", RemoteEvents.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/remote/files/<str:name>", RemoteFile.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/pause", PauseRun.as_view()),
    path("projects/<slug:slug>/runs/<int:pk>/resume", ResumeRun.as_view()),
    path("projects/<slug:slug>/models", Models.as_view()),
    path("projects/<slug:slug>/models/<int:pk>", OneModel.as_view()),
    path("projects/<slug:slug>/models/<int:pk>/stage", ModelStage.as_view()),
    path("projects/<slug:slug>/rounds", Rounds.as_view()),
    path("projects/<slug:slug>/rounds/<int:pk>", OneRound.as_view()),
]
