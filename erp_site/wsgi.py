"""The door for a WSGI server.

Import it only in a process that serves: with RELAY=thread the import starts the thread that relays events.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "erp_site.settings")

application = get_wsgi_application()

if settings.RELAY == "thread":
    from erp_site.core.outbox import start_thread  # models can be imported only now

    start_thread()
