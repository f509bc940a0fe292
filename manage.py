#!/usr/bin/env python
"""The project's command line: ``python manage.py help`` lists what it can do."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp_site.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # For people who keep it running: what to mend, without where in our code that was noticed.
        if str(error).startswith("The environment is wrong"):
            sys.exit(str(error))
        raise


if __name__ == "__main__":
    main()
