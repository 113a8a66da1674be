//! Converts the configuration to librdkafka's settings.

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

use crate::config::{KafkaAcks, KafkaCompression, KafkaConfig, Secret, TlsConfig};

/// Settings for a producer that never gives up: `delivery` decides when to give up.
pub(super) fn client_config(config: &KafkaConfig) -> Result<ClientConfig, String> {
    let mut out = ClientConfig::new();
    out.set("client.id", "pidflow").set("bootstrap.servers", &config.brokers);
    out.set("message.timeout.ms", "0").set("compression.codec", codec(config.compression));
    // Batches arrive as a whole, so there is nothing to wait for.
    out.set("linger.ms", "1");
    // Chooses the same partitions for the same keys as Java's clients.
    out.set("partitioner", "murmur2_random");
    // Idempotence keeps the order when librdkafka retries. Brokers accept it only from producers that wait for all
    // replicas.
    let acks = match config.acks {
        KafkaAcks::All => "all",
        KafkaAcks::Leader => "1",
        KafkaAcks::None => "0",
    };
    out.set("acks", acks);
    if config.acks == KafkaAcks::All {
        out.set("enable.idempotence", "true");
    } else {
        out.set("max.in.flight", "1");
    }
    let protocol = match (&config.tls, &config.login) {
        (None, None) => "plaintext",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), None) => "ssl",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    out.set("security.protocol", protocol);
    if let Some(login) = &config.login {
        out.set("sasl.mechanism", &login.mechanism).set("sasl.username", &login.user);
        out.set("sasl.password", login.password.reveal());
    }
    if let Some(tls) = &config.tls {
        self::tls(tls, &mut out)?;
    }
    for (name, value) in &config.settings {
        out.set(name, value.reveal());
    }
    Ok(out)
}

const fn codec(compression: KafkaCompression) -> &'static str {
    match compression {
        KafkaCompression::None => "none",
        KafkaCompression::Gzip => "gzip",
        KafkaCompression::Snappy => "snappy",
        KafkaCompression::Lz4 => "lz4",
        KafkaCompression::Zstd => "zstd",
    }
}

fn tls(tls: &TlsConfig, out: &mut ClientConfig) -> Result<(), String> {
    if cfg!(not(feature = "kafka-tls")) {
        return Err("`tls`: this build has no Kafka over TLS; build it with the feature `kafka-tls`".into());
    }
    if let Some(ca) = &tls.ca {
        out.set("ssl.ca.pem", String::from_utf8_lossy(ca));
    }
    if let Some((chain, key)) = &tls.identity {
        out.set("ssl.certificate.pem", String::from_utf8_lossy(chain));
        out.set("ssl.key.pem", key.reveal());
    }
    if tls.insecure {
        out.set("enable.ssl.certificate.verification", "false");
    }
    Ok(())
}

/// Checks the settings, as far as librdkafka can without a broker.
pub(crate) fn check(config: &KafkaConfig) -> Result<(), String> {
    client_config(config)?.create_native_config().map(drop).map_err(|e| what_is_wrong(config, &e))
}

/// The error in the settings, without any value, because it may be a secret.
pub(super) fn what_is_wrong(config: &KafkaConfig, error: &KafkaError) -> String {
    let KafkaError::ClientConfig(_, what, key, _) = error else { return error.to_string() };
    let password = config.login.as_ref().map(|login| &login.password);
    let secrets = config.settings.values().chain(password).map(Secret::reveal).filter(|s| !s.is_empty());
    let what = secrets.fold(what.clone(), |text, secret| text.replace(secret, "…"));
    format!("`settings`: {key}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_no_value() {
        let mut config = KafkaConfig::new("localhost:9092", "flows");
        config.settings.insert("sasl.pasword".into(), Secret::new("hush"));
        config.settings.insert("linger.ms".into(), Secret::new("hush"));
        let error = client_config(&config).unwrap().create_native_config().err().unwrap();
        let text = what_is_wrong(&config, &error);
        assert!(text.starts_with("`settings`: ") && !text.contains("hush"), "{text}");
    }
}
