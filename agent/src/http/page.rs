//! `/` and its parts: the page for people, built from `agent/web` and embedded. They contain no data, so every client
//! may read them.

use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::problem::AnyRefusal;
use crate::published::Published;

/// Only files of this agent; no script or style within the page, no form, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths of the page's files.
pub(super) const PATHS: [&str; 4] = ["/", "/page.js", "/page.css", "/icon.svg"];

static INDEX: LazyLock<File> =
    LazyLock::new(|| File::new("text/html; charset=utf-8", include_bytes!("../../web/dist/index.html")));
static SCRIPT: LazyLock<File> =
    LazyLock::new(|| File::new("text/javascript; charset=utf-8", include_bytes!("../../web/dist/page.js")));
static STYLE: LazyLock<File> =
    LazyLock::new(|| File::new("text/css; charset=utf-8", include_bytes!("../../web/dist/page.css")));
static ICON: LazyLock<File> = LazyLock::new(|| File::new("image/svg+xml", include_bytes!("../../web/dist/icon.svg")));

/// The page for people
#[utoipa::path(
    get,
    path = "/",
    operation_id = "page",
    security(()),
    responses(
        (status = 200, description = "HTML, which reads the other pages with a script. It contains no data itself.", body = String, content_type = "text/html"),
        AnyRefusal
    )
)]
pub(super) async fn page(headers: HeaderMap) -> Response {
    INDEX.answer(&headers)
}

/// The files that the page consists of besides `/`.
pub(super) fn files() -> Router<Published> {
    let served = |file: &'static LazyLock<File>| get(async |headers: HeaderMap| file.answer(&headers));
    let [_, script, style, icon] = PATHS;
    Router::new().route(script, served(&SCRIPT)).route(style, served(&STYLE)).route(icon, served(&ICON))
}

/// One file, as it is and compressed.
struct File {
    content_type: &'static str,
    plain: Version,
    compressed: Version,
}

/// One form of a file, with the tag by which a browser asks whether it changed.
struct Version {
    bytes: std::borrow::Cow<'static, [u8]>,
    tag: String,
}

impl File {
    fn new(content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let hash: String = digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
        Self {
            content_type,
            plain: Version { bytes: bytes.into(), tag: format!("\"{hash}\"") },
            compressed: Version { bytes: compressed(bytes).into(), tag: format!("\"{hash}-gzip\"") },
        }
    }

    fn answer(&'static self, headers: &HeaderMap) -> Response {
        let is_compressed = accepts_gzip(headers);
        let version = if is_compressed { &self.compressed } else { &self.plain };
        let mut response = match has_tag(headers, &version.tag) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Body::from(&*version.bytes).into_response(),
        };
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        out.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_compressed {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Ok(tag) = HeaderValue::from_str(&version.tag) {
            out.insert(header::ETAG, tag);
        }
        response
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// RFC 9110 section 12.5.3; `*` is not taken for gzip.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|p| p.strip_prefix("q=")?.parse::<f64>().ok());
        is_gzip && weight.is_none_or(|q| q > 0.0)
    })
}

/// RFC 9110 section 13.1.2.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|t| t == "*" || t.strip_prefix("W/").unwrap_or(t) == tag)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const MAX_COMPRESSED_BYTES: usize = 300 * 1024;

    fn headers(fields: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 4 << 20).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_browser_gets_compressed_files_and_later_only_asks_whether_they_changed() {
        let mut compressed_bytes = 0;
        for file in [&INDEX, &SCRIPT, &STYLE, &ICON] {
            let plain = file.answer(&HeaderMap::new());
            assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
            let plain = body(plain).await;
            let answer = file.answer(&headers(&[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]));
            let tag = answer.headers()[header::ETAG].clone();
            let small = body(answer).await;
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&small[..]).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, plain);
            assert!(!plain.is_empty());
            compressed_bytes += small.len();
            let mut again = headers(&[(header::ACCEPT_ENCODING, "gzip")]);
            again.insert(header::IF_NONE_MATCH, tag.clone());
            let unchanged = file.answer(&again);
            assert_eq!((unchanged.status(), &unchanged.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag));
            again.remove(header::ACCEPT_ENCODING);
            assert_eq!(file.answer(&again).status(), StatusCode::OK, "the tag of the other form");
        }
        assert!(compressed_bytes <= MAX_COMPRESSED_BYTES, "{compressed_bytes}");
    }

    #[test]
    fn encodings_are_read_as_the_standard_says() {
        for (value, is_gzip) in [
            ("gzip", true),
            ("GZIP", true),
            ("deflate, gzip;q=1.0", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("xgzip", false),
            ("*", false),
        ] {
            assert_eq!(accepts_gzip(&headers(&[(header::ACCEPT_ENCODING, value)])), is_gzip, "{value}");
        }
    }

    #[test]
    fn tags_are_compared_as_the_standard_says() {
        for (value, is_same) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(has_tag(&headers(&[(header::IF_NONE_MATCH, value)]), "\"a\""), is_same, "{value}");
        }
    }

    /// The policy forbids scripts and styles within the page and all that is not of this agent.
    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        let text = std::str::from_utf8(&INDEX.plain.bytes).unwrap();
        for forbidden in ["<style", " style=", " onload=", "http:", "https:", "<script>"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
        let references = ["src=\"", "href=\""].into_iter().flat_map(|attribute| text.split(attribute).skip(1));
        let paths: Vec<_> = references.filter_map(|rest| rest.split('"').next()?.strip_prefix('.')).collect();
        assert!(paths.len() == 3 && paths.iter().all(|path| PATHS.contains(path)), "{paths:?}");
    }
}
