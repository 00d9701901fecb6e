# syntax=docker/dockerfile:1
# The service for an ordinary PostgreSQL, named by CREDITSVC_DATABASE_URL; the embedded one is not in here.
#
#   docker build -t creditsvc .
#
# Where packages come from is pip's own configuration; to build with yours, hand it in as a secret, which
# leaves no trace in the image:
#
#   docker build --secret id=pip,src=$HOME/.config/pip/pip.conf -t creditsvc .

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# What is locked changes seldom, so it comes first. The environment has no pip: nothing installs into it later.
COPY requirements/build.lock requirements/service.lock requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --require-hashes --requirement requirements/build.lock \
    && python -m venv --without-pip /opt/creditsvc \
    && pip --python /opt/creditsvc/bin/python install --require-hashes --requirement requirements/service.lock

COPY pyproject.toml README.md LICENSE ./
COPY creditsvc creditsvc
COPY schema schema
COPY scoring scoring
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/creditsvc/bin/python install --no-deps --no-index dist/creditsvc-*.whl


FROM python:3.13-slim
LABEL org.opencontainers.image.title="creditsvc" \
      org.opencontainers.image.description="The credit record of organisations: a traceable history, a score that explains itself, very fast look-ups" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim"

# A fixed number, so that a volume's owner means the same on every host.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-noto-cjk && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 creditsvc \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/creditsvc creditsvc \
    && install --directory --owner=creditsvc --group=creditsvc --mode=0700 /var/lib/creditsvc
COPY --from=build /opt/creditsvc /opt/creditsvc

ENV PATH=/opt/creditsvc/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CREDITSVC_HOST=0.0.0.0 \
    CREDITSVC_PORT=8080 \
    CREDITSVC_DATA_DIR=/var/lib/creditsvc
USER 10001:10001
WORKDIR /var/lib/creditsvc
EXPOSE 8080

# http.client and not urllib: a proxy named in the environment must not come between.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['CREDITSVC_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["creditsvc"]
CMD ["serve"]
