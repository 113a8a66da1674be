//! NATS: one message per record.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::{Client, ConnectOptions, Event, RequestErrorKind, ServerAddr};
use pidflow_schema::FlowRecord;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::config::{NatsConfig, NatsLogin};
use crate::delivery::{Failure, Receiver, Sent};
use crate::net::TlsClient;
use crate::sink::Parts;
use crate::sink::{Counters, Loss};

use super::Objects;

/// Maximum number of messages in transit to a stream.
const MAX_UNACKNOWLEDGED: usize = 1000;
/// How long the connection is polled while there is nothing to send.
const IDLE_POLL: Duration = Duration::from_millis(1);

/// One subject.
pub(crate) struct Nats {
    runtime: Arc<Runtime>,
    options: ConnectOptions,
    server: ServerAddr,
    subject: String,
    jetstream: bool,
    objects: Objects,
    /// How many objects were accepted or left out, in all attempts and in the current one.
    done: usize,
    sent: Sent,
    connection: Option<Connection>,
    counters: Arc<Counters>,
    /// The last error that the server sent unrequested, for example that the client may not publish to the subject.
    complaint: Arc<Mutex<Option<String>>>,
}

struct Connection {
    client: Client,
    stream: Option<jetstream::Context>,
    /// Maximum message size in bytes, as announced by the server.
    largest: usize,
}

impl Nats {
    pub(crate) fn new(config: &NatsConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let complaint = Arc::default();
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|e| format!("cannot start a runtime: {e}"))?;
        Ok(Self {
            options: options(config, &complaint)?,
            server: config.url().parse().map_err(|e| format!("not an address: {e}"))?,
            subject: config.subject.clone(),
            jetstream: config.jetstream,
            objects: Objects::new(config.keys, parts),
            done: 0,
            sent: Sent::default(),
            connection: None,
            counters: parts.counters.clone(),
            complaint,
            runtime: Arc::new(runtime),
        })
    }

    /// The subject of a record's message.
    fn subject_of(&self, record: &FlowRecord) -> String {
        self.subject.replace(NatsConfig::FLOW_KEY, &record.flow.key().hex())
    }

    async fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<(), String> {
        let kept = self.connection.take().filter(|c| c.client.connection_state() == State::Connected);
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect(limit).await?,
        };
        while self.done < self.objects.len() {
            let left = self.objects.iter().zip(records).skip(self.done);
            let part: Vec<_> = left.take(MAX_UNACKNOWLEDGED).collect();
            let fitting = part.iter().filter(|(object, _)| object.len() <= connection.largest);
            let fitting: Vec<_> = fitting.map(|(object, record)| (self.subject_of(record), *object)).collect();
            connection.publish(&fitting).await?;
            self.heard().await?;
            self.counters.lost(Loss::TooLarge, part.len() - fitting.len());
            self.sent.left_out += part.len() - fitting.len();
            self.sent.records += fitting.len();
            self.sent.octets += fitting.iter().map(|(_, object)| object.len()).sum::<usize>();
            self.done += part.len();
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn connect(&self, limit: Duration) -> Result<Connection, String> {
        let options = self.options.clone().connection_timeout(limit);
        let client = options.connect(self.server.clone()).await.map_err(|e| e.to_string())?;
        let stream = self.jetstream.then(|| jetstream::new(client.clone()));
        Ok(Connection { largest: client.max_payload(), client, stream })
    }

    /// Lets the connection's task run, to report errors that the server sent before it answered.
    async fn heard(&self) -> Result<(), String> {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).take();
        complaint.map_or(Ok(()), Err)
    }
}

impl Connection {
    /// Waits until the stream, or the server, has all messages.
    async fn publish(&self, objects: &[(String, &[u8])]) -> Result<(), String> {
        match &self.stream {
            Some(stream) => store(stream, objects).await,
            None => self.hand_over(objects).await,
        }
    }

    /// The client reconnects on its own, and then does not know what was lost in transit. So one connection must last
    /// from the first message to the answer.
    async fn hand_over(&self, objects: &[(String, &[u8])]) -> Result<(), String> {
        let connects = || self.client.statistics().connects.load(Relaxed);
        let before = connects();
        for (subject, object) in objects {
            let sent = self.client.publish(subject.clone(), object.to_vec().into()).await;
            sent.map_err(|e| e.to_string())?;
        }
        self.answer().await?;
        if connects() == before { Ok(()) } else { Err("the connection was lost while sending".into()) }
    }

    /// Waits until the server has read everything sent so far. The server reads in order, and itself answers a request
    /// to a subject without subscribers.
    async fn answer(&self) -> Result<(), String> {
        match self.client.request(self.client.new_inbox(), Vec::new().into()).await {
            Err(e) if e.kind() != RequestErrorKind::NoResponders => Err(e.to_string()),
            _ => Ok(()),
        }
    }
}

/// Publishes messages to a stream, which acknowledges each of them.
async fn store(stream: &jetstream::Context, objects: &[(String, &[u8])]) -> Result<(), String> {
    let mut acknowledged = Vec::with_capacity(objects.len());
    for (subject, object) in objects {
        let sent = stream.publish(subject.clone(), object.to_vec().into()).await;
        acknowledged.push(sent.map_err(|e| e.to_string())?);
    }
    for one in acknowledged {
        one.await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn options(config: &NatsConfig, complaint: &Arc<Mutex<Option<String>>>) -> Result<ConnectOptions, String> {
    let complaint = complaint.clone();
    let options = ConnectOptions::new().name("pidflow").event_callback(move |event| {
        if let Event::ServerError(e) = event {
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(e.to_string());
        }
        std::future::ready(())
    });
    let options = match &config.login {
        NatsLogin::None => options,
        NatsLogin::Token(token) => options.token(token.reveal().to_owned()),
        NatsLogin::Password(user, password) => options.user_and_password(user.clone(), password.reveal().to_owned()),
        NatsLogin::Credentials(text) => options
            .credentials(text.reveal())
            .map_err(|_| "`credentials` are not valid: JWT and NKEY seed are expected")?,
    };
    let Some(tls) = &config.tls else { return Ok(options) };
    let tls = TlsClient::new(tls, &config.server.host)?;
    Ok(options.require_tls(true).tls_client_config(tls.config()))
}

impl Receiver for Nats {
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.objects.fill(records);
        self.done = 0;
    }

    /// Messages published on a connection that broke are published again: delivery is at least once.
    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        self.sent = Sent::default();
        let runtime = self.runtime.clone();
        let result = runtime.block_on(async { timeout(limit, self.send(records, limit)).await });
        match result.unwrap_or_else(|_| Err("no answer in time".into())) {
            Ok(()) => Ok(self.sent),
            Err(message) => Err(Failure { sent: self.sent, ..Failure::passing(message) }),
        }
    }

    /// Answers the server's pings.
    fn idle(&mut self) {
        if self.connection.is_some() {
            self.runtime.block_on(async { sleep(IDLE_POLL).await });
        }
    }
}
