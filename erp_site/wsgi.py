"""The door for a WSGI server.

Import it only in a process that serves: with RELAY=thread the import starts the threads that relay events,
tell webhooks and work on imports.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from erp_site.core.bodies import whole_bodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp_site.settings")

application = whole_bodies(get_wsgi_application(), largest=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

if settings.RELAY == "thread":
    from erp_site.core import imports, outbox, webhooks  # models can be imported only now

    outbox.start_thread()
    webhooks.start_thread()
    imports.start_thread()
