//! What axum knows of a request.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath};
use http::Extensions;

/// The route that the router matched, such as `/users/{id}`: a source for
/// [`HttpServerLayer::route`](throughline_tower::HttpServerLayer::route).
///
/// It is there for layers that were added to the router which has the routes, not for those outside it.
#[must_use]
pub fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

/// The socket's other end, if the server was started with `into_make_service_with_connect_info::<SocketAddr>()`: a source
/// for [`HttpServerLayer::peer`](throughline_tower::HttpServerLayer::peer).
#[must_use]
pub fn peer_address(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}
