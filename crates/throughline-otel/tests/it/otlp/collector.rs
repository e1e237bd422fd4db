//! A collector of a few requests on a loopback socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// What it was sent.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) line: String,
    /// Lower-case names.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    served: thread::JoinHandle<Vec<Received>>,
}

impl Collector {
    /// Answers as many requests as there are answers (status line, body), each on a connection of its own.
    pub(super) fn answering(answers: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let answer = |(status, body): (&str, Vec<u8>)| serve(listener.accept().unwrap().0, status, &body);
            answers.into_iter().map(answer).collect()
        });
        Self { address, served }
    }

    /// Answers one request well.
    pub(super) fn of_one() -> Self {
        Self::answering(vec![("200 OK", Vec::new())])
    }

    pub(super) fn received(self) -> Vec<Received> {
        self.served.join().unwrap()
    }
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(known, value)| (known == name).then_some(&**value))
    }

    pub(super) fn decode(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(&*self.body).unwrap()
    }

    pub(super) fn decode_metrics(&self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest::decode(&*self.body).unwrap()
    }
}

/// Reads one request from a socket or a TLS session, and answers it.
pub(super) fn serve(mut peer: impl Read + Write, status: &str, body: &[u8]) -> Received {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut received = Received { line, headers, body: Vec::new() };
    received.body = vec![0; received.header("content-length").unwrap().parse().unwrap()];
    peer.read_exact(&mut received.body).unwrap();
    let length = body.len();
    write!(peer, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").unwrap();
    peer.write_all(body).unwrap();
    peer.flush().unwrap();
    received
}
