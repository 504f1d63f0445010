# The console: one page of HTML.
FROM node:22-bookworm-slim AS console
WORKDIR /build
COPY web/package.json web/package-lock.json web/
COPY web/console/package.json web/console/
COPY web/packages web/packages
RUN npm ci --prefix web --ignore-scripts --no-audit --no-fund
COPY web web
RUN npm run build --prefix web -w console

# The server, and what it needs, in one folder.
FROM python:3.11-slim-bookworm AS server
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/antiphon
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /build
COPY pyproject.toml uv.lock ./
# All that others wrote: this layer stays the same while only Antiphon changes.
ARG EXTRAS="--extra webrtc --extra speech --extra paraphrases --extra postgres"
RUN uv sync --frozen --no-default-groups --no-install-project ${EXTRAS}
COPY README.md LICENSE NOTICE ./
COPY src src
COPY --from=console /build/src/antiphon/console src/antiphon/console
RUN uv sync --frozen --no-default-groups --no-editable ${EXTRAS}

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/antiphon --create-home antiphon
COPY --from=server /opt/antiphon /opt/antiphon
ENV PATH=/opt/antiphon/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/var/lib \
    ANTIPHON_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/antiphon
# Journal, keys, audit log: all that is ever written, so the rest may be read only.
VOLUME /var/lib/antiphon
EXPOSE 8080
STOPSIGNAL SIGTERM
# 503 while it drains: whoever balances load sends new clients elsewhere.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["antiphon"]
CMD ["serve"]
