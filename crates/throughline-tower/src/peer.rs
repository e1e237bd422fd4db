//! The other end of a connection, for servers that have no place for it.

use std::net::SocketAddr;

use http::Extensions;

/// The socket's other end, as an extension of a request: whoever accepts connections puts it there.
///
/// ```
/// use std::net::SocketAddr;
/// use throughline_tower::Peer;
///
/// let accepted = SocketAddr::from(([192, 0, 2, 1], 4711));
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Peer(accepted));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Peer(pub SocketAddr);

impl Peer {
    pub(crate) fn of(extensions: &Extensions) -> Option<SocketAddr> {
        extensions.get::<Self>().map(|peer| peer.0)
    }
}
