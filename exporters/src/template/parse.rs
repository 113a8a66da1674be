//! Splits a template into tokens. It tolerates the blanks and quotes that word processors and web pages produce.

use pidflow_schema::Element;
use pidflow_schema::table::{
    APPLICATION_MACRO, COLLECTED_MACRO, FLOW_MACRO, GLUED_MACRO, K8S_MACRO, KEY_MACRO, NAT_MACRO, PACKETS_MACRO,
    PIDFLOW_MACRO, PLACES_MACRO, PROCESS_MACRO, TCP_MACRO, TUNNEL_MACRO, by_name,
};

use super::nearest::nearest;
use super::{Template, TemplateError};

/// Maximum number of characters of a wrong name in an error message.
const MAX_SHOWN_NAME: usize = 48;

struct Token<'a> {
    column: usize,
    text: &'a str,
}

pub(super) fn template(text: &str) -> Result<Template, TemplateError> {
    let mut template = Template { elements: Vec::new() };
    for token in tokens(text) {
        for element in token.elements()? {
            template.push(element);
        }
    }
    if template.elements.is_empty() { Err(TemplateError::Empty) } else { Ok(template) }
}

/// Separators between names: any Unicode blank, zero-width blanks, and quotes of every style.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
        || matches!(c, '"' | '\'' | '`' | '´' | '«' | '»' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}')
}

/// Splits at separators, and before each `%`, so that `%A%B` is two tokens.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    for (column, (at, c)) in text.char_indices().enumerate() {
        if is_separator(c) || c == '%' {
            found.extend(cut(text, start.take(), at));
        }
        if !is_separator(c) && start.is_none() {
            start = Some((column + 1, at));
        }
    }
    found.extend(cut(text, start, text.len()));
    found
}

fn cut(text: &str, start: Option<(usize, usize)>, end: usize) -> Option<Token<'_>> {
    let (column, at) = start?;
    text.get(at..end).map(|text| Token { column, text })
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN_NAME).flat_map(char::escape_debug).collect()
}

impl Token<'_> {
    fn elements(&self) -> Result<Vec<&'static Element>, TemplateError> {
        match self.text.strip_prefix('@') {
            Some(rest) => self.macro_elements(rest),
            None => self.element().map(|e| vec![e]),
        }
    }

    fn element(&self) -> Result<&'static Element, TemplateError> {
        let name = self.text.strip_prefix('%').unwrap_or(self.text);
        if name.is_empty() {
            return Err(TemplateError::NoName { column: self.column });
        }
        by_name(name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> TemplateError {
        let name = shown(name);
        let nearest = nearest(&name);
        TemplateError::UnknownElement { column: self.column, name, nearest }
    }

    fn macro_elements(&self, rest: &str) -> Result<Vec<&'static Element>, TemplateError> {
        let column = self.column;
        let Some(name) = rest.strip_suffix('@') else {
            return Err(TemplateError::OpenMacro { column, name: shown(rest) });
        };
        let names: &[&str] = match name.to_ascii_uppercase().as_str() {
            "FLOW" => &FLOW_MACRO,
            "PROCESS" => &PROCESS_MACRO,
            "PIDFLOW" => &PIDFLOW_MACRO,
            "TUNNEL" => &TUNNEL_MACRO,
            "NAT" => &NAT_MACRO,
            "COLLECTED" => &COLLECTED_MACRO,
            "PLACES" => &PLACES_MACRO,
            "GLUED" => &GLUED_MACRO,
            "APPLICATION" => &APPLICATION_MACRO,
            "TCP" => &TCP_MACRO,
            "PACKETS" => &PACKETS_MACRO,
            "K8S" => &K8S_MACRO,
            "KEY" => &KEY_MACRO,
            _ => return Err(TemplateError::UnknownMacro { column, name: shown(name) }),
        };
        Ok(names.iter().filter_map(|n| by_name(n)).collect())
    }
}
