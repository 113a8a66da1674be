//! Certificates and keys of TLS servers from PEM files, which ACME clients or cert-manager replace from time to time.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_exporters::regular_file;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::privileges::Role;
use crate::threads;

/// Interval between checks of the files. Certificates are renewed days before they expire.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// What is in use of the files, for new connections.
#[derive(Debug)]
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// What is in use now.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes what is used of files.
type Make<T> = fn(&[PathBuf]) -> Result<T>;

/// Files, their last state, and what was made of them.
pub(crate) struct Watched<T> {
    /// Whose certificate it is, in messages.
    name: &'static str,
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    make: Make<T>,
    current: Arc<Current<T>>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files; the first one is the certificate.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn read(name: &'static str, files: Vec<PathBuf>, make: Make<T>) -> Result<Self> {
        // Taken before the files are read, so that what is written meanwhile is seen as a change later.
        let seen = files.iter().map(|file| Stamp::of(file)).collect();
        let current = Arc::new(Current(RwLock::new(Arc::new(make(&files)?))));
        Ok(Self { name, files, seen, make, current })
    }

    /// What is in use, also later.
    pub(crate) fn current(&self) -> Arc<Current<T>> {
        Arc::clone(&self.current)
    }

    /// Loads files that changed since the last check; none: nothing has changed. If certificate and key do not match
    /// (one of them may not be written yet), the old pair stays in use, and the error is reported once.
    pub(crate) fn reload(&mut self) -> Option<Result<()>> {
        let now: Vec<_> = self.files.iter().map(|file| Stamp::of(file)).collect();
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let take_up = |made| *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
        Some((self.make)(&self.files).map(take_up))
    }

    fn reload_and_log(&mut self) {
        let (name, file) = (self.name, self.files.first().cloned().unwrap_or_default());
        match self.reload() {
            None => {}
            Some(Ok(())) => tracing::info!("{name} uses the new certificate of {}", file.display()),
            Some(Err(e)) => tracing::error!("{name} keeps its current certificate: {e:#}"),
        }
    }

    /// From now on, changes of the files are used within a minute, and when the result is called; a separate thread checks them.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn reloading(self) -> Result<Box<dyn Fn() + Send>> {
        let files = Arc::new(Mutex::new(self));
        let reload = |files: &Mutex<Self>| files.lock().unwrap_or_else(PoisonError::into_inner).reload_and_log();
        let watched = Arc::clone(&files);
        let watch = move || {
            loop {
                thread::sleep(CHECK_INTERVAL);
                reload(&watched);
            }
        };
        threads::spawn_as(Role::Certificates, "certificates", watch)?;
        Ok(Box::new(move || reload(&files)))
    }
}

/// Identifies the state of a file: inode, length, and time of the last change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl Stamp {
    /// None: there is no such file at the moment.
    fn of(file: &Path) -> Option<Self> {
        let stamp = |m: Metadata| Self(m.ino(), m.len(), m.mtime(), m.mtime_nsec());
        file.metadata().ok().map(stamp)
    }
}

/// A certificate with its chain, and its key.
///
/// # Errors
/// A file cannot be read, or they do not match.
pub(crate) fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    CertifiedKey::from_der(chain(certificate)?, private_key(key)?, &ring::default_provider())
        .with_context(|| format!("{} and {} cannot be used for TLS", certificate.display(), key.display()))
}

/// The authorities in a file.
///
/// # Errors
/// The file cannot be read, or has none.
pub(crate) fn authorities(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots
            .add(certificate)
            .with_context(|| format!("{} has a certificate that is not a CA certificate", file.display()))?;
    }
    Ok(roots)
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed = || format!("cannot read the TLS certificate {}", file.display());
    let pem = regular_file::read(file).with_context(failed)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().with_context(failed)?;
    ensure!(!chain.is_empty(), "{}: no certificate; a PEM file is needed", file.display());
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let failed = || format!("cannot read the TLS key {}", file.display());
    PrivateKeyDer::from_pem_slice(&regular_file::read(file).with_context(failed)?).with_context(failed)
}
