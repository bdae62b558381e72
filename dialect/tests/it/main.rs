//! The crate through its public interface: golden files, streams at every split, bad output,
//! properties.

mod agents;
mod aws;
mod bad_output;
mod bedrock;
mod clients;
mod completions;
mod demands;
mod edge;
mod endpoints;
mod forms;
mod golden;
mod google;
mod media;
mod own_endpoints;
mod properties;
mod streams;
mod support;
mod thinking;
