//! All pages, and their description (OpenAPI 3.1), which is generated from the same functions.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[cfg(feature = "history")]
use super::history;
use super::problem::AnyRefusal;
use super::{elements, flows, graph, health, host, index, ledger, metrics, page as web_page, processes, stream};
use crate::published::Published;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "pidflow",
        description = "Flows of a Linux host with the processes at both ends. Read only: every page answers GET, and HEAD \
            without the body; other methods get 405, other paths 404, HTTP/2 505. What is refused is answered with one line of \
            text. Where what arrives is no HTTP, or its head is longer than 32 KiB, the answer (400, 414 or 431) has no body and \
            the connection is closed."
    ),
    security((), ("token" = [])),
    modifiers(&Token)
)]
struct Description;

/// How a client sends the token.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let scheme = scheme.description(Some("Needed when the agent has --token-file FILE or PIDFLOW_TOKEN, unless the client has a certificate (--tls-client-ca)."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The pages and their description.
pub(super) fn pages() -> OpenApiRouter<Published> {
    let pages = OpenApiRouter::with_openapi(Description::openapi());
    #[cfg(feature = "history")]
    let pages = pages.routes(routes!(history::flows)).routes(routes!(history::groups)).routes(routes!(history::series));
    pages
        .routes(routes!(web_page::page))
        .routes(routes!(index::page))
        .routes(routes!(metrics::page))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(flows::page))
        .routes(routes!(stream::page))
        .routes(routes!(processes::page))
        .routes(routes!(graph::page))
        .routes(routes!(elements::page))
        .routes(routes!(host::page))
        .routes(routes!(ledger::page))
        .routes(routes!(page))
}

/// The pages of a listener for scrapers and probes.
pub(super) fn metrics_pages() -> OpenApiRouter<Published> {
    OpenApiRouter::new().routes(routes!(metrics::page)).routes(routes!(health::live)).routes(routes!(health::ready))
}

/// The description, which is the same for every agent of this version.
pub(super) static DOCUMENT: LazyLock<Document> = LazyLock::new(|| pages().into_openapi());

static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_json().unwrap_or_default());

/// This description (OpenAPI 3.1)
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"), AnyRefusal)
)]
pub(super) async fn page() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_what_it_is_and_answers() {
        let pages: Vec<_> = DOCUMENT.paths.paths.keys().map(String::as_str).collect();
        let wanted = [
            "/",
            "/api",
            "/api/elements",
            "/api/flows",
            "/api/graph",
            "/api/history/flows",
            "/api/history/groups",
            "/api/history/series",
            "/api/host",
            "/api/ledger",
            "/api/openapi.json",
            "/api/processes",
            "/api/stream",
            "/livez",
            "/metrics",
            "/readyz",
        ];
        assert_eq!(pages, wanted);
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for path in pages {
            let get = &document["paths"][path]["get"];
            assert!(ids.insert(get["operationId"].as_str().unwrap()), "{path}: its operationId is another's too");
            assert!(get["summary"].as_str().is_some_and(|s| !s.is_empty()), "{path}");
            assert!(
                ["200", "400", "401", "403", "408", "413", "414", "421", "429", "431"]
                    .iter()
                    .all(|status| get["responses"][status].is_object()),
                "{path}"
            );
            let parameters = get["parameters"].as_array().into_iter().flatten();
            assert!(parameters.into_iter().all(|p| p["description"].is_string() && p["schema"].is_object()), "{path}");
        }
    }
}
