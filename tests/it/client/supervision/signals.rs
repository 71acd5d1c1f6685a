//! Which signals reach a watched program, and that each does once.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Machine, PATIENCE, Watched, send};
use crate::support::{Server, eventually, finish};

const COUNTING: &str =
    "for s in HUP INT TERM USR1 USR2 WINCH; do trap \"echo $s >> got\" $s; done; trap 'exit 7' QUIT";

#[test]
fn signals_sent_to_coffer_reach_the_program_once() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let mut watched = Watched::start(&machine, &[], COUNTING);
    let got = || fs::read_to_string(machine.path("got")).unwrap_or_default();
    for (index, signal) in ["INT", "TERM", "WINCH", "HUP", "USR1", "USR2"].into_iter().enumerate() {
        watched.signal(signal);
        eventually(PATIENCE, signal, || (got().lines().count() > index).then_some(()));
    }
    std::thread::sleep(Duration::from_millis(300));
    watched.signal("QUIT");
    assert_eq!(watched.ended(), Some(7));
    assert_eq!(got(), "INT\nTERM\nWINCH\nHUP\nUSR1\nUSR2\n");
}

#[test]
fn a_program_that_says_nothing_of_a_signal_ends_by_it() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let mut watched = Watched::start(&machine, &[], "");
    watched.signal("TERM");
    assert_eq!(watched.ended(), Some(128 + 15));
    // It ends itself and its whole group, of which coffer is: that comes back to it no second time.
    let args = ["run", "--watch", "--", "sh", "-c", "trap 'echo got >> got' TERM; kill -TERM 0; exit 5"];
    let mut alone = Command::new("setsid");
    alone.arg("--wait").arg(env!("CARGO_BIN_EXE_coffer")).args(args).current_dir(machine.dir.path());
    alone.env("COFFER_URL", &machine.url).env("COFFER_API_KEY", &machine.key);
    let finished = finish(alone.env("HOME", machine.dir.path()).stderr(Stdio::piped()));
    assert_eq!(finished.code, Some(5), "{finished:?}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(fs::read_to_string(machine.path("got")).unwrap(), "got\n");
}

/// A small shell on a terminal of its own that runs one job in the foreground; and somebody who types at it.
const TERMINAL: &str = r#"
import fcntl, os, pty, signal, struct, sys, termios, time
shell, terminal = pty.fork()
if shell == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for heard in signal.SIGTTOU, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
            signal.signal(heard, signal.SIG_DFL)
        os.execvp(sys.argv[1], sys.argv[1:])
    open("job", "w").write(str(job))
    while True:
        status = os.waitpid(job, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            os._exit(os.waitstatus_to_exitcode(status))
        os.tcsetpgrp(0, os.getpgrp())
        print("stopped", flush=True)
        sys.stdin.readline()
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
def eventually(what, probe):
    end = time.time() + 20
    while not probe():
        assert time.time() < end, what
        time.sleep(0.01)
def until(what):
    text = b""
    while what not in text:
        text += os.read(terminal, 4096)
def got():
    return open("got").read().split() if os.path.exists("got") else []
def state(pid):
    return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0]
signal.alarm(25)
until(b"ready")
job, program = int(open("job").read()), int(open("pid").read())
os.write(terminal, b"\x03")
eventually("INT", lambda: "INT" in got())
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
eventually("WINCH", lambda: "WINCH" in got())
os.kill(job, signal.SIGUSR1)
eventually("USR1", lambda: "USR1" in got())
os.write(terminal, b"\x1a")
until(b"stopped")
eventually("both stop", lambda: state(job) == "T" and state(program) == "T")
os.write(terminal, b"\n")
eventually("both go on", lambda: state(job) != "T" and state(program) != "T")
os.write(terminal, b"\x1c")
print(os.waitstatus_to_exitcode(os.waitpid(shell, 0)[1]), got())
"#;

#[test]
fn what_the_terminal_sends_reaches_the_program_once_and_job_control_works() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3 to make a terminal");
        return;
    }
    let server = Server::start();
    let machine = Machine::of(&server);
    // In the background: a shell that is stopped while it waits for a `vfork` does not show as stopped.
    let script = format!("echo $$ > pid; {COUNTING}; echo ready; while :; do sleep 0.02 & wait $!; done");
    for flags in [&["--watch"][..], &[]] {
        let _ = fs::remove_file(machine.path("got"));
        let mut shell = Command::new("python3");
        shell.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_coffer"), "run"]).args(flags);
        shell.args(["--", "sh", "-c", &script]).current_dir(machine.dir.path());
        shell.env("COFFER_URL", &machine.url).env("COFFER_API_KEY", &machine.key);
        shell.env("XDG_STATE_HOME", machine.path("state")).env_remove("COFFER_API_KEY_FILE");
        let finished = finish(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
        assert_eq!(finished.ok(), "7 ['INT', 'WINCH', 'USR1']\n", "{flags:?}");
    }
}

#[test]
fn a_signal_before_the_program_has_started_ends_coffer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = crate::support::command();
    command.args(["run", "--watch", "--", "touch", "started"]).current_dir(dir.path());
    command.env("COFFER_URL", format!("http://{}", silent.local_addr().unwrap()));
    command.env("COFFER_API_KEY", "tk_x").env("XDG_STATE_HOME", dir.path());
    let mut coffer = command.spawn().unwrap();
    // It asks, and waits for the answer.
    let _asked = silent.accept().unwrap();
    send("WINCH", &coffer.id().to_string());
    send("TERM", &coffer.id().to_string());
    let status = eventually(Duration::from_secs(4), "it ends", || coffer.try_wait().unwrap());
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    assert!(!dir.path().join("started").exists());
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let script = r#"trap '' HUP; exec "$0" run --watch -- grep SigIgn /proc/self/status"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_coffer")]).env("COFFER_URL", &machine.url);
    shell.env("COFFER_API_KEY", &machine.key).env("XDG_STATE_HOME", machine.path("state"));
    let printed = finish(shell.stdout(Stdio::piped()).stderr(Stdio::piped())).ok();
    let mask = u64::from_str_radix(printed.trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask & 1, 1, "{printed}");
}
