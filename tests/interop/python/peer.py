"""A service of the official OpenTelemetry SDK for Python, without its automatic instrumentation. See ../README.md."""

import http.client
import json
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.ot_trace import OTTracePropagator
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, TraceState, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

USAGE = """usage: python3 peer.py [--help]

Listens on a free port of 127.0.0.1, prints `listening on 127.0.0.1:PORT`, and ends with its standard input.
"""


def with_baggage(propagator):
    return CompositePropagator([propagator, W3CBaggagePropagator()])


# Jaeger's and OpenTracing's formats have baggage of their own.
FORMATS = {
    "tracecontext": with_baggage(TraceContextTextMapPropagator()),
    "b3": with_baggage(B3SingleFormat()),
    "b3multi": with_baggage(B3MultiFormat()),
    "xray": with_baggage(AwsXRayPropagator()),
    "jaeger": JaegerPropagator(),
    "ottrace": OTTracePropagator(),
}

# What HTTP clients send in any case.
COMMON = {"accept", "accept-encoding", "connection", "content-length", "host", "user-agent"}


class Headers(Getter):
    """Reads the standard library's headers, each line by itself."""

    def get(self, carrier, key):
        return carrier.get_all(key)

    def keys(self, carrier):
        return [key.lower() for key in carrier.keys()]


class Root(Sampler):
    """Samples and names roots as the request wants it."""

    def __init__(self, query):
        sampled = query.get("sampled", "1") != "0"
        self.decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP
        self.tracestate = TraceState.from_header([query.get("tracestate", "")])

    def should_sample(self, *_args, **_named):
        return SamplingResult(self.decision, trace_state=self.tracestate)

    def get_description(self):
        return "Root"


class Ids(IdGenerator):
    """The ids that the request names, then random ones."""

    def __init__(self, query):
        self.random = RandomIdGenerator()
        self.trace = query.get("trace")
        self.spans = [query[name] for name in ("server", "client") if name in query]

    def generate_trace_id(self):
        return int(self.trace, 16) if self.trace else self.random.generate_trace_id()

    def generate_span_id(self):
        return int(self.spans.pop(0), 16) if self.spans else self.random.generate_span_id()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            status, body = 200, answer(self.path, self.headers)
        except Exception:
            status, body = 500, {"error": traceback.format_exc()}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        pass


def answer(target, headers):
    url = urlsplit(target)
    _, name, route = url.path.split("/")
    propagator = FORMATS[name]
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    provider = TracerProvider(
        sampler=ParentBased(Root(query)), id_generator=Ids(query), resource=Resource({}), shutdown_on_exit=False
    )
    tracer = provider.get_tracer("peer")

    extracted = None
    outer = Context()
    if route == "call":
        outer = propagator.extract(headers, outer, Headers())
        extracted = describe(outer)
    elif route == "start":
        for key, value in json.loads(query.get("baggage", "{}")).items():
            outer = baggage.set_baggage(key, value, outer)
    else:
        raise ValueError(f"no such route: {route}")

    server = tracer.start_span("server", outer, SpanKind.SERVER)
    inner = trace.set_span_in_context(server, outer)
    client = tracer.start_span("client", inner, SpanKind.CLIENT)
    current = trace.set_span_in_context(client, inner)
    sent = {}
    propagator.inject(sent, current)
    try:
        return {
            "received": [pair for pair in headers.items() if pair[0].lower() not in COMMON],
            "extracted": extracted,
            "server": describe(inner),
            "client": describe(current),
            "sent": list(sent.items()),
            "back": get(query["back"], sent) if "back" in query else None,
        }
    finally:
        client.end()
        server.end()


def describe(context):
    span = trace.get_current_span(context).get_span_context()
    return {
        "trace_id": format_trace_id(span.trace_id) if span.is_valid else None,
        "span_id": format_span_id(span.span_id) if span.is_valid else None,
        "sampled": span.trace_flags.sampled,
        "remote": span.is_remote,
        "debug": None,
        "tracestate": span.trace_state.to_header(),
        "baggage": [f"{key}={value}" for key, value in baggage.get_all(context).items()],
    }


def get(url, headers):
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("GET", f"{address.path}?{address.query}", headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise ValueError(f"{url} answered {response.status}: {body!r}")
        return json.loads(body)
    finally:
        connection.close()


def end_with_stdin():
    """Whoever started this holds the other end: it cannot outlive them."""
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    if len(sys.argv) > 1:
        print(USAGE, end="")
        sys.exit(0 if sys.argv[1] in ("--help", "-h") else 2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
