//! The process, under the names that every Prometheus client uses.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::samples::Samples;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Default for Process {
    fn default() -> Process {
        Process { started: SystemTime::now() }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Samples(encoder);
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        to.gauge("process_start_time_seconds", "When the server started", started.as_secs_f64())?;
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let spent = seconds(usage.user_time()) + seconds(usage.system_time());
            to.counter("process_cpu_seconds", "Processor time spent", spent)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = memory(&status, "VmRSS:") {
            to.level("process_resident_memory_bytes", "Memory in use", bytes)?;
        }
        if let Some(bytes) = memory(&status, "VmSize:") {
            to.level("process_virtual_memory_bytes", "Address space in use", bytes)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory itself.
            to.level("process_open_fds", "Open files", open.count().saturating_sub(1) as u64)?;
        }
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((limit, _)) => to.level("process_max_fds", "Most open files", limit),
            Err(_) => Ok(()),
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// A line of `/proc/self/status`, which counts in kibibytes.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
