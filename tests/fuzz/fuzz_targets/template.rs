//! The template parser: no text makes it panic, a parsed template printed with its own names parses to the same
//! template, and its errors are one short line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pidflow_exporters::Template;

fuzz_target!(|text: &str| match Template::parse(text) {
    Ok(template) => {
        let names: String = template.elements().iter().map(|e| format!("%{} ", e.name)).collect();
        let again = Template::parse(&names).map(|t| t.elements().len());
        assert_eq!(again, Ok(template.elements().len()));
    }
    Err(error) => {
        let line = error.to_string();
        assert!(line.len() < 1000 && !line.contains(char::is_control), "{line:?}");
    }
});
