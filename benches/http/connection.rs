//! One connection of the load generator: sends a request, and reads as much of the answer as it takes to check
//! that it says yes and to find its end.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// What a server is spoken to in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/1.1: a request is its bytes.
    Http,
    /// RESP, the protocol of Redis: a request is its bytes.
    Resp,
    /// gRPC: a request is its message, framed; the method is the path here.
    Grpc(&'static str),
}

/// An open connection, kept alive.
pub(crate) enum Connection {
    Plain { stream: TcpStream, received: Vec<u8>, answer: fn(&[u8]) -> Answer },
    Grpc { streams: SendRequest<Bytes>, method: &'static str },
}

/// What the bytes received so far are.
pub(crate) enum Answer {
    /// Some are still to come.
    Partial,
    /// An answer of this length.
    Yes(usize),
    /// One that says no.
    No,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, protocol: Protocol) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let plain = |stream, answer| Connection::Plain { stream, received: vec![0; 64 * 1024], answer };
        Ok(match protocol {
            Protocol::Http => plain(stream, http),
            Protocol::Resp => plain(stream, resp),
            Protocol::Grpc(method) => {
                let (streams, connection) = h2::client::handshake(stream).await?;
                // Ends with the connection; what breaks it is seen by the request that is under way.
                tokio::spawn(connection);
                Connection::Grpc { streams, method }
            }
        })
    }

    /// Sends a request and reads its answer, which must say yes.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<()> {
        match self {
            Connection::Plain { stream, received, answer } => plain(stream, received, *answer, request).await,
            Connection::Grpc { streams, method } => grpc(streams, method, request).await,
        }
    }
}

async fn plain(
    stream: &mut TcpStream,
    received: &mut [u8],
    answer: fn(&[u8]) -> Answer,
    request: &[u8],
) -> Result<()> {
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut received[filled..]).await?;
        if read == 0 {
            return Err("the server hung up, or its answer is too long".into());
        }
        filled += read;
        match answer(&received[..filled]) {
            Answer::Yes(length) if length == filled => return Ok(()),
            Answer::Yes(length) if length < filled => return Err("more came than was asked for".into()),
            Answer::No => return Err(String::from_utf8_lossy(&received[..filled]).into()),
            Answer::Yes(_) | Answer::Partial => {}
        }
    }
}

fn http(bytes: &[u8]) -> Answer {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Answer::Partial };
    if bytes.starts_with(b"HTTP/1.1 204") {
        return Answer::Yes(head + 4);
    }
    if !bytes.starts_with(b"HTTP/1.1 200") {
        return Answer::No;
    }
    let name = b"\r\ncontent-length: ";
    let at = bytes[..head].windows(name.len()).position(|window| window.eq_ignore_ascii_case(name));
    at.map_or(Answer::No, |at| Answer::Yes(head + 4 + number(&bytes[at + name.len()..head])))
}

/// A line, or a string after its length; a missing one is a no.
fn resp(bytes: &[u8]) -> Answer {
    let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else { return Answer::Partial };
    match bytes[0] {
        b'+' | b':' => Answer::Yes(line + 2),
        b'$' if bytes[1] != b'-' => Answer::Yes(line + 2 + number(&bytes[1..line]) + 2),
        _ => Answer::No,
    }
}

fn number(digits: &[u8]) -> usize {
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

async fn grpc(streams: &mut SendRequest<Bytes>, method: &str, message: &[u8]) -> Result<()> {
    let request = http::Request::post(format!("http://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (answer, mut body) = streams.clone().ready().await?.send_request(request, false)?;
    body.send_data(Bytes::copy_from_slice(message), true)?;
    let mut answer = answer.await?.into_body();
    let mut length = 0;
    while let Some(data) = answer.data().await {
        let data = data?;
        length += data.len();
        answer.flow_control().release_capacity(data.len())?;
    }
    let status = answer.trailers().await?.and_then(|trailers| trailers.get("grpc-status").cloned());
    match status {
        // Five bytes frame even an empty message.
        Some(status) if status == "0" && length >= 5 => Ok(()),
        status => Err(format!("{method} answered with the status {status:?}").into()),
    }
}
