//! The harness: a server that keeps the headers of the calls it gets, and a client that writes what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use serde_json::{Value, json};
use throughline::Telemetry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The trace id, the parent id and a valid header of the suite's cases.
pub(crate) const T: &str = "12345678901234567890123456789012";
pub(crate) const P: &str = "1234567890123456";
pub(crate) const SAMPLED: &str = "traceparent: 00-12345678901234567890123456789012-1234567890123456-01";
pub(crate) const UNSAMPLED: &str = "traceparent: 00-12345678901234567890123456789012-1234567890123456-00";

/// A service and the harness that drives it.
pub(crate) struct Harness {
    service: SocketAddr,
    address: SocketAddr,
    calls: Arc<Mutex<Vec<HeaderMap>>>,
}

/// The `traceparent` of a call, whose form was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Traceparent {
    pub(crate) trace_id: String,
    pub(crate) parent_id: String,
    pub(crate) flags: String,
}

// === impl Harness ===

impl Harness {
    /// Starts both, on free ports.
    pub(crate) async fn start(telemetry: &Telemetry) -> Self {
        let calls = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let callback = |State(calls): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap| async move {
            calls.lock().unwrap().push(headers);
        };
        let harness = Router::new().route("/callback", post(callback)).with_state(Arc::clone(&calls));
        let service = trace_context::router(telemetry).unwrap();
        Self { service: serve("127.0.0.1:0", service).await, address: serve("0.0.0.0:0", harness).await, calls }
    }

    /// Where the service can be asked to call the harness: on every address of this machine.
    pub(crate) fn callback(&self, host: &str) -> Value {
        json!({ "url": format!("http://{host}:{}/callback", self.address.port()), "arguments": [] })
    }

    /// Where the service can be asked to call itself.
    pub(crate) fn service(&self, arguments: &Value) -> Value {
        json!({ "url": format!("http://{}/test", self.service), "arguments": arguments })
    }

    /// Has the service call the harness `count` times, and gives the headers of these calls.
    pub(crate) async fn calls(&self, headers: &[String], count: usize) -> Vec<HeaderMap> {
        let body = Value::Array(vec![self.callback("127.0.0.1"); count]);
        let results = self.post(headers, &body.to_string()).await;
        assert_eq!(results, Value::Array(vec![json!({ "status": 200 }); count]));
        let calls = self.take_calls();
        assert_eq!(calls.len(), count);
        calls
    }

    /// The headers of the calls since this was last asked.
    pub(crate) fn take_calls(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Posts to the service; its answer is 200 with this body.
    pub(crate) async fn post(&self, headers: &[String], body: &str) -> Value {
        let (status, body) = self.exchange(headers, body).await;
        assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Writes the header lines as they are: no client would let half of them pass.
    pub(crate) async fn exchange(&self, headers: &[String], body: &str) -> (String, String) {
        let mut request = format!("POST /test HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.service);
        request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        for line in headers {
            request += &format!("{line}\r\n");
        }
        request += &format!("\r\n{body}");
        let mut stream = TcpStream::connect(self.service).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").expect("there is an end of the head");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }
}

/// The call's `traceparent`, or what is wrong with it.
pub(crate) fn traceparent(headers: &HeaderMap) -> Result<Traceparent, String> {
    let all: Vec<_> = headers.get_all("traceparent").iter().collect();
    let [value] = all[..] else { return Err(format!("{} headers traceparent: {all:?}", all.len())) };
    let fields: Vec<_> = value.to_str().map_err(|_| format!("{value:?} is no text"))?.split('-').collect();
    let [version, trace_id, parent_id, flags] = fields[..] else { return Err(format!("{value:?} has no four fields")) };
    let zero = |digits: &str| digits.bytes().all(|byte| byte == b'0');
    let hex = |digits: &str, len| digits.len() == len && digits.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    if version != "00"
        || !hex(trace_id, 32)
        || !hex(parent_id, 16)
        || !hex(flags, 2)
        || zero(trace_id)
        || zero(parent_id)
    {
        return Err(format!("{value:?} is not valid"));
    }
    Ok(Traceparent { trace_id: trace_id.to_owned(), parent_id: parent_id.to_owned(), flags: flags.to_owned() })
}

/// The members of the call's `tracestate`; a header without members is an error.
pub(crate) fn tracestate(headers: &HeaderMap) -> Result<Vec<String>, String> {
    let all: Vec<_> = headers.get_all("tracestate").iter().collect();
    let value = match all[..] {
        [] => return Ok(Vec::new()),
        [value] => value.to_str().map_err(|_| format!("{value:?} is no text"))?,
        _ => return Err(format!("{} headers tracestate: {all:?}", all.len())),
    };
    let members = value.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let members: Vec<_> = members.map(str::to_owned).collect();
    if members.is_empty() { Err("an empty tracestate".to_owned()) } else { Ok(members) }
}

/// Serves the router on this address until the runtime ends.
pub(crate) async fn serve(address: &str, router: Router) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
