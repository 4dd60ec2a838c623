"""Every address: logging in, the rooms' pages under a project's slug, the API under /api/v1/."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from deploy.views import loop

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(set_language), name="language"),
    path("p/<slug:slug>/", loop, name="loop"),
    path("api/v1/", include("deploy.api_urls")),
    path("", include("feedback.urls")),
    path("", include("judges.urls")),
    path("", include("alignment.urls")),
    path("", include("trainer.urls")),
]
