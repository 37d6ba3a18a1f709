# One image for all sinks; the command decides which of them a container is.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /app
COPY requirements.txt ./
# The environment that is shipped has no pip: the base image's installs into it.
# All bytecode is made here and kept in one place, because a read-only file system could not keep
# what a start compiles. It carries no timestamps: an image built with fixed file times would
# otherwise find all of it stale.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
        --require-hashes --no-deps -r requirements.txt \
    && PYTHONPYCACHEPREFIX=/opt/bytecode /opt/venv/bin/python -B \
        -m compileall -q -x /tests/ --invalidation-mode unchecked-hash /opt/venv/lib
COPY gunicorn.conf.py ./
COPY triggers ./triggers
COPY sinks ./sinks
# The official base image has no bytecode of the standard library either: the imports write what a
# start needs of it.
RUN export PYTHONPYCACHEPREFIX=/opt/bytecode \
    && /opt/venv/bin/python -B -m compileall -q --invalidation-mode unchecked-hash sinks \
    && /opt/venv/bin/python -c "\
import gevent.monkey; gevent.monkey.patch_all(); \
import gunicorn.app.wsgiapp, gunicorn.glogging; \
import gunicorn.workers.ggevent, psycopg; \
import sinks.deadletter_sink, sinks.egress_sink, sinks.http_shim, sinks.score_sink"

# No RUN from here on: it would leave files of the builder behind.
FROM ${BASE}
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONPYCACHEPREFIX=/opt/bytecode \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/bytecode/opt/venv /opt/bytecode/opt/venv
COPY --from=build /opt/bytecode/usr /opt/bytecode/usr
COPY --from=build /app/gunicorn.conf.py ./
COPY --from=build /app/triggers ./triggers
COPY --from=build /opt/bytecode/app /opt/bytecode/app
COPY --from=build /app/sinks ./sinks
# Numeric, so that Kubernetes can verify runAsNonRoot.
USER 10001:10001
EXPOSE 8080
# For container engines without probes of their own; Kubernetes ignores it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "-c", "\
import http.client, os; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', '8080')), timeout=4); \
c.request('GET', '/healthz'); \
raise SystemExit(c.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "sinks.score_sink:create_app()"]
