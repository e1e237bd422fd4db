//! reqwest has methods of its own, and the traced client has the same.

use std::net::SocketAddr;

use throughline::Telemetry;
use throughline_reqwest::HttpClientLayer;

use crate::{BoxError, scene};

pub(crate) async fn run(telemetry: &Telemetry, server: SocketAddr) -> Result<(), BoxError> {
    // The settings are those of the other layer.
    let told = telemetry.http_client().url_templates(["/stock/{id}", "/shelf/{id}"])?;
    let client = HttpClientLayer::from(told).layer(reqwest::Client::builder().no_proxy().build()?);

    scene(telemetry, "reqwest", async {
        client.get(format!("http://{server}/stock/7")).send().await?.text().await?;
        Ok(())
    })
    .await?;

    // One span for what the application asked for; the servers on the way are all below it.
    scene(telemetry, "reqwest: redirect", async {
        client.get(format!("http://{server}/shelf/7")).send().await?.text().await?;
        Ok(())
    })
    .await?;

    scene(telemetry, "reqwest: not found", async {
        client.get(format!("http://{server}/cellar")).send().await?;
        Ok(())
    })
    .await
}
