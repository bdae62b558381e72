//! The proxy-wasm filter: edge and upstream roles over a Host trait.
