//! Texts that many pods share are kept once.

use std::sync::Arc;

use pidflow_engine::texts::Texts as Shared;

/// The longest name in Kubernetes (a DNS subdomain, RFC 1123), bytes.
pub(super) const MAX_NAME: usize = 253;
/// From this number on, texts that nobody else holds are forgotten.
const MIN_SWEEP: usize = 1024;

/// Texts in use.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: Shared,
    sweep_at: usize,
}

impl Texts {
    /// The text, cut where it is longer than a name may be.
    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        if self.known.len() >= self.sweep_at.max(MIN_SWEEP) {
            self.known.forget_unused();
            self.sweep_at = 2 * self.known.len();
        }
        self.known.share(text, MAX_NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shared_bounded_and_forgotten() {
        let mut texts = Texts::default();
        let kept = texts.shared("shop");
        assert!(Arc::ptr_eq(&kept, &texts.shared("shop")));
        assert_eq!(texts.shared(&"ä".repeat(1000)).len(), 252);
        (0..100_000).for_each(|n| drop(texts.shared(&format!("pod-{n}"))));
        assert!(texts.known.len() <= MIN_SWEEP, "{}", texts.known.len());
        assert!(Arc::ptr_eq(&kept, &texts.shared("shop")));
    }
}
