//! A blocking HTTP/1.1 client over a bare socket: it sends any bytes it is told to.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Response, openapi};

/// Where the endpoints of sections 4.1 to 4.7 live.
const BASE: &str = "/api/v2/public";

/// Who asks, and where: an address and the headers that go with every request.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, Vec<u8>)>,
}

impl Client {
    /// A client without a credential.
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, headers: Vec::new() }
    }

    /// The same client with one more header on every request.
    pub(crate) fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.as_ref().to_vec()));
        client
    }

    /// The same client with `key` as its only credential.
    pub(crate) fn key(&self, key: &str) -> Client {
        let mut client = self.clone();
        client.headers.retain(|(name, _)| name != "x-api-key");
        client.with("x-api-key", key)
    }

    /// The same client with a session token as its only credential.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        let mut client = self.clone();
        client.headers.retain(|(name, _)| name != "x-api-key" && name != "authorization");
        client.with("authorization", format!("Bearer {token}"))
    }

    /// A request to any target, outside the API's base too.
    pub(crate) fn at(&self, method: &str, target: &str) -> Request {
        Request {
            address: self.address,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: self.headers.clone(),
            body: None,
        }
    }

    /// A `GET` under the API's base.
    pub(crate) fn get(&self, path: &str) -> Request {
        self.at("GET", &format!("{BASE}{path}"))
    }

    /// A `POST` under the API's base.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Request {
        self.at("POST", &format!("{BASE}{path}")).json(body)
    }

    /// A `PUT` under the API's base.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Request {
        self.at("PUT", &format!("{BASE}{path}")).json(body)
    }

    /// A `PATCH` under the API's base.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Request {
        self.at("PATCH", &format!("{BASE}{path}")).json(body)
    }

    /// A `DELETE` under the API's base.
    pub(crate) fn delete(&self, path: &str) -> Request {
        self.at("DELETE", &format!("{BASE}{path}"))
    }

    /// Creates a definition and returns its id.
    #[track_caller]
    pub(crate) fn define(&self, body: &Value) -> String {
        let created = self.post("/env/definitions", body).send().created();
        created["definition"]["_id"].as_str().expect("an id").to_owned()
    }

    /// Creates a plain definition for strings and returns its id.
    #[track_caller]
    pub(crate) fn define_string(&self, name: &str, scope: &str) -> String {
        self.define(&serde_json::json!({ "name": name, "scope": scope }))
    }

    /// Creates an encrypted definition for strings and returns its id.
    #[track_caller]
    pub(crate) fn define_encrypted(&self, name: &str, scope: &str) -> String {
        self.define(&serde_json::json!({ "name": name, "scope": scope, "encrypted": true }))
    }

    /// A request that sets an `org` or `workspace` value.
    pub(crate) fn setting(&self, definition: &str, value: &str) -> Request {
        self.post("/env/values", &serde_json::json!({ "variable_definition_id": definition, "value": value }))
    }

    /// Sets an `org` or `workspace` value and returns the answer's body.
    #[track_caller]
    pub(crate) fn set(&self, definition: &str, value: &str) -> Value {
        self.setting(definition, value).send().ok()
    }

    /// Sets a value for `id`, where `field` is `linked_account_id` or `workflow_id`.
    #[track_caller]
    pub(crate) fn set_for(&self, definition: &str, field: &str, id: &str, value: &str) -> Value {
        let body = serde_json::json!({ "variable_definition_id": definition, "value": value, field: id });
        self.post("/env/values", &body).send().ok()
    }

    /// Registers a linked account that is not there yet, and returns the answer's body.
    #[track_caller]
    pub(crate) fn register(&self, account: &str) -> Value {
        self.post("/linked-account", &serde_json::json!({ "account_id": account })).send().ok()
    }

    /// A pair of tokens for a linked account, of a login of its own.
    #[track_caller]
    pub(crate) fn log_in(&self, account: &str) -> Value {
        let body = serde_json::json!({ "linked_account_id": account });
        self.post("/session-token", &body).query("force_refresh", "true").send().ok()
    }

    /// A session token for a linked account, of a login of its own.
    #[track_caller]
    pub(crate) fn token(&self, account: &str) -> String {
        self.log_in(account)["token"].as_str().expect("a token").to_owned()
    }

    /// A request that resolves a definition.
    pub(crate) fn resolve(&self, definition: &str) -> Request {
        self.get(&format!("/env/value/{definition}"))
    }
}

/// A request that has not been sent yet.
#[derive(Clone)]
pub(crate) struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Adds a header, also one that is there already.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds a query parameter, percent-encoded.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Request {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{separator}{name}={}", self.target, percent(value));
        self
    }

    /// The same request by another method.
    pub(crate) fn method(mut self, method: &str) -> Request {
        self.method = method.to_owned();
        self
    }

    /// Sends `body` as JSON, with its content type.
    pub(crate) fn json(self, body: &Value) -> Request {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends these bytes, with no content type of their own.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Request {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// Sends on a connection of its own and checks the answer against the served description.
    #[track_caller]
    pub(crate) fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.target);
        match self.try_send() {
            Ok(response) => response,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    /// [`Request::send`] where the server may be gone.
    pub(crate) fn try_send(self) -> io::Result<Response> {
        Connection::open(self.address)?.exchange(&self)
    }

    /// Sends the head, does something while the server waits for the body, and sends that.
    #[track_caller]
    pub(crate) fn send_around(self, meanwhile: impl FnOnce()) -> Response {
        let bytes = self.encode();
        let head = bytes.len() - self.body.as_ref().map_or(0, Vec::len);
        let mut connection = Connection::open(self.address).expect("a connection");
        connection.write(&bytes[..head]).expect("the head is sent");
        // Time for the credential to be checked, which is done before the body is read.
        std::thread::sleep(Duration::from_millis(100));
        meanwhile();
        connection.write(&bytes[head..]).expect("the body is sent");
        connection.read(&self.method).expect("an answer")
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.target, self.address).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        if let Some(body) = &self.body {
            head.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(self.body.as_deref().unwrap_or_default());
        head
    }
}

/// What a connection runs over: bare, or under TLS.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection that stays open for several requests.
pub(crate) struct Connection {
    address: SocketAddr,
    reader: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Connection> {
        Ok(Connection::over(address, Connection::dial(address)?))
    }

    /// A stream with the settings of every connection.
    pub(crate) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    /// A connection over a stream that leads to `address`.
    pub(crate) fn over(address: SocketAddr, stream: impl Stream + 'static) -> Connection {
        Connection { address, reader: BufReader::new(Box::new(stream)) }
    }

    /// Sends a request, reads its answer, and checks it against the served description.
    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        // A server may answer and hang up before it has read all of a body that it refuses.
        let sent = self.write(&request.encode());
        let response = self.read(&request.method);
        if response.is_err() {
            sent?;
        }
        let response = response?;
        openapi::check_response(self.address, &request.method, &request.target, &response);
        Ok(response)
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)?;
        self.reader.get_mut().flush()
    }

    /// Reads one answer to a request by `method`.
    pub(crate) fn read(&mut self, method: &str) -> io::Result<Response> {
        let mut line = self.line()?;
        let mut status = parse_status(&line)?;
        let mut headers = self.headers()?;
        while status == 100 {
            line = self.line()?;
            status = parse_status(&line)?;
            headers = self.headers()?;
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if method != "HEAD" && !matches!(status, 204 | 304) {
            response.body = self.payload(&response)?;
        }
        Ok(response)
    }

    /// Whether the server has closed, or closes within the read timeout, without a further byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.reader.fill_buf(), Ok([]) | Err(_))
    }

    fn payload(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().map_err(|_| malformed("content-length"))?;
            body.resize(length, 0);
            self.reader.read_exact(&mut body)?;
        } else if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| malformed("chunk size"))?;
                let mut chunk = vec![0; size];
                self.reader.read_exact(&mut chunk)?;
                body.append(&mut chunk);
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Percent-encodes everything but unreserved characters.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn parse_status(line: &str) -> io::Result<u16> {
    line.strip_prefix("HTTP/1.1 ")
        .or_else(|| line.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| malformed("status line"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
