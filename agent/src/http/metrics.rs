//! `/metrics`.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT, VARY};
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::client::Client;
use super::problem::AnyRefusal;
use crate::exposition::{Format, negotiate};
use crate::published::Published;
use crate::published::loops::Scraper;

/// Prometheus and compatible scrapers send this header.
const SCRAPE: &str = "x-prometheus-scrape-timeout-seconds";

/// The scraper that sends the request; none: another client, which wants the current values.
fn scraper(request: &Parts) -> Option<Scraper> {
    request.headers.get(SCRAPE)?;
    let peer = request.extensions.get::<Client>()?.address.ip();
    let user_agent = request.headers.get(USER_AGENT).map(|name| name.as_bytes().into()).unwrap_or_default();
    Some(Scraper { peer, user_agent })
}

/// The client, and the requested format.
pub(super) struct MetricsRequest {
    scraper: Option<Scraper>,
    format: Format,
}

impl<S: Sync> FromRequestParts<S> for MetricsRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A field that is not ASCII takes no other with it.
        let accept = parts.headers.get_all(ACCEPT).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let format = negotiate(&accept.collect::<Vec<_>>().join(","));
        Ok(Self { scraper: scraper(parts), format })
    }
}

/// Metrics for Prometheus, as text, OpenMetrics 1.0 or protobuf, according to the `Accept` header
///
/// A scrape loop (a client that sends `X-Prometheus-Scrape-Timeout-Seconds`) receives zero once for each counter that
/// is new to it, so that `rate` and `increase` include what was counted before.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (
            status = 200,
            description = "Text 0.0.4, unless OpenMetrics or protobuf (delimited `io.prometheus.client.MetricFamily`) is preferred.",
            content(
                (String = "text/plain"),
                (String = "application/openmetrics-text"),
                (Vec<u8> = "application/vnd.google.protobuf")
            )
        ),
        AnyRefusal
    )
)]
pub(super) async fn page(State(published): State<Published>, asker: MetricsRequest) -> impl IntoResponse {
    let pieces = asker.format.pieces(published.families_for(asker.scraper.as_ref()));
    let body = Body::from_stream(futures_util::stream::iter(pieces.map(Ok::<_, Infallible>)));
    ([(CONTENT_TYPE, asker.format.content_type()), (VARY, "accept")], body)
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::extract::Request;
    use futures_util::StreamExt;

    use super::*;
    use crate::allocated;
    use crate::metrics::talk::TrafficSums;
    use crate::published::recent::Recent;
    use crate::published::status::Status;

    /// `--max-edges`.
    const EDGES: u32 = 1000;
    /// Statuses that are published within the time that an answer may take.
    const STATUSES: usize = super::super::limits::ANSWER_TIMEOUT.as_secs() as usize + 1;
    /// What each reader may cost, bytes, and each status.
    const READER: usize = 64 * 1024;
    const STATUS: usize = EDGES as usize * 2048;

    #[tokio::test]
    async fn readers_that_take_nothing_hold_up_little() {
        let published = Published::new("host", 32473, Recent::new(0, 0));
        let mut talk = TrafficSums::new(EDGES as usize);
        (0..2 * EDGES).for_each(|i| talk.count(&crate::sample::record(i, i as u16, 1000), 1));
        let (before, mut readers, mut page) = (allocated::octets(), Vec::new(), 0);
        for n in 0..super::super::limits::MAX_CONNECTIONS {
            if n < STATUSES {
                published.publish(Status { talk: talk.shown(), ..Status::default() });
            }
            let answer =
                super::page(State(published.clone()), MetricsRequest { scraper: None, format: Format::OpenMetrics })
                    .await
                    .into_response();
            let mut body = answer.into_body().into_data_stream();
            page = body.next().await.unwrap().unwrap().len();
            readers.push(body);
        }
        let held = (allocated::octets() - before).cast_unsigned();
        for piece in readers.pop().unwrap().collect::<Vec<_>>().await {
            page += piece.as_ref().map_or(0, Bytes::len);
        }
        println!("{} readers of {page} octets hold {held}", readers.len() + 1);
        assert!(held < (readers.len() + 1) * READER + STATUSES * STATUS, "{held}");
        assert!(page > 3_000_000, "{page}");
    }

    #[test]
    fn who_scrapes_says_so() {
        let of = |request: axum::http::request::Builder, peer: Option<Client>| {
            let mut request: Request<()> = request.body(()).unwrap();
            peer.map(|peer| request.extensions_mut().insert(peer));
            scraper(&request.into_parts().0)
        };
        let peer = Some(Client::new("127.0.0.1:9".parse().unwrap(), "127.0.0.1:9435".parse().unwrap()));
        let scrape = || Request::builder().header("X-Prometheus-Scrape-Timeout-Seconds", "10");
        let found = of(scrape().header("User-Agent", "Prometheus/2.42.0"), peer).unwrap();
        assert_eq!((found.peer, &*found.user_agent), ([127, 0, 0, 1].into(), &b"Prometheus/2.42.0"[..]));
        assert!(of(scrape(), peer).is_some());
        assert!(of(scrape(), None).is_none(), "gone already");
        assert!(of(Request::builder().header("User-Agent", "curl/7.88.1"), peer).is_none());
    }
}
