//! Exporters that block, that await, that spawn, and what none of them may do to the application.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use std::{future, thread};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use throughline_core::{Context, Resource};
use throughline_export::{Batch, ExportError, Exporter};
use throughline_otel::OtelExporter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc as channel, oneshot};

use crate::support;

/// Reads what one export writes, and answers.
fn collector() -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let mut byte = [0];
        while byte[0] != b'\n' {
            peer.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        peer.write_all(b"ok").unwrap();
        String::from_utf8(text).unwrap()
    });
    (address, served)
}

fn line(batch: &[SpanData]) -> String {
    let names: Vec<_> = batch.iter().map(|span| &*span.name).collect();
    names.join(",") + "\n"
}

fn failed(error: impl Into<Box<dyn std::error::Error>>) -> OTelSdkError {
    OTelSdkError::InternalFailure(error.into().to_string())
}

fn export<E: SpanExporter + 'static>(exporter: &mut OtelExporter<E>) -> Result<(), ExportError> {
    exporter.export(&Batch::new(&support::named(&["one", "two"]), &Resource::new("orders")))
}

/// As `reqwest::blocking` does it: a runtime of its own behind a blocking face, which is built, blocked on and dropped
/// by whoever calls. Each of the three panics inside a runtime.
#[derive(Debug)]
struct Blocking {
    runtime: tokio::runtime::Runtime,
    address: SocketAddr,
}

impl SpanExporter for Blocking {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut answer = [0; 2];
        let mut peer = TcpStream::connect(self.address).map_err(failed)?;
        peer.write_all(line(&batch).as_bytes()).map_err(failed)?;
        peer.read_exact(&mut answer).map_err(failed)?;
        self.runtime.block_on(tokio::task::yield_now());
        Ok(())
    }
}

fn blocking(address: SocketAddr) -> OtelExporter<Blocking> {
    let build = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(tokio::task::yield_now());
        Ok::<_, io::Error>(Blocking { runtime, address })
    };
    OtelExporter::new(build).unwrap()
}

#[test]
fn a_blocking_exporter_works() {
    let (address, served) = collector();
    let mut exporter = blocking(address);
    export(&mut exporter).unwrap();
    assert_eq!(served.join().unwrap(), "one,two\n");
    exporter.shutdown();
}

#[tokio::test]
async fn a_blocking_exporter_is_built_and_dropped_inside_the_applications_runtime() {
    let unused = blocking(SocketAddr::from(([127, 0, 0, 1], 1)));
    drop(unused);
    let mut exporter = blocking(SocketAddr::from(([127, 0, 0, 1], 1)));
    thread::spawn(move || exporter.shutdown()).join().unwrap();
}

/// Timers and sockets of whatever runtime is there.
#[derive(Debug)]
struct Awaiting(SocketAddr);

impl SpanExporter for Awaiting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut answer = [0; 2];
        let mut peer = tokio::net::TcpStream::connect(self.0).await.map_err(failed)?;
        peer.write_all(line(&batch).as_bytes()).await.map_err(failed)?;
        peer.read_exact(&mut answer).await.map_err(failed)?;
        Ok(())
    }
}

#[test]
fn an_asynchronous_exporter_works() {
    let (address, served) = collector();
    let mut exporter = OtelExporter::new(move || Ok::<_, io::Error>(Awaiting(address))).unwrap();
    export(&mut exporter).unwrap();
    assert_eq!(served.join().unwrap(), "one,two\n");
}

/// As a tonic channel does it: the connection is a task, spawned when the channel is built.
#[derive(Debug)]
struct Spawning(channel::Sender<(Vec<SpanData>, oneshot::Sender<OTelSdkResult>)>);

impl Spawning {
    fn connect(address: SocketAddr) -> Self {
        let (requests, mut received) = channel::channel::<(Vec<SpanData>, oneshot::Sender<OTelSdkResult>)>(1);
        tokio::spawn(async move {
            while let Some((batch, answer)) = received.recv().await {
                let _ = answer.send(Awaiting(address).export(batch).await);
            }
        });
        Self(requests)
    }
}

impl SpanExporter for Spawning {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (answer, answered) = oneshot::channel();
        self.0.send((batch, answer)).await.map_err(|_| failed("the channel is closed"))?;
        answered.await.map_err(failed)?
    }
}

#[test]
fn an_exporter_that_spawns_when_it_is_built_works() {
    let (address, served) = collector();
    let mut exporter = OtelExporter::new(move || Ok::<_, io::Error>(Spawning::connect(address))).unwrap();
    export(&mut exporter).unwrap();
    assert_eq!(served.join().unwrap(), "one,two\n");
}

/// Notes whether it could be traced, in every place where it runs.
#[derive(Clone, Debug, Default)]
struct Watching(Arc<Mutex<Vec<(&'static str, bool)>>>);

impl Watching {
    fn note(&self, place: &'static str) {
        let quiet = Context::current().is_instrumentation_suppressed()
            && opentelemetry::Context::current().is_telemetry_suppressed();
        self.0.lock().unwrap().push((place, quiet));
    }
}

impl SpanExporter for Watching {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        self.note("export");
        let (on_worker, on_pool) = (self.clone(), self.clone());
        tokio::spawn(async move { on_worker.note("task") }).await.map_err(failed)?;
        tokio::task::spawn_blocking(move || on_pool.note("blocking task")).await.map_err(failed)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.note("flush");
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.note("shutdown");
        Ok(())
    }
}

#[test]
fn an_exporter_is_never_traced() {
    let watching = Watching::default();
    let theirs = watching.clone();
    let build = move || {
        theirs.note("build");
        Ok::<_, io::Error>(theirs)
    };
    let mut exporter = OtelExporter::new(build).unwrap();
    export(&mut exporter).unwrap();
    exporter.flush().unwrap();
    exporter.shutdown();
    let places = ["build", "export", "task", "blocking task", "flush", "shutdown"].map(|place| (place, true));
    assert_eq!(*watching.0.lock().unwrap(), places);
    assert!(Context::current().is_root(), "the caller's context is as it was");
    assert_eq!(throughline_core::misplaced_guards(), 0);
}

/// Fails, hangs or panics.
#[derive(Debug)]
enum Bad {
    Refuses,
    Hangs,
    HangsOnceFlushed(AtomicBool),
}

impl SpanExporter for Bad {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        match self {
            Self::Refuses => Err(failed("quota exceeded")),
            Self::HangsOnceFlushed(flushed) if !flushed.load(Ordering::Relaxed) => Ok(()),
            Self::Hangs | Self::HangsOnceFlushed(_) => future::pending().await,
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        if let Self::HangsOnceFlushed(flushed) = self {
            flushed.store(true, Ordering::Relaxed);
        }
        Err(failed("cannot"))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[test]
fn failures_are_errors() {
    let mut refuses = OtelExporter::new(|| Ok::<_, io::Error>(Bad::Refuses)).unwrap();
    let error = export(&mut refuses).unwrap_err();
    assert!(root_cause(&error).contains("quota exceeded"), "{error:?}");
    assert!(refuses.flush().is_err());
    refuses.shutdown();
    assert_eq!(root_cause(&export(&mut refuses).unwrap_err()), "the exporter was shut down");
    assert!(refuses.flush().is_ok(), "there is nothing left to flush");
    refuses.shutdown();
}

#[test]
fn an_export_that_hangs_is_given_up() {
    let mut hangs = OtelExporter::new(|| Ok::<_, io::Error>(Bad::Hangs)).unwrap().timeout(Duration::ZERO);
    assert_eq!(root_cause(&export(&mut hangs).unwrap_err()), "no answer within 0ns");

    let build = || Ok::<_, io::Error>(Bad::HangsOnceFlushed(AtomicBool::new(false)));
    let mut later = OtelExporter::new(build).unwrap().timeout(Duration::from_millis(1));
    export(&mut later).unwrap();
    assert!(later.flush().is_err());
    assert!(export(&mut later).is_err());
}

#[test]
fn an_exporter_that_cannot_be_built_is_an_error() {
    let refused = OtelExporter::<Bad>::new(|| Err("no route to host")).unwrap_err();
    assert_eq!(refused.to_string(), "the exporter could not be built");
    assert_eq!(root_cause(&refused), "no route to host");
    let panicked = OtelExporter::<Bad>::new(|| -> Result<_, io::Error> { panic!("a bug") }).unwrap_err();
    assert_eq!(root_cause(&panicked), "it panicked");
}

#[test]
fn debug_does_not_show_the_exporter() {
    let exporter = OtelExporter::new(|| Ok::<_, io::Error>(Awaiting(SocketAddr::from(([10, 1, 2, 3], 1))))).unwrap();
    let text = format!("{exporter:?}");
    assert!(text.contains("Awaiting") && !text.contains("10.1.2.3"), "{text}");
}

#[test]
fn a_dropped_exporter_takes_its_threads_along() {
    let (alive, gone) = mpsc::channel::<()>();
    let build = move || {
        tokio::spawn(async move {
            let _alive = alive;
            future::pending::<()>().await;
        });
        Ok::<_, io::Error>(Bad::Refuses)
    };
    drop(OtelExporter::new(build).unwrap());
    assert_eq!(gone.recv_timeout(Duration::from_secs(60)), Err(mpsc::RecvTimeoutError::Disconnected));
}
