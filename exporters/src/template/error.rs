//! Why a template was refused, on one line for the operator.

/// A template that cannot be used. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No element has this name.
    #[error("template, column {column}: no element is called %{name}{}; `pidflow fields` lists them all", hint(.nearest))]
    UnknownElement {
        /// Column at which the name begins.
        column: usize,
        /// The name, without `%`, cut where it is very long.
        name: String,
        /// The known name that is closest to it, if any is close.
        nearest: Option<&'static str>,
    },
    /// No macro has this name.
    #[error(
        "template, column {column}: no macro is called @{name}@; there are @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@, @TCP@, @PACKETS@, @K8S@, @COLLECTED@, @PLACES@ and @GLUED@"
    )]
    UnknownMacro {
        /// Column at which the macro begins.
        column: usize,
        /// The name, without `@`, cut where it is very long.
        name: String,
    },
    /// A macro's second `@` is missing.
    #[error("template, column {column}: @{name} is not closed; write @{name}@")]
    OpenMacro {
        /// Column at which the macro begins.
        column: usize,
        /// The name, without `@`, cut where it is very long.
        name: String,
    },
    /// A `%` with nothing after it.
    #[error("template, column {column}: an element's name is missing after %")]
    NoName {
        /// Column of the `%`.
        column: usize,
    },
    /// The template names no element.
    #[error("the template contains no element; omit it to use the default")]
    Empty,
}

fn hint(name: &Option<&'static str>) -> String {
    name.map_or_else(String::new, |n| format!(", the nearest is %{n}"))
}
