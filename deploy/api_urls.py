"""The API's addresses, collected from the rooms, with its schema and the page that explains it."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from deploy.api_docs import ApiDocs
from feedback.api.authentication import ScopedAccess
from feedback.api.endpoint import Nowhere

urlpatterns = [
    path("", include("feedback.api.urls")),
    path("", include("judges.api.urls")),
    path("", include("alignment.api.urls")),
    path("", include("trainer.api.urls")),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[ScopedAccess]), name="api_schema"),
    path("docs/", ApiDocs.as_view(), name="api_docs"),
    re_path("", Nowhere.as_view()),
]
