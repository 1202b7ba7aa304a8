"""An agent that reports what it does; address and key come from AGENT_MONITOR_URL and AGENT_MONITOR_API_KEY."""

import logging

from monitor.sdk import Monitor, MonitorHandler

monitor = Monitor(agent="akira-001")
logging.getLogger().addHandler(MonitorHandler(monitor))
monitor.start_heartbeats(interval=30)

with monitor.run("review", task_type="code_review") as run:
    logging.warning("the diff is long")
    run.metric("latency_ms", 812)
    run.tokens(input=900, output=120, model="claude-opus-4-1")
