//! Logs: to stderr, as text or JSON, never in the way of a request.
//!
//! Our own lines are written from the configured level on, those of dependencies only from `warn` on,
//! whatever is configured: at `debug` and `trace` the framework and the storage engine would log what they
//! carry, and that is other people's secrets. Nothing in the environment can widen this.

use std::env;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::SystemTime;

use nix::sys::stat::fstat;
use parking_lot::Mutex;
use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
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

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        })
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
pub struct LogGuard {
    filter: reload::Handle<Targets, Registry>,
    level: Mutex<LogLevel>,
    _worker: WorkerGuard,
}

impl LogGuard {
    /// Writes lines from `level` on, from now on.
    pub fn set_level(&self, level: LogLevel) {
        *self.level.lock() = level;
        // It fails only where nothing is logged any more.
        let _ = self.filter.reload(filter(level));
    }

    /// The same, but leaves out nothing that is written now.
    pub fn widen(&self, level: LogLevel) {
        let widest = level.max(*self.level.lock());
        self.set_level(widest);
    }
}

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
    let (filter, handle) = reload::Layer::new(filter(level));
    // Not `SubscriberInitExt::init`: it would bridge the `log` crate, which is how sled and actix speak.
    let subscriber = subscriber(format, is_journal(&io::stderr()), filter, writer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadyInitialized)?;
    Ok(LogGuard { filter: handle, level: Mutex::new(level), _worker: guard })
}

/// Whether what is written to `stream` goes to the journal of systemd, which says so in the environment.
pub fn is_journal(stream: &impl AsFd) -> bool {
    let of = |stream| fstat(stream).ok().map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    env::var("JOURNAL_STREAM").is_ok_and(|journal| of(stream.as_fd()) == Some(journal))
}

fn subscriber<W>(
    format: LogFormat,
    is_journal: bool,
    filter: reload::Layer<Targets, Registry>,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Utc).with_ansi(false);
    let lines = match (format, is_journal) {
        (LogFormat::Text, false) => lines.boxed(),
        // The journal has a time of its own.
        (LogFormat::Text, true) => lines.without_time().map_event_format(WithPriority).boxed(),
        (LogFormat::Json, false) => lines.json().boxed(),
        (LogFormat::Json, true) => lines.json().map_event_format(WithPriority).boxed(),
    };
    Registry::default().with(lines.with_filter(filter))
}

/// A line with its priority before it, as sd-daemon(3) has it. The journal takes that off and keeps it.
struct WithPriority<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
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
    use std::sync::Arc;

    use super::*;

    /// What is written of one line each at every level, from us and from two dependencies.
    fn lines(format: LogFormat, is_journal: bool, level: LogLevel) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let (filter, handle) = reload::Layer::new(filter(LogLevel::Error));
        handle.reload(super::filter(level)).unwrap();
        let subscriber = subscriber(format, is_journal, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "coffer::vault", "own error");
            tracing::info!(target: "coffer::vault", "own info");
            tracing::trace!(target: "coffer::vault", "own trace");
            tracing::warn!(target: "actix_http::h1", "their warning");
            tracing::info!(target: "actix_http::h1", "their info");
            tracing::trace!(target: "sled::pagecache", "their trace");
        });
        let bytes = buffer.0.lock().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn check(level: LogLevel, expected: &[&str]) {
        let lines = lines(LogFormat::Text, false, level);
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
        let lines = lines(LogFormat::Json, false, LogLevel::Error);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["fields"]["message"], "own error");
        let time = line["timestamp"].as_str().unwrap();
        assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"), "{time}");
    }

    #[test]
    fn lines_for_the_journal_have_a_priority_and_in_text_no_time() {
        let text = lines(LogFormat::Text, true, LogLevel::Trace);
        assert_eq!(text[0], "<3>ERROR coffer::vault: own error");
        assert_eq!(text[1], "<6> INFO coffer::vault: own info");
        assert_eq!(text[2], "<7>TRACE coffer::vault: own trace");
        assert_eq!(text[3], "<4> WARN actix_http::h1: their warning");
        let json = lines(LogFormat::Json, true, LogLevel::Error);
        let line: serde_json::Value = serde_json::from_str(json[0].strip_prefix("<3>").unwrap()).unwrap();
        assert_eq!(line["fields"]["message"], "own error");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn only_the_documented_names_are_known() {
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("JSON".parse::<LogFormat>(), Err(UnknownName));
        assert_eq!("warn".parse(), Ok(LogLevel::Warn));
        assert_eq!("off".parse::<LogLevel>(), Err(UnknownName));
    }
}
