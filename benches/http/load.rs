//! The load generator: keep-alive connections on one thread, requests that are bytes already, and as much
//! parsing of responses as it takes to check each status and to find its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;
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
            let mut streams = Vec::new();
            for _ in 0..self.connections {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            let cpu = cpu::of_process(self.server)?;
            let begun = Instant::now();
            let mut running = JoinSet::new();
            for (number, stream) in streams.into_iter().enumerate() {
                running.spawn(converse(stream, number as u64, Arc::clone(&self.requests), order.clone()));
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

async fn converse(stream: TcpStream, number: u64, requests: Arc<Requests>, order: Order) -> Result<Vec<u32>> {
    let mut connection = Connection { stream, received: vec![0; 64 * 1024] };
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

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its response, which must be a 200.
    async fn exchange(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.received[filled..]).await?;
            if read == 0 {
                return Err("the server hung up".into());
            }
            filled += read;
            match response_length(&self.received[..filled]) {
                Some(length) if length == filled => break,
                Some(length) if length > self.received.len() => return Err("the response is too long".into()),
                Some(length) if length < filled => return Err("more came than was asked for".into()),
                _ => {}
            }
        }
        if &self.received[..12] != b"HTTP/1.1 200" {
            return Err(String::from_utf8_lossy(&self.received[..filled]).into());
        }
        Ok(())
    }
}

/// How long the response is in whole, once its head is there.
fn response_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let name = b"\r\ncontent-length: ";
    let at = bytes[..head].windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))?;
    let digits = bytes[at + name.len()..head].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Some(head + 4 + body)
}
