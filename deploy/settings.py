"""Settings: defaults that need no server, and one environment variable for each thing that a deployment changes.

A value that can not be used fails here, at the start, with a sentence that names the variable.
"""

import gc
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

# Arrow's own pools keep what was freed, forty megabytes of it by the end of an export; the system's gives it back.
# Said before Arrow is loaded, since parts of it take no other word.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# Rows hold no cycles. By its own measure, 700 new objects, Python looks for some every sixty rows of an export, which
# takes a fifth of its time.
gc.set_threshold(5_000)

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(env.str("CONCORD_VAR", default=str(BASE_DIR / "var"))).resolve()


def _var_folder(name: str = "") -> Path:
    folder = VAR / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # sessions, texts and logs are nobody else's
    except OSError as error:
        raise ImproperlyConfigured(
            f"CONCORD_VAR: {folder} can not be created ({error.strerror}). Set it to a folder you can write to."
        ) from error
    return folder


def _secret_key() -> str:
    """The key from the environment, or one made at random on the first start and kept in the var folder."""
    given = env.str("SECRET_KEY", default="")
    if given:
        return str(given)
    file = _var_folder() / "secret_key"
    if not file.exists():
        _write_once(file, secrets.token_urlsafe(50))
    return file.read_text()


def _write_once(file: Path, text: str) -> None:
    """Only its owner reads the file. Of two processes that start at once, both find the one that was whole first."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(text)
    with suppress(FileExistsError):
        os.link(part, file)
    part.unlink()


def _database() -> dict[str, Any]:
    url = env.str("DATABASE_URL", default=f"sqlite:///{_var_folder() / 'concord.sqlite3'}")
    config: dict[str, Any] = env.db_url_config(url)
    if config.get("ENGINE") == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-64000;"
            "PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=27103364;",
        }
        # A file, not memory: tests use threads and worker processes, which must see the same database.
        config["TEST"] = {"NAME": str(_var_folder() / "test.sqlite3")}
    elif config.get("ENGINE") == "django.db.backends.postgresql":
        config["CONN_HEALTH_CHECKS"] = True
        # Statements that come again are prepared, which takes a third off the queue's; a pooler between us and the
        # server must therefore keep sessions, not transactions.
        # No statement here is worth compiling: one that stops at its first row takes half a millisecond, and took a
        # second where PostgreSQL compiled it for what all rows would cost.
        config["OPTIONS"] = {"server_side_binding": True, "prepare_threshold": 3, "options": "-c jit=off"}
        # A command makes one connection, and says at once why it can not; servers keep a pool.
        if env.bool("DATABASE_POOL", default=True):
            config["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 16, "timeout": 20}
    else:
        raise ImproperlyConfigured(
            "DATABASE_URL: use sqlite:///FILE or postgres://USER:PASSWORD@HOST:PORT/NAME."
        )
    return config


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("HTTPS", default=False)
# How many proxies stand before us, each appending to X-Forwarded-For; without any, that header is not believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

INSTALLED_APPS = [
    "deploy",
    "trainer",
    "alignment",
    "judges",
    "feedback",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "deploy.caching.private_pages",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "feedback:projects"
LOGOUT_REDIRECT_URL = "login"
# Ten wrong passwords for one name from one address close that door for a quarter of an hour.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "deploy.clients.address"
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"

# A person's choice, kept in a cookie; else the browser's first language that is here; else English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SECURE = HTTPS
FORMAT_MODULE_PATH = "deploy.formats"
LOCALE_PATHS = [BASE_DIR / "deploy" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = _var_folder("static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
FILE_UPLOAD_HANDLERS = ["deploy.uploads.RefuseFiles"]
# The largest file that the import page takes, in bytes; larger ones come by the command, on the server itself.
UPLOAD_BYTES = env.int("UPLOAD_BYTES", default=2 << 30)
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "feedback.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["feedback.api.authentication.ScopedAccess"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "feedback.api.errors.explain",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Concord API",
    "VERSION": "1",
    "DESCRIPTION": "Prompts, comparisons and judgments in; agreement, labels, snapshots and runs out.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1(/projects/\{slug\}(?=/))?",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "JobStateEnum": "feedback.models.JobState",
        "OutcomeEnum": "feedback.models.Outcome",
        "RaterKindEnum": "feedback.models.RaterKind",
        "ModelKindEnum": "trainer.models.ModelKind",
        "AnswerOutcomeEnum": ["ranked", "skipped"],
    },
}

# Where files live: snapshots by their hash, a folder for each run, exports while they are written.
SNAPSHOTS_ROOT = VAR / "snapshots"
RUNS_ROOT = VAR / "runs"

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=f"sqla+sqlite:///{VAR / 'broker.sqlite3'}")
# The other Celery settings are the same everywhere and stand in deploy/celery.py.

# Servers besides the providers' own that judges may be sent to, as host or host:port; see judges/actions/hosts.py.
JUDGE_HOSTS = env.list("JUDGE_HOSTS", default=[])

# Where runs train: name to trainer.launchers.settings.LauncherSettings, as JSON; see docs/training.md.
LAUNCHERS = env.json("LAUNCHERS", default={}) or {}

# A worker that has not been heard of for this long has died; its job is started again or marked interrupted.
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=30)
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=10)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    # It warns that a file-based broker has no host name.
    "loggers": {"kombu.connection": {"level": "ERROR"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
}
