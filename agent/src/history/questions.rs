//! The thread that answers questions about the history. HTTP's thread must neither wait for a disk nor open files.

use std::path::Path;

use anyhow::Result;
use crossbeam_channel::{Sender, TrySendError, bounded};
use pidflow_history::{HistoryError, Reader};

use crate::privileges::Role;
use crate::threads;

/// Maximum number of questions that wait.
const MAX_WAITING: usize = 8;

/// A question, which sends its own answer.
type Question = Box<dyn FnOnce(Result<Reader, HistoryError>) + Send>;

/// Passes questions on to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    questions: Sender<Question>,
}

impl Questions {
    /// Starts the thread.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let (questions, asked) = bounded::<Question>(MAX_WAITING);
        let path = folder.to_owned();
        let answer = move || {
            asked.iter().for_each(|question| question(Reader::new(&path)));
            Ok(())
        };
        threads::spawn_for(Role::History, "history-reader", folder.to_owned(), answer)?;
        Ok(Self { questions })
    }

    /// Passes a question on; false: too many wait already.
    pub(crate) fn ask(&self, question: impl FnOnce(Result<Reader, HistoryError>) + Send + 'static) -> bool {
        !matches!(self.questions.try_send(Box::new(question)), Err(TrySendError::Full(_)))
    }
}
