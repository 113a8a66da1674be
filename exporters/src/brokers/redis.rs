//! Redis: records are appended to a list.

use std::time::Duration;

use pidflow_schema::FlowRecord;
use redis::{Parser, Pipeline, RedisError, cmd, pipe};

use crate::config::RedisConfig;
use crate::delivery::{Failure, Receiver, Sent};
use crate::net::{Stream, StreamTarget, TlsClient};
use crate::sink::Parts;

use super::Objects;

/// One list. The crate `redis` implements the protocol; connections are opened like those of all other exporters.
pub(crate) struct RedisList {
    config: RedisConfig,
    tls: Option<TlsClient>,
    objects: Objects,
    request: Request,
    connection: Option<Connection>,
}

/// Commands as they are sent.
#[derive(Default)]
struct Request {
    octets: Vec<u8>,
    answers: usize,
}

impl RedisList {
    pub(crate) fn new(config: &RedisConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let tls = config.tls.as_ref().map(|tls| TlsClient::new(tls, &config.server.host)).transpose()?;
        let (objects, request) = (Objects::new(config.keys, parts), Request::default());
        Ok(Self { config: config.clone(), tls, objects, request, connection: None })
    }

    /// One `RPUSH` of all records, which stores all or none, together with an `LTRIM` if the list is bounded.
    fn push(&self) -> Request {
        let key = self.config.key.as_str();
        let mut push = cmd("RPUSH");
        push.arg(key);
        for object in self.objects.iter() {
            push.arg(object);
        }
        let mut commands = pipe();
        commands.add_command(push);
        match self.config.max_length {
            None => Request::new(&commands, 1),
            // MULTI, two commands, EXEC.
            Some(length) => {
                commands.atomic().cmd("LTRIM").arg(key).arg(format!("-{length}")).arg(-1);
                Request::new(&commands, 4)
            }
        }
    }

    /// The first commands of a connection.
    fn greeting(&self) -> Request {
        let mut commands = pipe();
        if let Some(password) = &self.config.password {
            commands.cmd("AUTH").arg(self.config.user.as_deref()).arg(password.reveal());
        }
        if self.config.database != 0 {
            commands.cmd("SELECT").arg(self.config.database);
        }
        Request::new(&commands, commands.len())
    }

    fn connect(&self, limit: Duration) -> Result<Connection, RedisError> {
        let server = self.config.server.clone();
        let target = match &self.tls {
            Some(tls) => StreamTarget::Tls(server, tls.clone()),
            None => StreamTarget::Tcp(server),
        };
        let stream = Stream::open(&target, limit)?;
        let mut connection = Connection { stream, parser: Parser::new() };
        connection.exchange(&self.greeting(), limit)?;
        Ok(connection)
    }

    fn send(&mut self, limit: Duration) -> Result<(), RedisError> {
        let kept = self.connection.take().and_then(|mut c| (!c.stream.is_closed()).then_some(c));
        let mut connection = kept.map_or_else(|| self.connect(limit), Ok)?;
        connection.exchange(&self.request, limit)?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Request {
    fn new(commands: &Pipeline, answers: usize) -> Self {
        Self { octets: commands.get_packed_pipeline(), answers }
    }
}

/// An open connection.
struct Connection {
    stream: Stream,
    /// Bytes that were read beyond an answer.
    parser: Parser,
}

impl Connection {
    /// Sends the commands. The result is the first error that the server answers.
    fn exchange(&mut self, request: &Request, limit: Duration) -> Result<(), RedisError> {
        use std::io::Write;
        self.stream.limit(limit)?;
        self.stream.write_all(&request.octets)?;
        self.stream.flush()?;
        let mut result = Ok(());
        for _ in 0..request.answers {
            let answer = self.parser.parse_value(&mut self.stream)?.extract_error();
            result = result.and(answer.map(drop));
        }
        result
    }
}

impl Receiver for RedisList {
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.objects.fill(records);
        self.request = self.push();
    }

    /// Errors of Redis are about its own state (memory, rights, the key's type), never about a record, so they may be
    /// temporary.
    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        self.send(limit).map_err(|e| Failure::passing(e.to_string()))?;
        Ok(Sent { records: records.len(), octets: self.request.octets.len(), ..Sent::default() })
    }
}
