"""The addresses of graders, as OpenAI's SDK asks for them below its base URL: without a slash at their end."""

from django.urls import path

from judges.api.graders import RunGrader, ValidateGrader

urlpatterns = [
    path("fine_tuning/alpha/graders/run", RunGrader.as_view(), name="api_grader_run"),
    path("fine_tuning/alpha/graders/validate", ValidateGrader.as_view(), name="api_grader_validate"),
]
