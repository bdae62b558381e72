//! What a filter needs of Envoy.

/// Whether Envoy goes on with the stream or waits for the filter's next callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Pass on what there is.
    Continue,
    /// Keep headers and body back.
    Pause,
}

/// Envoy, as one callback of one stream sees it. Names are lower-case; a call that Envoy refuses is
/// as if nothing were there, because a filter must never trap.
pub trait Host {
    /// All request headers, pseudo headers included.
    fn request_headers(&self) -> Vec<(String, Vec<u8>)>;
    /// Sets a request header, or removes it.
    fn set_request_header(&self, name: &str, value: Option<&str>);
    /// Replaces all request headers, pseudo headers included.
    fn replace_request_headers(&self, headers: &[(&str, &str)]);
    /// Up to `size` bytes of the request body at hand, from `start` on: of all of it while it is held,
    /// else of what has just come.
    fn request_body(&self, start: usize, size: usize) -> Vec<u8>;
    /// Replaces the request body at hand.
    fn replace_request_body(&self, body: &[u8]);
    /// Adds to the request body at hand.
    fn append_request_body(&self, body: &[u8]);

    /// All response headers, pseudo headers included.
    fn response_headers(&self) -> Vec<(String, Vec<u8>)>;
    /// Replaces all response headers, pseudo headers included.
    fn replace_response_headers(&self, headers: &[(&str, &str)]);
    /// The first `size` bytes of the response body at hand.
    fn response_body(&self, size: usize) -> Vec<u8>;
    /// Replaces the response body at hand.
    fn replace_response_body(&self, body: &[u8]);

    /// A property of the stream or of dynamic metadata.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// Sets a property, which access loggers see as filter state `wasm.<name>`.
    fn set_property(&self, name: &str, value: &[u8]);

    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
    /// Answers the client at once, past the router.
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]);
    /// A warning in Envoy's log. Never a word of a body, never a credential.
    fn warn(&self, message: &str);
}

/// The value of `name` among headers; `None` also when it is not UTF-8. Fetching all headers costs one
/// call into Envoy, so whoever needs several looks here.
pub(crate) fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(found, _)| found == name)?;
    std::str::from_utf8(value).ok()
}
