//! The layers of a [`Telemetry`].

use throughline_tower::{HttpClientLayer, HttpServerLayer};

use crate::Telemetry;

impl Telemetry {
    /// A layer that makes one SERVER span per request, for axum, hyper and every other `Service<http::Request<_>>`.
    ///
    /// With the feature `axum` it knows axum's routes and peers.
    /// [`axum_server`](https://docs.rs/throughline/latest/throughline/struct.Telemetry.html#method.axum_server)
    /// is the same at less cost for axum alone.
    ///
    /// ```
    /// # let (telemetry, _) = throughline::Telemetry::test();
    /// let layer = telemetry.http_server().skip(|request| request.path() == "/healthz");
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn http_server(&self) -> HttpServerLayer {
        let layer = self.http_config().server(HttpServerLayer::new(self.tracer()));
        #[cfg(feature = "axum")]
        let layer = layer.route(throughline_axum::matched_path).peer(throughline_axum::peer_address);
        layer
    }

    /// A layer that makes one CLIENT span per request and tells the other side of it, for hyper-util's client and every
    /// other `Service<http::Request<_>>`.
    ///
    /// ```
    /// # let (telemetry, _) = throughline::Telemetry::test();
    /// let layer = telemetry.http_client().baggage_to(["inventory.internal"])?;
    /// # let _ = layer;
    /// # Ok::<(), throughline::tower::InvalidHost>(())
    /// ```
    #[must_use]
    pub fn http_client(&self) -> HttpClientLayer {
        self.http_config().client(HttpClientLayer::new(self.tracer()))
    }

    /// The server layer for an axum router: axum's own body goes in and out, and is wrapped only when there is
    /// something to watch.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    ///
    /// # let (telemetry, _) = throughline::Telemetry::test();
    /// let app: Router = Router::new().route("/orders/{id}", get(|| async {})).layer(telemetry.axum_server());
    /// # let _ = app;
    /// ```
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn axum_server(&self) -> throughline_axum::HttpServerLayer {
        // Route and peer are axum's there, too.
        self.http_server().into()
    }
}
