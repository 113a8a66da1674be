//! One connection: HTTP/1 by hyper, with time limits, and with its CPU time charged to its client.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};

use super::super::budget::{Budget, thread_time};
use super::super::client::Client;
use super::super::counts::CloseReason;
use super::super::limits;
use super::Server;
use super::body::Guarded;
use super::progress::{Phase, Producing, Progress};
use super::watched::Watched;

/// How long it may take to send a refusal before the connection is closed.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The pages, which report the connection's progress.
struct Pages {
    routes: TowerToHyperService<Router>,
    client: Client,
    has_asked: AtomicBool,
    progress: Progress,
}

impl Service<Request<Incoming>> for Pages {
    type Response = Response<Guarded>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.progress.arrived();
        let is_first = !self.has_asked.swap(true, Ordering::Relaxed);
        request.extensions_mut().insert(Client { is_first, ..self.client });
        let (answer, producing) = (self.routes.call(request), Producing(self.progress.clone()));
        Box::pin(async move { Ok(answer.await?.map(|body: Body| Guarded::new(body, producing))) })
    }
}

/// Serves until either side closes the connection.
pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    server: &Server,
    client: Client,
    progress: Progress,
) {
    let (routes, counts) = (TowerToHyperService::new(server.routes.clone()), &server.counts);
    let pages = Pages { routes, client, has_asked: AtomicBool::new(false), progress: progress.clone() };
    let stream = TokioIo::new(Watched::new(stream, progress.clone()));
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(limits::MAX_HEAD_BYTES);
    let mut connection = http.serve_connection(stream, pages);
    let served = in_time(pin!(metered(&mut connection, &server.budget, client.group())), &progress).await;
    match served {
        Ok(Ok(())) => {}
        Ok(Err(e)) if e.is_parse() => {
            counts.cut(CloseReason::Malformed);
            // Hyper answers everything else that is malformed.
            if e.is_parse_version_h2() {
                let line = "HTTP/2 is not supported; use HTTP/1.1";
                refuse(connection.into_parts().io.into_inner(), "505 HTTP Version Not Supported", line).await;
            }
        }
        // The client closed the connection.
        Ok(Err(_)) => {}
        Err(Phase::Idle) => {}
        Err(Phase::Answering(_)) => counts.cut(CloseReason::SlowReader),
        Err(Phase::Arriving) => {
            counts.cut(CloseReason::SlowRequest);
            let line = format!("the request did not arrive in {} s", limits::REQUEST_TIMEOUT.as_secs());
            refuse(connection.into_parts().io.into_inner(), "408 Request Timeout", &line).await;
        }
    }
}

/// Wraps a future so that its CPU time is charged to a client. It must not run on a thread that does other work within
/// a poll.
pub(super) async fn metered<F: Future + Unpin>(mut future: F, budget: &Budget, client: IpAddr) -> F::Output {
    poll_fn(|cx| {
        let before = thread_time();
        let polled = std::pin::Pin::new(&mut future).poll(cx);
        budget.charge(client, thread_time().saturating_sub(before), Instant::now());
        polled
    })
    .await
}

/// Waits for the connection's end, or for a phase that takes too long.
async fn in_time<C: Future + Unpin>(mut connection: C, progress: &Progress) -> Result<C::Output, Phase> {
    let mut alarm = pin!(sleep_until(progress.deadline()));
    poll_fn(|cx| {
        if let Poll::Ready(ended) = std::pin::Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Ok(ended));
        }
        if alarm.deadline() != progress.deadline() {
            alarm.as_mut().reset(progress.deadline());
        }
        alarm.as_mut().poll(cx).map(|()| Err(progress.phase()))
    })
    .await
}

/// Sends a refusal that hyper does not send, and closes the connection.
async fn refuse<T: AsyncWrite + Unpin>(mut stream: T, status: &str, line: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{line}\n",
        line.len() + 1
    );
    let send = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // A slow client may have disconnected.
    let _ = timeout(REFUSAL_TIMEOUT, send).await;
}
