"""Structured logs: JSON lines in production, readable lines otherwise; every line carries the request id."""

import logging
import logging.config
import sys
from typing import Any, Final

import orjson
import structlog
from django.utils.log import CallbackFilter

from . import request_id

#: What anybody can do that Django logs; the message says all, and a traceback each time would drive other lines out.
BY_ANYBODY: Final = (
    "DisallowedHost", "RequestDataTooBig", "SuspiciousMultipartForm", "TooManyFieldsSent", "TooManyFilesSent",
)  # fmt: skip


def configuration(*, json: bool, debug: bool) -> None:
    """Set up structlog and the standard library's logging through one handler on standard error."""
    shared: list[Any] = [
        request_id.add_to_line,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        # Plain tracebacks: the pretty ones print every local variable, passwords and tokens among them.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *([structlog.processors.format_exc_info] if json else []),
                        renderer,
                    ],
                }
            },
            "filters": {
                "with_traceback": {
                    "()": CallbackFilter,
                    "callback": lambda record: record.exc_info is not None,
                },
                "without_traceback": {"()": CallbackFilter, "callback": _drop_traceback},
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": "DEBUG" if debug else "INFO"},
            "loggers": {
                # What was answered is in the access log, with its request id; only failures are news.
                "django.request": {"level": "ERROR", "filters": ["with_traceback"]},
                **{
                    f"django.security.{name}": {"filters": ["without_traceback"]}
                    for name in BY_ANYBODY
                },
                "django.server": {"level": "WARNING"},
                "django.db.backends": {"level": "INFO"},
                "django.utils.autoreload": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
            },
        }
    )


def line_logger(name: str) -> Any:
    """A logger of JSON lines like production's other ones, for what is said with each request.

    Past the standard library's logging, which takes most of a tenth of a millisecond to write one.
    """
    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            request_id.add_to_line,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(lambda line, **_: orjson.dumps(line).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind(logger=name)


def _drop_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
