# Programs with names of our own that talk to each other: a server, a client that also asks a closed port, and two with
# names that would deceive a reader or a browser. Arguments: the file for the server's port.
import ctypes
import encodings.idna  # Before the user changes.
import os
import socket
import sys
import time

C = ctypes.CDLL(None)


def named(name, user=None):
    """A child process of this name, of another user if one is given; True in the child."""
    if os.fork():
        return False
    C.prctl(15, name, 0, 0, 0)
    if user:
        os.setgid(user)
        os.setuid(user)
    # It ends with its parent; a change of the user would undo this.
    C.prctl(1, 9, 0, 0, 0)
    return True


def serve(listener):
    while True:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b'x' * 20000)
        connection.close()


def ask(port):
    try:
        with socket.create_connection(('127.0.0.1', port)) as connection:
            connection.sendall(b'question')
            while connection.recv(65536):
                pass
    except OSError:
        pass


def client(name, ports, user=None):
    if named(name, user):
        while True:
            for port in ports:
                ask(port)
            time.sleep(0.2)


listener = socket.create_server(('127.0.0.1', 0))
closed = socket.socket()
closed.bind(('127.0.0.1', 0))
port = listener.getsockname()[1]
if named(b'page-server', 65534):
    serve(listener)
client(b'page-client', [port, closed.getsockname()[1]])
client(b'<img src=x o=1>', [port])
client('\u202e\x1b[31m\'"'.encode() + b'\xff', [port])
with open(sys.argv[1] + '.new', 'w') as file:
    file.write(str(port))
os.rename(sys.argv[1] + '.new', sys.argv[1])
time.sleep(600)
