//! A bad connection before a receiver.

use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Opens a port that forwards to another; the first `broken` connections are not forwarded but reset in the middle of
/// the request.
pub(crate) fn bad_connection(to: u16, broken: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the process.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if number < broken {
                let _ = stream.read_exact(&mut [0; 100]);
                continue;
            }
            let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            pass(stream.try_clone().unwrap(), server.try_clone().unwrap());
            pass(server, stream);
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
