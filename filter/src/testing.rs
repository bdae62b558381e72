//! A fake Envoy for tests: headers, bodies and properties in plain maps.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::Host;

/// What the client was answered past the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

#[derive(Debug, Default)]
pub(crate) struct FakeHost {
    pub(crate) request: RefCell<Vec<(String, String)>>,
    pub(crate) request_body: RefCell<Vec<u8>>,
    pub(crate) response: RefCell<Vec<(String, String)>>,
    pub(crate) response_body: RefCell<Vec<u8>>,
    pub(crate) properties: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) reply: RefCell<Option<Reply>>,
}

impl FakeHost {
    pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let host = Self::default();
        *host.request.borrow_mut() =
            owned(&[(":method", "POST"), (":path", path), (":scheme", "http")]);
        host.request.borrow_mut().extend(owned(headers));
        *host.request_body.borrow_mut() = body.into();
        host
    }

    pub(crate) fn answer(&self, headers: &[(&str, &str)], body: &str) {
        *self.response.borrow_mut() = owned(headers);
        *self.response_body.borrow_mut() = body.into();
    }

    pub(crate) fn request_header(&self, name: &str) -> Option<String> {
        find(&self.request.borrow(), name)
    }

    pub(crate) fn response_header(&self, name: &str) -> Option<String> {
        find(&self.response.borrow(), name)
    }

    pub(crate) fn header_names(&self) -> Vec<String> {
        self.request
            .borrow()
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(crate) fn replied(&self) -> Reply {
        self.reply
            .borrow()
            .clone()
            .expect("the filter answered the client")
    }

    pub(crate) fn set(&self, property: &[&str], value: &[u8]) {
        self.properties
            .borrow_mut()
            .insert(property.join("."), value.to_vec());
    }
}

/// The content type of [`long_form`].
pub(crate) const KIND: &str = "multipart/form-data; boundary=xYz";

/// A form that names its model first, with a file that is longer than forms that are held, and `late`
/// behind it.
pub(crate) fn long_form(late: &[u8]) -> Vec<u8> {
    let begins = "--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nllm\r\n\
                  --xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let file = vec![b's'; 80_000];
    let parts = [begins.as_bytes(), &file, b"\r\n", late, b"--xYz--\r\n"];
    parts.concat()
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn find(headers: &[(String, String)], name: &str) -> Option<String> {
    headers
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.clone())
}

impl Host for FakeHost {
    fn request_headers(&self) -> Vec<(String, Vec<u8>)> {
        let headers = self.request.borrow();
        headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
            .collect()
    }

    fn set_request_header(&self, name: &str, value: Option<&str>) {
        let mut headers = self.request.borrow_mut();
        headers.retain(|(n, _)| n != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    fn replace_request_headers(&self, headers: &[(&str, &str)]) {
        *self.request.borrow_mut() = owned(headers);
    }

    fn request_body(&self, start: usize, size: usize) -> Vec<u8> {
        let body = self.request_body.borrow();
        body[start..body.len().min(start + size)].to_vec()
    }

    fn replace_request_body(&self, body: &[u8]) {
        *self.request_body.borrow_mut() = body.to_vec();
    }

    fn append_request_body(&self, body: &[u8]) {
        self.request_body.borrow_mut().extend_from_slice(body);
    }

    fn response_headers(&self) -> Vec<(String, Vec<u8>)> {
        let headers = self.response.borrow();
        let bytes = |value: &String| value.clone().into_bytes();
        headers
            .iter()
            .map(|(name, value)| (name.clone(), bytes(value)))
            .collect()
    }

    fn replace_response_headers(&self, headers: &[(&str, &str)]) {
        *self.response.borrow_mut() = owned(headers);
    }

    fn response_body(&self, size: usize) -> Vec<u8> {
        let body = self.response_body.borrow();
        body[..size.min(body.len())].to_vec()
    }

    fn replace_response_body(&self, body: &[u8]) {
        *self.response_body.borrow_mut() = body.to_vec();
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.borrow().get(&path.join(".")).cloned()
    }

    fn set_property(&self, name: &str, value: &[u8]) {
        self.properties
            .borrow_mut()
            .insert(name.to_owned(), value.to_vec());
    }

    fn now_ms(&self) -> u64 {
        1_763_600_000_000
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let body = String::from_utf8(body.to_vec()).expect("our bodies are text");
        *self.reply.borrow_mut() = Some(Reply {
            status,
            headers: owned(headers),
            body,
        });
    }

    fn warn(&self, _message: &str) {}
}
