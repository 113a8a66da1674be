//! An HTTP server that takes requests apart strictly (RFC 9112) and answers by script.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, its body decompressed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What is done with a request.
pub(crate) enum Reply {
    /// Status, headers and body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The answer's head promises this body, and the connection ends in the middle of it.
    CutAnswer(Vec<u8>),
    /// The connection ends without an answer.
    Hangup,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, vec![], vec![])
    }

    pub(crate) fn json(text: &str) -> Self {
        Self::Answer(200, vec![("content-type", "application/json".into())], text.into())
    }
}

type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What the server has seen.
#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Request>,
    faults: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// Answers each whole request by `handler`; of the connection with number `cut` the first request is not read to its
    /// end.
    pub(crate) fn start(cut: Option<usize>, handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (shared, handler) = (seen.clone(), Arc::new(Mutex::new(Box::new(handler) as Handler)));
        // Ends with the process: what it has seen is asked for when the client has gone.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (shared, handler) = (shared.clone(), handler.clone());
                let cut = cut == Some(number);
                std::thread::spawn(move || serve(stream.unwrap(), cut, &shared, &handler));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All whole requests so far. Fails when one was malformed.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let seen = self.seen.lock().unwrap();
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        seen.requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn serve(stream: TcpStream, cut: bool, seen: &Mutex<Seen>, handler: &Mutex<Handler>) {
    seen.lock().unwrap().connections += 1;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        match request(&mut reader, cut) {
            Ok(Some(request)) => {
                seen.lock().unwrap().requests.push(request.clone());
                let reply = handler.lock().unwrap()(&request);
                if !answer(reader.get_mut(), reply) {
                    return;
                }
            }
            Ok(None) => return,
            Err(fault) => return seen.lock().unwrap().faults.push(fault),
        }
    }
}

/// None: the connection has ended, or is to end.
fn request(reader: &mut BufReader<TcpStream>, cut: bool) -> Result<Option<Request>, String> {
    let Some(line) = line(reader)? else { return Ok(None) };
    let parts: Vec<_> = line.split(' ').collect();
    let ["POST" | "PUT", path, "HTTP/1.1"] = parts[..] else { return Err(format!("request line {line:?}")) };
    let path = path.to_owned();
    if !path.starts_with('/') || path.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(format!("target {path:?}"));
    }
    let headers = headers(reader)?;
    if !headers.contains_key("host") || headers.contains_key("transfer-encoding") {
        return Err(format!("headers {headers:?}"));
    }
    let length: usize = headers.get("content-length").and_then(|n| n.parse().ok()).ok_or("no content-length")?;
    if cut {
        reader.read_exact(&mut vec![0; length / 2]).map_err(|e| e.to_string())?;
        return Ok(None);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|e| format!("body: {e}"))?;
    let body = match headers.get("content-encoding").map(String::as_str) {
        None => body,
        Some("gzip") => gunzip(&body)?,
        Some(other) => return Err(format!("content-encoding {other}")),
    };
    Ok(Some(Request { path, headers, body }))
}

fn headers(reader: &mut impl BufRead) -> Result<BTreeMap<String, String>, String> {
    let mut headers = BTreeMap::new();
    loop {
        let line = line(reader)?.ok_or("the head has no end")?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or(format!("header {line:?}"))?;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("header {line:?}"));
        }
        if headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()).is_some() {
            return Err(format!("header {name} twice"));
        }
    }
}

/// Without CR LF, both of which must be there; none: the end.
fn line(reader: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    match reader.read_until(b'\n', &mut line) {
        // A client that is gone may have reset its connection.
        Ok(0) | Err(_) => return Ok(None),
        Ok(_) => {}
    }
    let text = line.strip_suffix(b"\r\n").ok_or(format!("line {line:?}"))?;
    String::from_utf8(text.to_vec()).map(Some).map_err(|e| e.to_string())
}

/// One member and nothing behind it (RFC 1952).
fn gunzip(octets: &[u8]) -> Result<Vec<u8>, String> {
    let (mut decoder, mut body) = (flate2::bufread::GzDecoder::new(octets), Vec::new());
    decoder.read_to_end(&mut body).map_err(|e| format!("gzip: {e}"))?;
    if decoder.into_inner().is_empty() { Ok(body) } else { Err("octets behind gzip".into()) }
}

/// Whether the connection goes on.
fn answer(stream: &mut TcpStream, reply: Reply) -> bool {
    let (status, headers, body, whole) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body, true),
        Reply::CutAnswer(body) => (200, vec![], body, false),
        Reply::Hangup => return false,
    };
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    // RFC 9110 section 8.6: none with 204.
    if status != 204 {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = if whole { &body[..] } else { &body[..body.len() / 2] };
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).is_ok() && whole
}
