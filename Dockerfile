# One image for all sinks; the command decides which of them a container is.
ARG BASE=python:3.11-slim-bookworm
# The same Python with a C compiler and headers, for packages that come as source only.
ARG COMPILER=python:3.11-bookworm

FROM ${COMPILER} AS packages
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
# The environment that is shipped has no pip: the compiler image's installs into it. Nor has it what
# builds from source, which is pinned too; left to itself, pip would fetch the newest.
# Linked with -s: debugging information would name a directory of pip's that is another each time.
RUN python -m venv --without-pip /opt/venv \
    && pip install --no-cache-dir --target /opt/build \
        --require-hashes --no-deps -r requirements-build.txt \
    && LDFLAGS=-s PYTHONPATH=/opt/build \
        pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
        --no-build-isolation --require-hashes --no-deps -r requirements.txt

FROM ${BASE} AS bytecode
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
# All bytecode is made here and kept in one place, because a read-only file system could not keep
# what a start compiles. It carries no timestamps: an image built with fixed file times would
# otherwise find all of it stale.
RUN PYTHONPYCACHEPREFIX=/opt/bytecode /opt/venv/bin/python -B \
        -m compileall -q -x /tests/ --invalidation-mode unchecked-hash /opt/venv/lib
COPY gunicorn.conf.py ./
COPY triggers ./triggers
COPY sinks ./sinks
# The official base image has no bytecode of the standard library either: the imports write what a
# start needs of it. It has timestamps, so it is made on the very base that runs it.
RUN export PYTHONPYCACHEPREFIX=/opt/bytecode \
    && /opt/venv/bin/python -B -m compileall -q --invalidation-mode unchecked-hash sinks \
    && /opt/venv/bin/python -c "\
import gevent.monkey; gevent.monkey.patch_all(); \
import encodings.idna, encodings.unicode_escape, gunicorn.app.wsgiapp, gunicorn.glogging; \
import gunicorn.workers.ggevent, psycopg; \
import granian.cli, multiprocessing.popen_fork; \
import sinks.console, sinks.deadletter_sink, sinks.egress_sink, sinks.http_shim, sinks.score_sink"

# No RUN from here on: it would leave files of the builder behind.
FROM ${BASE}
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONPYCACHEPREFIX=/opt/bytecode \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY --from=bytecode /opt/bytecode/opt/venv /opt/bytecode/opt/venv
COPY --from=bytecode /opt/bytecode/usr /opt/bytecode/usr
COPY --from=bytecode /app/gunicorn.conf.py ./
COPY --from=bytecode /app/triggers ./triggers
COPY --from=bytecode /opt/bytecode/app /opt/bytecode/app
COPY --from=bytecode /app/sinks ./sinks
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
