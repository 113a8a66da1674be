//! `/api`: the list of pages.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;

use super::openapi;
use super::problem::AnyRefusal;
use crate::published::Published;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}\
    td{padding:.1rem 2rem .1rem 0;vertical-align:top}";

/// The list of pages, as HTML
#[utoipa::path(
    get,
    path = "/api",
    operation_id = "index",
    responses((status = 200, description = "HTML.", body = String, content_type = "text/html"), AnyRefusal)
)]
pub(super) async fn page(State(published): State<Published>) -> Html<String> {
    let mut rows = String::new();
    for (path, item) in &openapi::DOCUMENT.paths.paths {
        let summary = item.get.as_ref().and_then(|get| get.summary.as_deref()).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(rows, "<tr><td><a href=\"{path}\">{path}</a><td>{}", escape(summary));
    }
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>pidflow</title><style>{STYLE}</style>\n\
         <h1>pidflow {} on {}</h1>\n<table>\n{rows}</table>\n",
        env!("CARGO_PKG_VERSION"),
        escape(&published.host)
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
