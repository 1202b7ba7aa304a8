"""Whether the process lives, and its own figures."""

PUBLIC = {
    "GET /healthz": "whether the process lives",
    "GET /readyz": "whether the database answers",
    "GET /metrics": "figures of the process: nobody's data",
}
