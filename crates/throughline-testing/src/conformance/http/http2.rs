//! HTTP/2, frame by frame.

use std::io;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::visitor::{Ask, Upload};

/// A client's connection, and its last stream.
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<()>,
    upload: Option<SendStream<Bytes>>,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

impl Client {
    pub(crate) async fn new(socket: TcpStream) -> io::Result<Self> {
        let (sender, connection) = h2::client::handshake(socket).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, connection, upload: None, response: None, body: None })
    }

    pub(crate) fn send(&mut self, ask: &Ask) -> io::Result<()> {
        let uri =
            Uri::builder().scheme("http").authority(ask.authority.unwrap_or_default()).path_and_query(&*ask.target);
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(io::Error::other)?;
        let mut request = Request::builder().method(method).uri(uri.build().map_err(io::Error::other)?);
        for (name, value) in &ask.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).map_err(io::Error::other)?;
        let sent = self.sender.send_request(request, ask.body == Upload::None).map_err(io::Error::other);
        let (response, mut upload) = sent?;
        if let Upload::Whole(body) | Upload::Half(body) = ask.body {
            let last = matches!(ask.body, Upload::Whole(_));
            upload.send_data(Bytes::from_static(body.as_bytes()), last).map_err(io::Error::other)?;
        }
        (self.upload, self.response, self.body) = (Some(upload), Some(response), None);
        Ok(())
    }

    pub(crate) async fn head(&mut self) -> io::Result<u16> {
        let response = self.response.take().ok_or(io::ErrorKind::NotConnected)?;
        let response = response.await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        self.body = Some(response.into_body());
        Ok(status)
    }

    pub(crate) async fn some(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(body) = &mut self.body else { return Ok(None) };
        match body.data().await {
            None => Ok(None),
            Some(Err(error)) => Err(io::Error::other(error)),
            Some(Ok(bytes)) => {
                body.flow_control().release_capacity(bytes.len()).map_err(io::Error::other)?;
                Ok(Some(bytes.into()))
            }
        }
    }

    pub(crate) async fn trailers(&mut self) -> io::Result<HeaderMap> {
        let Some(body) = &mut self.body else { return Ok(HeaderMap::new()) };
        body.trailers().await.map(Option::unwrap_or_default).map_err(io::Error::other)
    }

    /// Resets the last stream.
    pub(crate) fn reset(&mut self) {
        (self.response, self.body) = (None, None);
        if let Some(mut upload) = self.upload.take() {
            upload.send_reset(Reason::CANCEL);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The socket is the task's.
        self.connection.abort();
    }
}
