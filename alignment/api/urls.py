"""The addresses of this room under /api/v1/."""

from django.urls import path, re_path

from alignment.api.comparisons import Comparisons
from alignment.api.decisions import Agreement, Labels, Policies
from alignment.api.freezings import CancelFreezing, HealthChecks, OneFreezing, OneHealthCheck
from alignment.api.judgments import Judgments
from alignment.api.snapshots import ExportSnapshot, OneSnapshot, SnapshotDifference, Snapshots

SNAPSHOT = r"projects/(?P<slug>[-a-zA-Z0-9_]+)/snapshots/(?P<sha256>[0-9a-f]{64})"

urlpatterns = [
    path("projects/<slug:slug>/comparisons", Comparisons.as_view()),
    path("projects/<slug:slug>/judgments", Judgments.as_view()),
    path("projects/<slug:slug>/agreement", Agreement.as_view()),
    path("projects/<slug:slug>/policies", Policies.as_view()),
    path("projects/<slug:slug>/labels", Labels.as_view()),
    path("projects/<slug:slug>/snapshots", Snapshots.as_view()),
    path("projects/<slug:slug>/freezings/<int:pk>", OneFreezing.as_view()),
    path("projects/<slug:slug>/freezings/<int:pk>/cancel", CancelFreezing.as_view()),
    path("projects/<slug:slug>/health-checks", HealthChecks.as_view()),
    path("projects/<slug:slug>/health-checks/<int:pk>", OneHealthCheck.as_view()),
    re_path(rf"^{SNAPSHOT}$", OneSnapshot.as_view()),
    re_path(rf"^{SNAPSHOT}/export$", ExportSnapshot.as_view(), name="api_export_snapshot"),
    re_path(rf"^{SNAPSHOT}/difference/(?P<other>[0-9a-f]{{64}})$", SnapshotDifference.as_view()),
]
