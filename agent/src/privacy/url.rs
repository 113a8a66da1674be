//! Masks secrets in the paths of HTTP requests that were seen on the wire.

use std::sync::Arc;

use pidflow_schema::FlowRecord;

use super::mask::{MASK, mask_arguments};

/// Masks the path of a record's HTTP request as if its URL were an argument of a command line. Its query was not kept at all.
pub(crate) fn mask_url(record: &mut FlowRecord) {
    let Some(http) = record.flow.application.as_ref().and_then(|application| application.http.as_ref()) else { return };
    if let Some(masked) = masked_path(&http.host, &http.path)
        && let Some(application) = record.flow.application.as_mut()
        && let Some(http) = Arc::make_mut(application).http.as_mut()
    {
        http.path = masked;
    }
}

/// None: there is no secret in the path.
fn masked_path(host: &str, path: &str) -> Option<Arc<str>> {
    let before = format!("http://{host}");
    let url = format!("{before}{path}");
    let masked = mask_arguments(&[&url]);
    let masked = masked.first().map(AsRef::as_ref).filter(|masked| *masked != url)?;
    Some(masked.strip_prefix(&before).unwrap_or(MASK).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_paths_are_masked_and_other_paths_are_kept() {
        let masked = |host: &str, path: &str| masked_path(host, path).map(|path| path.to_string());
        let hook = masked("hooks.slack.com", "/services/T0000/B0000/XXXXXXXXXXXXXXXXXXXXXXXX").unwrap();
        assert_eq!(hook, "/services/T0000/B0000/***");
        let bot = masked("api.telegram.org", "/bot12345:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/getMe").unwrap();
        assert!(bot.starts_with("/bot***") && bot.ends_with("/getMe"), "{bot}");
        assert_eq!(masked("a.example", "/index.html"), None);
        assert_eq!(masked("a.example:8080", "/api/v1/items/17"), None);
        assert_eq!(masked("", "*"), None);
    }
}
