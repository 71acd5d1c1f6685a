//! Logs: to stderr, as text or JSON, never in the way of a request.
//!
//! Our own lines are written from the configured level on, those of dependencies only from `warn` on,
//! whatever is configured: at `debug` and `trace` the framework and the storage engine would log what they
//! carry, and that is other people's secrets. Nothing in the environment can widen this.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::SystemTime;

use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// Lines waiting to be written. Beyond them lines are dropped.
const BUFFERED_LINES: usize = 16 * 1024;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// From which level on lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may soon.
    Warn,
    /// And what an operator wants to know.
    #[default]
    Info,
    /// And what explains it.
    Debug,
    /// And every step.
    Trace,
}

/// The text names no format, or no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown name")]
pub struct UnknownName;

impl FromStr for LogFormat {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownName),
        }
    }
}

impl FromStr for LogLevel {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(UnknownName),
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Writes what is still waiting when it is dropped: hold it until the process ends.
#[must_use = "lines that wait are lost without it"]
pub struct LogGuard(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

/// Logging was begun before.
#[derive(Debug, Error)]
#[error("logging is already set up in this process")]
pub struct AlreadyInitialized;

/// Begins to log to stderr.
///
/// Lines go through a thread of their own and are dropped when more than a few thousand wait: a terminal
/// that was stopped, or a full pipe, must not stop the service. What has to survive is in the audit trail.
///
/// # Errors
///
/// When it was called before.
pub fn init(format: LogFormat, level: LogLevel) -> Result<LogGuard, AlreadyInitialized> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("log")
        .finish(io::stderr());
    // Not `SubscriberInitExt::init`: it would bridge the `log` crate, which is how sled and actix speak.
    tracing::subscriber::set_global_default(subscriber(format, level, writer))
        .map_err(|_| AlreadyInitialized)?;
    Ok(LogGuard(guard))
}

fn subscriber<W>(format: LogFormat, level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Utc).with_ansi(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Registry::default().with(lines.with_filter(filter(level)))
}

fn filter(level: LogLevel) -> Targets {
    let own = LevelFilter::from(level);
    Targets::new().with_default(own.min(LevelFilter::WARN)).with_target(env!("CARGO_CRATE_NAME"), own)
}

/// RFC 3339 in UTC with milliseconds, as everywhere else in coffer.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        // A clock before the year -9999 or after 9999 is a line without a time, not a panic.
        match jiff::Timestamp::try_from(SystemTime::now()) {
            Ok(now) => write!(writer, "{now:.3}"),
            Err(_) => writer.write_char('-'),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is written of one line each at every level, from us and from two dependencies.
    fn lines(format: LogFormat, level: LogLevel) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        tracing::subscriber::with_default(subscriber(format, level, move || writer.clone()), || {
            tracing::error!(target: "coffer::vault", "own error");
            tracing::info!(target: "coffer::vault", "own info");
            tracing::trace!(target: "coffer::vault", "own trace");
            tracing::warn!(target: "actix_http::h1", "their warning");
            tracing::info!(target: "actix_http::h1", "their info");
            tracing::trace!(target: "sled::pagecache", "their trace");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn check(level: LogLevel, expected: &[&str]) {
        let lines = lines(LogFormat::Text, level);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, message) in lines.iter().zip(expected) {
            assert!(line.ends_with(message), "{line}");
        }
    }

    #[test]
    fn dependencies_stay_at_warn_whatever_our_level() {
        check(LogLevel::Error, &["own error"]);
        check(LogLevel::Info, &["own error", "own info", "their warning"]);
        check(LogLevel::Trace, &["own error", "own info", "own trace", "their warning"]);
    }

    #[test]
    fn a_line_of_json_has_its_time_in_utc_with_milliseconds() {
        let lines = lines(LogFormat::Json, LogLevel::Error);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["fields"]["message"], "own error");
        let time = line["timestamp"].as_str().unwrap();
        assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"), "{time}");
    }

    #[test]
    fn only_the_documented_names_are_known() {
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("JSON".parse::<LogFormat>(), Err(UnknownName));
        assert_eq!("warn".parse(), Ok(LogLevel::Warn));
        assert_eq!("off".parse::<LogLevel>(), Err(UnknownName));
    }
}
