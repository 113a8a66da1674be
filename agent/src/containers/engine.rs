//! GET requests to a container engine (Docker Engine API; Podman answers the same ones).
//!
//! Each request has its own connection: there are few, and the stream of events occupies one as long as it lasts.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::object::{Listed, Refusal};
use crate::http_client::{Body, Failure};

/// Running containers. Without a version in the path, the engine takes its own.
const LIST: &str = "/containers/json";
/// From that second on: what gives a container a name.
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22rename%22%5D%7D&since=";
/// How long connecting and the beginning of a list may take.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);
/// The longest list, bytes: some kB for each container.
const MAX_LIST: usize = 32 << 20;
/// The beginning of a refusal that is read, bytes, and shown, characters.
const MAX_REFUSAL: usize = 4096;
const MAX_SHOWN: usize = 200;

/// An engine.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    socket: PathBuf,
}

impl Engine {
    pub(super) const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The engine as in messages.
    pub(super) fn name(&self) -> String {
        self.socket.display().to_string()
    }

    /// All running containers.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, Failure> {
        let answer = timeout(MAX_ANSWER_TIME, self.get(LIST)).await;
        let mut body = answer.map_err(|_| Failure::Unreachable("no answer in time".into()))??;
        let list = body.all(MAX_LIST).await?;
        serde_json::from_slice(&list).map_err(|e| Failure::Unusable(format!("the list of containers: {e}")))
    }

    /// Events from that time on, seconds since the epoch. An engine may begin its answer with the first one.
    pub(super) async fn events(&self, since_s: u64) -> Result<Body, Failure> {
        self.get(&format!("{EVENTS}{since_s}")).await
    }

    async fn get(&self, path: &str) -> Result<Body, Failure> {
        let answer = self.answer(path).await?;
        match answer.status() {
            StatusCode::OK => Ok(Body::new(answer.into_body())),
            status => Err(Failure::Refused(status, refusal(answer).await)),
        }
    }

    async fn answer(&self, path: &str) -> Result<Response<Incoming>, Failure> {
        let request = Request::get(path).header(HOST, "localhost").header(ACCEPT, "application/json");
        let request = request.header(USER_AGENT, concat!("pidflow/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| Failure::Unusable(e.to_string()))?;
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the body has been read or dropped.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// The engine's message, on one line.
async fn refusal(answer: Response<Incoming>) -> String {
    let text = Body::new(answer.into_body()).all(MAX_REFUSAL).await.unwrap_or_default();
    let message = serde_json::from_slice::<Refusal>(&text).map(|refusal| refusal.message);
    let message = message.unwrap_or_else(|_| String::from_utf8_lossy(&text).into_owned());
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect::<String>().trim().to_owned()
}
