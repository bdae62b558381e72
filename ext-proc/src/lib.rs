//! The service beside Envoy: admission, control plane, settlement and ledger.
