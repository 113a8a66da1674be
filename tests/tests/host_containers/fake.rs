//! A container engine that answers as the Docker Engine API defines, and notes whatever a client does that it does not.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// What the engine has and saw.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Running containers, as in `ContainerSummary`.
    pub(crate) running: Vec<Value>,
    /// What a client did that the API does not allow.
    pub(crate) breaches: Vec<String>,
    /// Connections that wait for events.
    listeners: Vec<UnixStream>,
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Its socket.
    pub(crate) socket: PathBuf,
    world: Arc<Mutex<World>>,
}

impl Fake {
    /// Listens on a socket in that folder.
    pub(crate) fn start(dir: &Path) -> std::io::Result<Self> {
        let socket = dir.join("docker.sock");
        let listener = UnixListener::bind(&socket)?;
        let world = Arc::<Mutex<World>>::default();
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let world = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &world));
            }
        });
        Ok(Self { socket, world })
    }

    /// What it has and saw.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of clients that wait for events.
    pub(crate) fn listeners(&self) -> usize {
        self.world().listeners.len()
    }

    /// Starts a container: it is in the list, and two events tell of it.
    pub(crate) fn run(&self, id: &str, name: &str, image: &str, labels: &Value) {
        let mut attributes = labels.as_object().cloned().unwrap_or_default();
        attributes.extend([("name".to_owned(), name.into()), ("image".to_owned(), image.into())]);
        let mut world = self.world();
        world.running.push(summary(id, name, image, labels));
        for action in ["create", "start"] {
            let event = json!({
                "status": action, "id": id, "from": image, "Type": "container", "Action": action,
                "Actor": {"ID": id, "Attributes": attributes},
                "scope": "local", "time": 1_797_000_000, "timeNano": 1_797_000_000_123_456_789_u64,
            });
            world.listeners.retain_mut(|listener| chunk(listener, &format!("{event}\n")).is_ok());
        }
    }

    /// Ends all streams of events, as at a restart.
    pub(crate) fn restart(&self) {
        for mut listener in self.world().listeners.drain(..) {
            // The client may be gone.
            let _ = listener.write_all(b"0\r\n\r\n");
        }
    }
}

/// `ContainerSummary` with all members that the API lists.
fn summary(id: &str, name: &str, image: &str, labels: &Value) -> Value {
    json!({
        "Id": id, "Names": [format!("/{name}")], "Image": image, "ImageID": format!("sha256:{}", "ab".repeat(32)),
        "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'", "Created": 1_797_000_000,
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
        "Labels": labels, "State": "running", "Status": "Up 3 minutes",
        "HostConfig": {"NetworkMode": "shop_default"},
        "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": "172.18.0.2", "IPPrefixLen": 16}}},
        "Mounts": [{"Type": "volume", "Name": "data", "Destination": "/data", "RW": true}],
    })
}

fn answer(mut stream: UnixStream, world: &Mutex<World>) {
    let Ok(reader) = stream.try_clone() else { return };
    let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: HashMap<_, _> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
        .collect();
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let path = match allowed(&request, &headers) {
        Ok(path) => path,
        Err(why) => {
            world.breaches.push(format!("{request}: {why}"));
            // The client may be gone.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\n{\"message\":\"no\"}");
            return;
        }
    };
    // A client that has gone away gets nothing.
    let _ = serve(&mut world, stream, &path);
}

fn serve(world: &mut World, mut stream: UnixStream, path: &str) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Type: application/json\r\nDocker-Experimental: false\r\n\
                Ostype: linux\r\nServer: Docker/27.3.1 (linux)\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    if path == "/events" {
        world.listeners.push(stream);
        return Ok(());
    }
    chunk(&mut stream, &format!("{}\n", Value::from(world.running.clone())))?;
    stream.write_all(b"0\r\n\r\n")
}

fn chunk(stream: &mut UnixStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

/// The path without its query, if the API has it and allows the query.
fn allowed(request: &str, headers: &HashMap<String, String>) -> Result<String, String> {
    let [method, target, version] = request.split(' ').collect::<Vec<_>>()[..] else {
        return Err("no request".into());
    };
    if method != "GET" || version != "HTTP/1.1" {
        return Err("only GET is needed".into());
    }
    if !headers.contains_key("host") || headers.contains_key("content-length") {
        return Err(format!("headers {headers:?}"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/containers/json" if query.is_empty() => Ok(path.into()),
        "/events" => events_query(query).map(|()| path.into()),
        _ => Err("unknown path or query".into()),
    }
}

/// `filters` is a JSON object of lists of texts; `since` a time.
fn events_query(query: &str) -> Result<(), String> {
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match key {
            "filters" => {
                let text = decoded(value)?;
                let filters: HashMap<String, Vec<String>> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                let known = ["config", "container", "daemon", "event", "image", "label", "network", "type", "volume"];
                if let Some(unknown) = filters.keys().find(|name| !known.contains(&name.as_str())) {
                    return Err(format!("no filter {unknown}"));
                }
            }
            "since" => drop(value.parse::<u64>().map_err(|e| e.to_string())?),
            _ => return Err(format!("no parameter {key}")),
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).ok_or("a cut percent code")?;
        bytes.push(u8::from_str_radix(code, 16).map_err(|e| e.to_string())?);
        bytes.extend(part.get(2..).unwrap_or_default().bytes());
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}
