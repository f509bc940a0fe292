"""The door for a WSGI server.

Import it only in a process that serves: with RELAY=thread the import starts the threads that relay events
and work on imports.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp_site.settings")

application = get_wsgi_application()

if settings.RELAY == "thread":
    from erp_site.core import imports, outbox  # models can be imported only now

    outbox.start_thread()
    imports.start_thread()
