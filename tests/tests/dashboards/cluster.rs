//! An API server of a cluster of two nodes in two zones, in which nothing changes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The address of the node on which the agent does not run.
pub(crate) const OTHER_NODE: &str = "127.40.0.2";
/// A watch without news for more than a minute would be taken for lost.
const BOOKMARKS: Duration = Duration::from_secs(10);

/// Starts it, and returns its URL.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    url
}

/// The folder with the agent's token.
pub(crate) fn account(dir: &Path) -> PathBuf {
    let folder = dir.join("account");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), "t").unwrap();
    folder
}

fn nodes() -> Value {
    let node = |name: &str, address: &str, zone: &str| {
        json!({
            "metadata": {"name": name, "uid": name, "labels": {"topology.kubernetes.io/zone": zone}},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        })
    };
    json!([node("node-1", "127.0.0.1", "zone-a"), node("node-2", OTHER_NODE, "zone-b")])
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    lines.map_while(Result::ok).find(String::is_empty)?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    if request.contains("watch=true") {
        write!(stream, "{head}transfer-encoding: chunked\r\n\r\n").ok()?;
        let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}}).to_string();
        loop {
            write!(stream, "{:x}\r\n{bookmark}\n\r\n", bookmark.len() + 1).ok()?;
            thread::sleep(BOOKMARKS);
        }
    }
    let items = if request.contains("/nodes?") { nodes() } else { json!([]) };
    let list = json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string();
    write!(stream, "{head}content-length: {}\r\nconnection: close\r\n\r\n{list}", list.len()).ok()
}
