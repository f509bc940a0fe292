# Two stages: the compiler that mysqlclient needs stays in the first.
FROM python:3.12-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config default-libmysqlclient-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /venv
COPY requirements/mysql.txt .
# The lock is complete, so nothing is resolved.
RUN pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r mysql.txt

FROM python:3.12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /app --shell /usr/sbin/nologin erp
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PRODUCTION=on HOST=0.0.0.0
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# This secret and host live for one command: the real ones come when a container starts.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q -j 0 . \
    && rm -rf data && install --directory --owner erp --group erp data
USER erp
# The secret key, and SQLite if no DATABASE_URL is given.
VOLUME /app/data
EXPOSE 8000
# The name of an allowed host, because Django refuses others; no I/O, so that a slow database restarts nothing.
# Until it first answers it may be migrating: that is no illness, for as long as others wait for its lock and longer.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:' + (os.environ.get('PORT') or '8000') + '/health/live', headers={'Host': (os.environ.get('ALLOWED_HOSTS') or 'localhost').split(',')[0].strip().lstrip('.')}), timeout=4)"]
CMD ["python", "manage.py", "serve"]
