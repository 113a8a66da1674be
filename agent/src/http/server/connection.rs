//! One connection: HTTP/1 by hyper, within the limits of time.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

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

use super::super::counts::{Counts, Cut};
use super::super::limits;
use super::Peer;
use super::body::Guarded;
use super::progress::{Phase, Producing, Progress};
use super::watched::Watched;

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The pages, with the connection's progress told.
struct Pages {
    routes: TowerToHyperService<Router>,
    peer: Option<Peer>,
    progress: Progress,
}

impl Service<Request<Incoming>> for Pages {
    type Response = Response<Guarded>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.progress.arrived();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let (answer, producing) = (self.routes.call(request), Producing(self.progress.clone()));
        Box::pin(async move { Ok(answer.await?.map(|body: Body| Guarded::new(body, producing))) })
    }
}

/// Serves until either side has enough of it.
pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    routes: Router,
    peer: Option<Peer>,
    progress: Progress,
    counts: Arc<Counts>,
) {
    let pages = Pages { routes: TowerToHyperService::new(routes), peer, progress: progress.clone() };
    let stream = TokioIo::new(Watched::new(stream, progress.clone()));
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(limits::HEAD);
    let mut connection = http.serve_connection(stream, pages);
    match in_time(&mut connection, &progress).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) if e.is_parse() => {
            counts.cut(Cut::Malformed);
            // Hyper answers everything else that it cannot read.
            if e.is_parse_version_h2() {
                let line = "HTTP/1.1 is spoken here, and no HTTP/2";
                say(connection.into_parts().io.into_inner(), "505 HTTP Version Not Supported", line).await;
            }
        }
        // The client went away.
        Ok(Err(_)) => {}
        Err(Phase::Idle) => {}
        Err(Phase::Answering(_)) => counts.cut(Cut::SlowReader),
        Err(Phase::Arriving) => {
            counts.cut(Cut::SlowRequest);
            let line = format!("the request did not arrive in {} s", limits::ARRIVAL.as_secs());
            say(connection.into_parts().io.into_inner(), "408 Request Timeout", &line).await;
        }
    }
}

/// The connection's end, or the phase that took too long.
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

/// An answer that hyper does not give, and the end.
async fn say<T: AsyncWrite + Unpin>(mut stream: T, status: &str, line: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{line}\n",
        line.len() + 1
    );
    let say = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // Who is slow may not be there any more.
    let _ = timeout(LAST_WORDS, say).await;
}
