// A service of the official OpenTelemetry SDK for JavaScript, without its automatic instrumentation. See ../README.md.

import http from 'node:http';

import { ROOT_CONTEXT, SpanKind, TraceFlags, createContextKey, createTraceState, propagation, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { AWSXRayPropagator } from '@opentelemetry/propagator-aws-xray';
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3';
import { JaegerPropagator } from '@opentelemetry/propagator-jaeger';
import { OTTracePropagator } from '@opentelemetry/propagator-ot-trace';
import { BasicTracerProvider, ParentBasedSampler, RandomIdGenerator, SamplingDecision } from '@opentelemetry/sdk-trace-base';

const USAGE = `usage: node peer.mjs [--help]

Listens on a free port of 127.0.0.1, prints \`listening on 127.0.0.1:PORT\`, and ends with its standard input.
`;

// Jaeger's and OpenTracing's formats have baggage of their own.
const FORMATS = {
  tracecontext: withBaggage(new W3CTraceContextPropagator()),
  b3: withBaggage(new B3Propagator()),
  b3multi: withBaggage(new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER })),
  xray: withBaggage(new AWSXRayPropagator()),
  jaeger: new JaegerPropagator(),
  ottrace: new OTTracePropagator(),
};

// The propagator does not export its key; the API makes the same one of the same text.
const B3_DEBUG = createContextKey('OpenTelemetry Context Key B3 Debug Flag');

// What Node's HTTP and the callers' send in any case.
const COMMON = new Set(['accept', 'accept-encoding', 'connection', 'content-length', 'host', 'user-agent']);

const GETTER = {
  get: (headers, key) => headers[key],
  keys: (headers) => Object.keys(headers),
};

const SETTER = {
  set: (headers, key, value) => { headers[key] = value; },
};

function withBaggage(propagator) {
  return new CompositePropagator({ propagators: [propagator, new W3CBaggagePropagator()] });
}

async function answer(request) {
  const url = new URL(request.url, 'http://peer');
  const [, format, route] = url.pathname.split('/');
  const propagator = FORMATS[format];
  if (!propagator) throw new Error(`no such format: ${format}`);
  const tracer = tracerOf(url.searchParams);

  let outer;
  let extracted = null;
  if (route === 'call') {
    outer = propagator.extract(ROOT_CONTEXT, request.headers, GETTER);
    extracted = describe(outer);
  } else if (route === 'start') {
    const pairs = Object.entries(JSON.parse(url.searchParams.get('baggage') ?? '{}'));
    const baggage = propagation.createBaggage(Object.fromEntries(pairs.map(([key, value]) => [key, { value }])));
    outer = pairs.length > 0 ? propagation.setBaggage(ROOT_CONTEXT, baggage) : ROOT_CONTEXT;
  } else {
    throw new Error(`no such route: ${route}`);
  }

  const server = tracer.startSpan('server', { kind: SpanKind.SERVER }, outer);
  const inner = trace.setSpan(outer, server);
  const client = tracer.startSpan('client', { kind: SpanKind.CLIENT }, inner);
  const current = trace.setSpan(inner, client);
  const sent = {};
  propagator.inject(current, sent, SETTER);
  const back = url.searchParams.get('back');
  try {
    return {
      received: pairsOf(request.rawHeaders),
      extracted,
      server: describe(inner),
      client: describe(current),
      sent: Object.entries(sent),
      back: back && (await get(back, sent)),
    };
  } finally {
    client.end();
    server.end();
  }
}

// One for each request: roots are sampled, named and numbered as the request wants it.
function tracerOf(query) {
  const random = new RandomIdGenerator();
  const spans = [query.get('server'), query.get('client')];
  const tracestate = query.get('tracestate');
  const root = {
    shouldSample: () => ({
      decision: query.get('sampled') === '0' ? SamplingDecision.NOT_RECORD : SamplingDecision.RECORD_AND_SAMPLED,
      traceState: tracestate ? createTraceState(tracestate) : undefined,
    }),
  };
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root }),
    idGenerator: {
      generateTraceId: () => query.get('trace') ?? random.generateTraceId(),
      generateSpanId: () => spans.shift() ?? random.generateSpanId(),
    },
  });
  return provider.getTracer('peer');
}

function describe(context) {
  const span = trace.getSpanContext(context);
  const baggage = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return {
    trace_id: span?.traceId ?? null,
    span_id: span?.spanId ?? null,
    sampled: ((span?.traceFlags ?? 0) & TraceFlags.SAMPLED) !== 0,
    remote: span?.isRemote ?? false,
    debug: context.getValue(B3_DEBUG) !== undefined,
    tracestate: span?.traceState?.serialize() ?? '',
    baggage: baggage.map(([key, { value, metadata }]) => `${key}=${value}${metadata ? `;${metadata}` : ''}`),
  };
}

function pairsOf(raw) {
  const pairs = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (!COMMON.has(raw[at].toLowerCase())) pairs.push([raw[at], raw[at + 1]]);
  }
  return pairs;
}

function get(url, headers) {
  return new Promise((resolve, reject) => {
    http.get(url, { headers, agent: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${url} answered ${response.statusCode}: ${text}`));
      });
      response.on('error', reject);
    }).on('error', reject);
  });
}

function main() {
  if (process.argv.length > 2) {
    process.stdout.write(USAGE);
    process.exitCode = ['--help', '-h'].includes(process.argv[2]) ? 0 : 2;
    return;
  }
  const server = http.createServer(async (request, response) => {
    let status = 200;
    let body;
    try {
      body = await answer(request);
    } catch (error) {
      status = 500;
      body = { error: String(error?.stack ?? error) };
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
  // Whoever started this holds the other end: it cannot outlive them.
  process.stdin.resume().on('end', () => process.exit(0)).on('error', () => process.exit(0));
}

main();
