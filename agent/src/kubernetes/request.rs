//! HTTPS requests to the kubelet and the API server.
//!
//! Each request has its own connection: there are few, and a watch occupies one as long as it lasts. The token is read for each
//! request, because Kubernetes replaces it before it expires.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::http_client::Body;
use crate::http_client::Failure;

/// How long connecting and the beginning of an answer may take.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);
/// A connection whose peer has vanished is noticed after this and three probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// The beginning of a refusal that is shown, bytes.
const MAX_REFUSAL: usize = 4096;

/// A server and the credentials for it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    url: Url,
    credentials: PathBuf,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Server {
    pub(super) const fn new(url: Url, credentials: PathBuf) -> Self {
        Self { url, credentials }
    }

    /// The server as in messages.
    pub(super) fn name(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Asks for a path with its query. Only a success is no failure.
    pub(super) async fn get(&self, path: &str, accept: &'static str) -> Result<Body, Failure> {
        let answer = timeout(MAX_ANSWER_TIME, self.answer(path, accept)).await;
        let answer = answer.map_err(|_| Failure::Unreachable("no answer in time".into()))??;
        match answer.status() {
            StatusCode::OK => Ok(Body::new(answer.into_body())),
            StatusCode::GONE => Err(Failure::Gone),
            status => Err(Failure::Refused(status, refusal(answer).await)),
        }
    }

    async fn answer(&self, path: &str, accept: &'static str) -> Result<Response<Incoming>, Failure> {
        let request = self.request(path, accept)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        // It ends when the body has been read or dropped.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }

    fn request(&self, path: &str, accept: &'static str) -> Result<Request<Empty<Bytes>>, Failure> {
        let host = self.url.authority();
        let request = Request::get(path).header(HOST, host).header(ACCEPT, accept);
        let request = request.header(USER_AGENT, concat!("pidflow/", env!("CARGO_PKG_VERSION")));
        let request = match self.token()? {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        };
        request.body(Empty::new()).map_err(|e| Failure::Unusable(e.to_string()))
    }

    /// None: there is no file, as for a proxy on this host that adds the credentials itself.
    fn token(&self) -> Result<Option<HeaderValue>, Failure> {
        let path = self.credentials.join("token");
        let token = match fs::read_to_string(&path) {
            Ok(token) => token,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Failure::Unreachable(format!("{}: {e}", path.display()))),
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| Failure::Unreachable(format!("{} is not a token", path.display())))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let host = self.url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or(443);
        let stream = TcpStream::connect((bare, port)).await?;
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
        if self.url.scheme() == "http" {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|e| Failure::Unreachable(e.to_string()))?;
        Ok(Box::new(TlsConnector::from(Arc::new(self.tls()?)).connect(name, stream).await?))
    }

    /// Trusts the authorities of `ca.crt` alone, which is read for each connection, because it may be replaced too.
    fn tls(&self) -> Result<ClientConfig, Failure> {
        let path = self.credentials.join("ca.crt");
        let unusable = |e: &dyn std::fmt::Display| Failure::Unreachable(format!("{}: {e}", path.display()));
        let pem = fs::read(&path).map_err(|e| unusable(&e))?;
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(authorities).0 == 0 {
            return Err(unusable(&"no certificate"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|e| unusable(&e))?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The server's message, on one line.
async fn refusal(answer: Response<Incoming>) -> String {
    let mut body = Body::new(answer.into_body());
    let text = body.all(MAX_REFUSAL).await.unwrap_or_default();
    let message = serde_json::from_slice::<super::object::Status>(&text).ok().and_then(|s| s.message);
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(&text).into_owned());
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect::<String>().trim().to_owned()
}
