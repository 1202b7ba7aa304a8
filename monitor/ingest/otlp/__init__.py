"""OpenTelemetry's protocol, OTLP: traces, metrics and logs, as protobuf or JSON, over HTTP and gRPC.

A request is decoded into the records of records.py, the same ones whichever way it was spelled.
"""
