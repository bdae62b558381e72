//! End to end, against the real Envoy and scripted providers.
