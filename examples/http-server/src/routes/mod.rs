//! The routes, by theme.

mod calls;
mod faults;
mod live;
mod plain;
mod service;
mod streams;

use axum::Router;

use crate::app::Shared;

pub(crate) fn all() -> Router<Shared> {
    Router::new()
        .merge(plain::routes())
        .merge(streams::routes())
        .merge(live::routes())
        .merge(faults::routes())
        .merge(calls::routes())
        .merge(service::routes())
}
