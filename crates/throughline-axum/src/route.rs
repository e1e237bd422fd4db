//! A layer that tells the server layer outside it which route was taken.

use std::task::{self, Poll};

use axum::extract::MatchedPath;
use http::Request;
use throughline_tower::{RouteSource, set_route};
use tower_layer::Layer;
use tower_service::Service;

/// [`Layer`] for a router that is inside something which hides its routes from the server layer: a server layer around
/// the whole application, `nest_service`, a router that another framework calls.
///
/// ```
/// use axum::{Router, routing::get};
/// use throughline_axum::RouteLayer;
///
/// let users: Router = Router::new().route("/users/{id}", get(|| async {})).layer(RouteLayer::new());
/// let app: Router = Router::new().nest_service("/api", users);
/// # let _ = app;
/// ```
///
/// It names the server span by [`MatchedPath`], as [`RouteSource::NestedController`]: of several the longest route counts.
/// Where the server layer is on the router itself it is not needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteLayer(());

/// [`Service`] made by [`RouteLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Routed<S> {
    inner: S,
}

// === impl RouteLayer ===

impl RouteLayer {
    /// A layer that tells the route.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Routed<S> {
        Routed { inner }
    }
}

// === impl Routed ===

impl<S: Service<Request<B>>, B> Service<Request<B>> for Routed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(route) = request.extensions().get::<MatchedPath>() {
            let route = route.as_str();
            // What axum makes of the root of a nested service.
            let end = route.len() - usize::from(route.ends_with("//"));
            set_route(RouteSource::NestedController, &route[..end]);
        }
        self.inner.call(request)
    }
}
