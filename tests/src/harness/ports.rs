//! Ports for programs that cannot be told to pick one themselves.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

/// Below the range from which Linux takes ports for outgoing connections, so that none of those
/// gets in between.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address on the loopback interface that nobody listens at, and that no other caller in this
/// process gets.
pub fn free_port() -> SocketAddr {
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |now| now.subsec_nanos());
    // Processes start their search at different places.
    let _ = NEXT.compare_exchange(
        0,
        1 + (std::process::id().wrapping_mul(7919) ^ now) % COUNT,
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = (Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap_or(0));
        if TcpListener::bind(address).is_ok() {
            return address.into();
        }
    }
    panic!("no free port on 127.0.0.1");
}
