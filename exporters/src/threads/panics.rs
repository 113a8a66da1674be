//! Reports panics as one line in the log, and as errors.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::thread;

use super::Outcome;

/// From now on, a panic of any thread is passed to `say` as one line. `say` must not panic.
pub fn log_panics(say: fn(&str)) {
    panic::set_hook(Box::new(move |info| say(&line(info))));
}

fn line(info: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
    format!("thread {name} panicked{place}: {}; please report this", message(info.payload()))
}

/// The panic's message on one line.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the reason is not text").lines().collect::<Vec<_>>().join("; ")
}

/// Does the work, and returns a panic as an error. The work may be half done, so a caller that repeats it must start
/// with a consistent state.
pub(super) fn caught(work: &mut impl FnMut() -> Outcome) -> Outcome {
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|payload| Err(format!("it panicked: {}", message(&*payload))))
}
