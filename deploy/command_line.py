"""Runs a management command so that every cause a person can mend ends in one sentence and a non-zero status."""

import errno
import os
import sys
from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Execute ``argv`` as ``manage.py`` would; 0 on success, 1 after a failure that was explained on stderr."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    os.environ.setdefault("DATABASE_POOL", "false")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        print(
            "Error: Django is not installed. Run `make install`, then use .venv/bin/python.", file=sys.stderr
        )
        return 1
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError, ProgrammingError

    try:
        execute_from_command_line(list(argv))
    except ImproperlyConfigured as error:
        return _fail(f"{error}")
    except OperationalError as error:
        return _fail(_database_sentence(error))
    except ProgrammingError as error:  # how PostgreSQL says that a table is missing
        if "does not exist" not in str(error):
            raise
        return _fail(_database_sentence(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(
            f"The disk is full ({error.filename or 'while writing'}). Free some space and run it again."
        )
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(sentence: str) -> int:
    print(f"Error: {sentence}", file=sys.stderr)
    return 1


def _database_sentence(error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0]
    if "no such table" in first_line or ("does not exist" in first_line and "relation" in first_line):
        return f"The database has no tables yet ({first_line}). Run `python manage.py migrate`."
    return f"The database can not be used: {first_line}. Check DATABASE_URL and that the server is running."
