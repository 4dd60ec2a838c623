"""The judges room's pages."""

from django.urls import path

from judges import views, views_graders

app_name = "judges"
urlpatterns = [
    path("p/<slug:slug>/judges/", views.judge_list, name="judges"),
    path("p/<slug:slug>/judges/new/", views.judge_new, name="judge-new"),
    path("p/<slug:slug>/judges/<int:pk>/", views.judge_detail, name="judge"),
    path("p/<slug:slug>/judges/<int:pk>/start/", views.run_start, name="run-start"),
    path("p/<slug:slug>/judges/runs/<int:pk>/", views.run_progress, name="run-progress"),
    path("p/<slug:slug>/judges/runs/<int:pk>/cancel/", views.run_cancel, name="run-cancel"),
    path("p/<slug:slug>/judges/runs/<int:pk>/resume/", views.run_resume, name="run-resume"),
    path("p/<slug:slug>/graders/new/", views_graders.grader_new, name="grader-new"),
    path("p/<slug:slug>/graders/<int:pk>/openai.json", views_graders.grader_export, name="grader-export"),
]
