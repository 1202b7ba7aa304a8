"""InfluxDB's line protocol over HTTP: what its clients and Telegraf write, as points and log lines."""
