"""The alignment room's pages."""

from django.urls import path

from alignment.views import agreement, definitions, disagreements, imports, labels, people, policies
from alignment.views.snapshots import snapshot_urls

app_name = "alignment"
urlpatterns = [
    path("p/<slug:slug>/import/", imports.imports, name="imports"),
    path("p/<slug:slug>/import/<int:pk>/", imports.file_import, name="import"),
    path("p/<slug:slug>/import/<int:pk>/mapping.json", imports.import_mapping, name="import-mapping"),
    path("p/<slug:slug>/import/<int:pk>/rejects.jsonl", imports.import_rejects, name="import-rejects"),
    path("p/<slug:slug>/import/<int:pk>/discard/", imports.import_discard, name="import-discard"),
    path("p/<slug:slug>/import/<int:pk>/cancel/", imports.import_cancel, name="import-cancel"),
    path("p/<slug:slug>/import/<int:pk>/resume/", imports.import_resume, name="import-resume"),
    path("p/<slug:slug>/agreement/", agreement.agreement, name="agreement"),
    path("p/<slug:slug>/agreement/measure/", agreement.measure_again, name="agreement-measure"),
    path("p/<slug:slug>/agreement/matrix/", agreement.matrix, name="agreement-matrix"),
    path("p/<slug:slug>/agreement/tests/", agreement.alternative_tests, name="agreement-tests"),
    path("p/<slug:slug>/agreement/bias/", agreement.bias, name="agreement-bias"),
    path("p/<slug:slug>/agreement/confidence/", agreement.confidence, name="agreement-confidence"),
    path("p/<slug:slug>/agreement/models/", agreement.models, name="agreement-models"),
    path("p/<slug:slug>/agreement/drift/", agreement.drift, name="agreement-drift"),
    path("p/<slug:slug>/agreement/data/<slug:table>.csv", agreement.table_csv, name="agreement-csv"),
    path("p/<slug:slug>/agreement/definitions/", definitions.definitions, name="agreement-definitions"),
    path("p/<slug:slug>/agreement/disagreements/", disagreements.disagreements, name="disagreements"),
    path(
        "p/<slug:slug>/agreement/disagreements/<int:pk>/review/",
        disagreements.send_to_review,
        name="disagreement-review",
    ),
    path("p/<slug:slug>/people/", people.people, name="people"),
    path("p/<slug:slug>/people/measure/", people.measure_again, name="people-measure"),
    path("p/<slug:slug>/people/<int:pk>/", people.person, name="person"),
    path("p/<slug:slug>/people/<int:pk>/answers.csv", people.answers_csv, name="person-answers"),
    path("p/<slug:slug>/people/<int:pk>/stop/", people.person_stop, name="person-stop"),
    path("p/<slug:slug>/people/<int:pk>/go-on/", people.person_goes_on, name="person-goes-on"),
    path("p/<slug:slug>/labels/", labels.labels, name="labels"),
    path("p/<slug:slug>/labels/<int:policy_pk>/<int:comparison_pk>/", labels.label, name="label"),
    path("p/<slug:slug>/labels/policies/new/", policies.policy_new, name="policy-new"),
    path("p/<slug:slug>/labels/policies/curve.csv", policies.policy_curve, name="policy-curve"),
    path("p/<slug:slug>/labels/policies/<int:pk>/", policies.policy, name="policy"),
    path("p/<slug:slug>/labels/policies/<int:pk>/apply/", policies.policy_apply, name="policy-apply"),
    path("p/<slug:slug>/labels/policies/<int:pk>/update/", policies.policy_update, name="policy-update"),
    path("p/<slug:slug>/labels/policies/<int:pk>/route/", policies.policy_route, name="policy-route"),
    path("p/<slug:slug>/labels/jobs/<int:pk>/cancel/", policies.labelling_cancel, name="labelling-cancel"),
    path("p/<slug:slug>/labels/jobs/<int:pk>/resume/", policies.labelling_resume, name="labelling-resume"),
    *snapshot_urls,
]
