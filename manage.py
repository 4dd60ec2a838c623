#!/usr/bin/env python
"""Concord's command line."""

import sys

from deploy.command_line import run

if __name__ == "__main__":
    sys.exit(run(sys.argv))
