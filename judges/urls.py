"""The judges room's pages."""

from django.urls import path, re_path

from judges.views import attacks, judge_edit, judges, keys, panels, playground, rubrics, runs, verdicts

app_name = "judges"
urlpatterns = [
    path("p/<slug:slug>/judges/", judges.judge_list, name="judges"),
    path("p/<slug:slug>/judges/new/", judge_edit.judge_new, name="judge-new"),
    path("p/<slug:slug>/judges/<int:pk>/", judges.judge_detail, name="judge"),
    path("p/<slug:slug>/judges/<int:pk>/edit/", judge_edit.judge_edit, name="judge-edit"),
    path("p/<slug:slug>/judges/<int:pk>/changes/", judge_edit.judge_changes, name="judge-changes"),
    path("p/<slug:slug>/judges/<int:pk>/verdicts/", verdicts.verdicts, name="verdicts"),
    path("p/<slug:slug>/judges/<int:pk>/verdicts/<int:comparison>/", verdicts.verdict, name="verdict"),
    path("p/<slug:slug>/judges/keys/", keys.keys, name="keys"),
    path("p/<slug:slug>/judges/keys/store/", keys.key_store, name="key-store"),
    path("p/<slug:slug>/judges/keys/<int:pk>/delete/", keys.key_delete, name="key-delete"),
    path("p/<slug:slug>/judges/budgets/", keys.budget_set, name="budget-set"),
    path("p/<slug:slug>/judges/<int:pk>/judge.yaml", judge_edit.judge_export, name="judge-export"),
    path("p/<slug:slug>/judges/<int:pk>/run/", runs.run_new, name="run-new"),
    path("p/<slug:slug>/judges/<int:pk>/start/", runs.run_start, name="run-start"),
    path("p/<slug:slug>/judges/runs/<int:pk>/", runs.run_detail, name="run"),
    path("p/<slug:slug>/judges/runs/<int:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("p/<slug:slug>/judges/runs/<int:pk>/pause/", runs.run_pause, name="run-pause"),
    path("p/<slug:slug>/judges/runs/<int:pk>/resume/", runs.run_resume, name="run-resume"),
    path("p/<slug:slug>/judges/runs/<int:pk>/retry/", runs.run_retry, name="run-retry"),
    path("p/<slug:slug>/judges/runs/<int:pk>/reparse/", runs.run_reparse, name="run-reparse"),
    path("p/<slug:slug>/judges/runs/<int:pk>/budget/", runs.run_budget, name="run-budget"),
    path("p/<slug:slug>/judges/<int:pk>/attacks/", attacks.attacks, name="attacks"),
    path("p/<slug:slug>/judges/<int:pk>/attacks/start/", attacks.attack_start, name="attack-start"),
    re_path(
        r"^p/(?P<slug>[-\w]+)/judges/attacks/(?P<pk>\d+)/(?P<deed>cancel|resume)/$",
        attacks.attack_deed,
        name="attack-deed",
    ),
    path("p/<slug:slug>/judges/panels/", panels.panels, name="panels"),
    path("p/<slug:slug>/judges/panels/new/", panels.panel_new, name="panel-new"),
    path("p/<slug:slug>/judges/panels/<int:pk>/", panels.panel_detail, name="panel"),
    path("p/<slug:slug>/judges/panels/<int:pk>/start/", panels.panel_start, name="panel-start"),
    path("p/<slug:slug>/judges/playground/", playground.playground, name="playground"),
    path("p/<slug:slug>/judges/playground/ask/", playground.playground_ask, name="playground-ask"),
    path("p/<slug:slug>/judges/rubrics/", rubrics.rubric_list, name="rubrics"),
    path("p/<slug:slug>/judges/rubrics/new/", rubrics.rubric_new, name="rubric-new"),
    path("p/<slug:slug>/judges/rubrics/import/", rubrics.rubric_import, name="rubric-import"),
    path("p/<slug:slug>/judges/rubrics/<int:pk>/", rubrics.rubric_detail, name="rubric"),
    path("p/<slug:slug>/judges/rubrics/<int:pk>/edit/", rubrics.rubric_edit, name="rubric-edit"),
    path("p/<slug:slug>/judges/rubrics/<int:pk>/changes/", rubrics.rubric_changes, name="rubric-changes"),
    re_path(
        r"^p/(?P<slug>[-\w]+)/judges/rubrics/(?P<pk>\d+)/rubric\.(?P<form>json|yaml)$",
        rubrics.rubric_export,
        name="rubric-export",
    ),
]
