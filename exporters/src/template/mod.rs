//! Which elements a record is exported with, as nProbe's `-T` says it.

mod error;
mod nearest;
mod parse;

pub use error::TemplateError;

use pidflow_schema::{ELEMENTS, Element, GroupSet};

/// An ordered choice of elements, each at most once.
#[derive(Debug, Clone)]
pub struct Template {
    elements: Vec<&'static Element>,
}

impl Template {
    /// Reads `%NAME …` and `@MACRO@` tokens; an element named again keeps its first place.
    ///
    /// # Errors
    /// When a name or macro is not known, or nothing is named at all.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// The elements in the order in which they are sent.
    #[must_use]
    pub fn elements(&self) -> &[&'static Element] {
        &self.elements
    }

    /// The groups that the elements belong to: other groups make no difference to the wire format.
    #[must_use]
    pub fn groups(&self) -> GroupSet {
        self.elements.iter().fold(GroupSet::EMPTY, |set, e| set.with(e.group, true))
    }

    fn push(&mut self, element: &'static Element) {
        if !self.elements.iter().any(|e| std::ptr::eq(*e, element)) {
            self.elements.push(element);
        }
    }
}

impl Default for Template {
    /// `@FLOW@ @PROCESS@ @PIDFLOW@`: every element that pidflow knows.
    fn default() -> Self {
        Self { elements: ELEMENTS.iter().collect() }
    }
}

#[cfg(test)]
mod tests;
