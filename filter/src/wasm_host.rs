//! The one file that knows proxy-wasm: the module's entry, its contexts, and [`Host`] over host
//! calls. It uses `hostcalls` directly, whose results it can ignore, where the crate's convenience
//! methods would trap.

use std::rc::Rc;

use dragoman_proto::{EdgeConfig, FilterConfig, UpstreamConfig};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};

use crate::edge::Edge;
use crate::upstream::Upstream;
use crate::{Flow, Host};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: None }));
}}

/// One plugin in one VM: its configuration.
struct Root {
    config: Option<Role>,
}

enum Role {
    Edge(Rc<EdgeConfig>),
    Upstream(Rc<UpstreamConfig>),
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        let json = json.ok().flatten().unwrap_or_default();
        match serde_json::from_slice(&json) {
            Ok(FilterConfig::Edge(config)) => self.config = Some(Role::Edge(Rc::new(config))),
            Ok(FilterConfig::Upstream(config)) => {
                self.config = Some(Role::Upstream(Rc::from(config)));
            }
            Err(error) => {
                Envoy.warn(&format!("the plugin configuration does not parse: {error}"));
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        match self.config.as_ref()? {
            Role::Edge(config) => Some(Box::new(EdgeStream(Edge::new(Rc::clone(config))))),
            Role::Upstream(config) => {
                Some(Box::new(UpstreamStream(Upstream::new(Rc::clone(config)))))
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct EdgeStream(Edge);

impl Context for EdgeStream {}

impl HttpContext for EdgeStream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.0.on_request_headers(&Envoy, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.0.on_request_body(&Envoy, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        action(self.0.on_request_trailers(&Envoy))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.0.on_response_headers(&Envoy, end_of_stream))
    }
}

struct UpstreamStream(Upstream);

impl Context for UpstreamStream {}

impl HttpContext for UpstreamStream {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.0.on_request_headers(&Envoy, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.0.on_request_body(&Envoy, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        action(self.0.on_request_trailers(&Envoy))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.0.on_response_headers(&Envoy, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.0.on_response_body(&Envoy, size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        action(self.0.on_response_trailers(&Envoy))
    }
}

const fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Pause => Action::Pause,
    }
}

/// Envoy, by the host calls of the stream whose callback is running.
struct Envoy;

fn replace(map: MapType, headers: &[(&str, &str)]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let _ = hostcalls::set_map_bytes(map, headers);
}

fn body(buffer: BufferType, start: usize, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    hostcalls::get_buffer(buffer, start, size)
        .ok()
        .flatten()
        .unwrap_or_default()
}

impl Host for Envoy {
    fn request_headers(&self) -> Vec<(String, Vec<u8>)> {
        hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
    }

    fn set_request_header(&self, name: &str, value: Option<&str>) {
        let value = value.map(str::as_bytes);
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, value);
    }

    fn replace_request_headers(&self, headers: &[(&str, &str)]) {
        replace(MapType::HttpRequestHeaders, headers);
    }

    fn request_body(&self, start: usize, size: usize) -> Vec<u8> {
        body(BufferType::HttpRequestBody, start, size)
    }

    fn replace_request_body(&self, body: &[u8]) {
        let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, usize::MAX, body);
    }

    fn append_request_body(&self, body: &[u8]) {
        // From beyond its end on.
        let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, usize::MAX, 0, body);
    }

    fn response_headers(&self) -> Vec<(String, Vec<u8>)> {
        hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default()
    }

    fn replace_response_headers(&self, headers: &[(&str, &str)]) {
        replace(MapType::HttpResponseHeaders, headers);
    }

    fn response_body(&self, size: usize) -> Vec<u8> {
        body(BufferType::HttpResponseBody, 0, size)
    }

    fn replace_response_body(&self, body: &[u8]) {
        let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, usize::MAX, body);
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn set_property(&self, name: &str, value: &[u8]) {
        let _ = hostcalls::set_property(vec![name], Some(value));
    }

    fn now_ms(&self) -> u64 {
        let now = hostcalls::get_current_time().ok();
        let since = now.and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok());
        since
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or_default()
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let _ = hostcalls::send_http_response(u32::from(status), headers.to_vec(), Some(body));
    }

    fn warn(&self, message: &str) {
        let _ = hostcalls::log(LogLevel::Warn, message);
    }
}
