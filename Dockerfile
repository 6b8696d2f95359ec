# nowcast on the CPU, for the service and for the server: docker build -t nowcast:cpu .
# compose.yaml runs both beside each other; docs/howto/serve.md says more.
FROM python:3.11-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY nowcast nowcast
COPY configs configs
RUN python -m venv /opt/nowcast \
 && /opt/nowcast/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.11,<2.14" \
 && /opt/nowcast/bin/pip install --no-cache-dir ".[serve,geotiff]"

FROM python:3.11-slim
ENV PATH=/opt/nowcast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin nowcast \
 && install -d -o nowcast -g nowcast /data /data/service /data/service/out /data/service/incoming
COPY --from=build /opt/nowcast /opt/nowcast
USER nowcast
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=8)"]
CMD ["nowcast", "serve", "service/out", "--host", "0.0.0.0"]
