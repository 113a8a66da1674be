//! Why a template was refused, in one line for the operator.

/// A template that cannot be used. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No element has this name.
    #[error("template, column {column}: no element is called %{name}{}; `pidflow fields` lists them all", hint(.nearest))]
    UnknownElement {
        /// Where the name begins.
        column: usize,
        /// The name, without `%`, cut where it is very long.
        name: String,
        /// The known name that is closest to it, if any is close.
        nearest: Option<&'static str>,
    },
    /// No macro has this name.
    #[error(
        "template, column {column}: no macro is called @{name}@; there are @FLOW@, @PROCESS@, @PIDFLOW@ and @TUNNEL@"
    )]
    UnknownMacro {
        /// Where the macro begins.
        column: usize,
        /// The name, without `@`, cut where it is very long.
        name: String,
    },
    /// A macro's second `@` is missing.
    #[error("template, column {column}: @{name} is not closed; write @{name}@")]
    OpenMacro {
        /// Where the macro begins.
        column: usize,
        /// The name, without `@`, cut where it is very long.
        name: String,
    },
    /// A `%` with nothing after it.
    #[error("template, column {column}: an element's name is missing after %")]
    NoName {
        /// Where the `%` stands.
        column: usize,
    },
    /// Nothing named at all.
    #[error("the template names no element; leave it out for the default")]
    Empty,
}

fn hint(name: &Option<&'static str>) -> String {
    name.map_or_else(String::new, |n| format!(", the nearest is %{n}"))
}
