"""OpenTelemetry's protocol: decoders, routes, and clients that nobody here wrote."""
