"""The alignment room's pages."""

from django.urls import path

from alignment.views import agreement, labels, policies
from alignment.views.snapshots import snapshot_urls

app_name = "alignment"
urlpatterns = [
    path("p/<slug:slug>/agreement/", agreement.agreement, name="agreement"),
    path("p/<slug:slug>/agreement/measure/", agreement.measure_again, name="agreement-measure"),
    path("p/<slug:slug>/agreement/pairs.csv", agreement.pairs_csv, name="agreement-pairs"),
    path("p/<slug:slug>/labels/", labels.labels, name="labels"),
    path("p/<slug:slug>/labels/<int:policy_pk>/<int:comparison_pk>/", labels.label, name="label"),
    path("p/<slug:slug>/labels/policies/new/", policies.policy_new, name="policy-new"),
    path("p/<slug:slug>/labels/policies/<int:pk>/", policies.policy, name="policy"),
    path("p/<slug:slug>/labels/policies/<int:pk>/apply/", policies.policy_apply, name="policy-apply"),
    path("p/<slug:slug>/labels/policies/<int:pk>/route/", policies.policy_route, name="policy-route"),
    path("p/<slug:slug>/labels/jobs/<int:pk>/cancel/", policies.labelling_cancel, name="labelling-cancel"),
    path("p/<slug:slug>/labels/jobs/<int:pk>/resume/", policies.labelling_resume, name="labelling-resume"),
    *snapshot_urls,
]
