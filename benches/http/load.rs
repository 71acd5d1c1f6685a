//! The load generator: keep-alive connections on one thread, and requests that are bytes already.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::connection::Connection;
use crate::cpu;
use crate::workload::{Random, Requests};

/// Connections that each send a request, await its response, and send the next.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The server's process.
    pub(crate) server: u32,
    pub(crate) connections: usize,
    pub(crate) requests: Arc<Requests>,
}

/// What came of it.
pub(crate) struct Measured {
    latencies: Vec<u32>,
    /// From the first request to the last response.
    pub(crate) elapsed: Duration,
    server_cpu: Duration,
}

impl Measured {
    /// Responses a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// What a request takes of the server's processor time, in microseconds: a figure that other
    /// processes on the machine disturb less than they do the rate.
    pub(crate) fn cpu(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }

    /// The median time from a request's first byte to its response's last, in milliseconds.
    pub(crate) fn latency(&self) -> f64 {
        crate::rounds::median(self.latencies.iter().map(|&nanos| f64::from(nanos) / 1e6))
    }
}

#[derive(Clone)]
enum Order {
    /// Any request, until then.
    Random(Duration),
    /// Each once, by a number that all connections share.
    Once(Arc<AtomicU64>),
}

impl Load {
    /// Sends requests in random order for as long as `turn`.
    pub(crate) fn run(&self, turn: Duration) -> Result<Measured> {
        self.measure(&Order::Random(turn))
    }

    /// Sends each request once, in order.
    pub(crate) fn run_once(&self) -> Result<Measured> {
        self.measure(&Order::Once(Arc::default()))
    }

    fn measure(&self, order: &Order) -> Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..self.connections {
                connections.push(Connection::open(self.address, self.requests.protocol()).await?);
            }
            let cpu = cpu::of_process(self.server)?;
            let begun = Instant::now();
            let mut running = JoinSet::new();
            for (number, connection) in connections.into_iter().enumerate() {
                running.spawn(converse(connection, number as u64, Arc::clone(&self.requests), order.clone()));
            }
            let mut latencies = Vec::new();
            while let Some(ended) = running.join_next().await {
                latencies.extend(ended??);
            }
            let elapsed = begun.elapsed();
            Ok(Measured { latencies, elapsed, server_cpu: cpu::of_process(self.server)? - cpu })
        })
    }
}

async fn converse(
    mut connection: Connection,
    number: u64,
    requests: Arc<Requests>,
    order: Order,
) -> Result<Vec<u32>> {
    let mut random = Random::new(number);
    let mut request = Vec::with_capacity(1024);
    let mut latencies = Vec::with_capacity(4096);
    let begun = Instant::now();
    loop {
        let which = match &order {
            Order::Random(turn) if begun.elapsed() >= *turn => return Ok(latencies),
            Order::Random(_) => random.below(requests.count()),
            Order::Once(next) => match next.fetch_add(1, Ordering::Relaxed) {
                next if next < requests.count() => next,
                _ => return Ok(latencies),
            },
        };
        requests.write(which, &mut request);
        let sent = Instant::now();
        connection.exchange(&request).await?;
        latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
}
