//! RustyVault, where it has been built: `rvault`, or what the variable `RVAULT` names, with its file backend.
//!
//! That backend cuts a value's file to nothing and writes it anew, and never syncs: a value is in the system's memory when
//! it is acknowledged, which survives the end of the process but not a loss of power. It has no setting for more.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Peer, directory, free_address};
use crate::Result;
use crate::connection::Protocol;
use crate::server::ask;
use crate::workload::{Layout, PLACE, Requests, VALUE, get, post};

const NAME: &str = "RustyVault";

/// `None` where there is no such program.
pub(super) fn start(layout: Layout) -> Result<Option<Peer>> {
    let program = env::var_os("RVAULT").unwrap_or_else(|| OsString::from("rvault"));
    if Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let (dir, address) = (directory()?, free_address()?);
    let config = dir.path().join("config.json");
    let settings = json!({
        "storage": { "file": { "path": dir.path().join("data") } },
        "listener": { "tcp": { "address": address.to_string(), "tls_disable": true } },
        "work_dir": dir.path(),
    });
    fs::write(&config, settings.to_string())?;
    let mut command = Command::new(&program);
    command.args(["server", "--config"]).arg(config);
    // So that no figure of a set passes for one of a durable set.
    Peer::start("RustyVault, unsynced", command, dir, address, || {
        let token = format!("x-vault-token: {}\r\n", opened(address)?);
        let of = |request: &dyn Fn(&str) -> String| {
            let targets = (0..layout.definitions).map(|number| format!("/v1/secret/{number}/w-{PLACE}"));
            Requests::new(Protocol::Http, targets.map(|target| request(&target)), layout.subjects)
        };
        let body = json!({ "value": VALUE }).to_string();
        Ok([of(&|target| post(target, &token, &body)), of(&|target| get(target, &token))])
    })
    .map(Some)
}

/// Makes the store and unseals it with its one share. Returns the root token.
fn opened(address: SocketAddr) -> Result<String> {
    let made = told(address, "/v1/sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }))?;
    let state = told(address, "/v1/sys/unseal", &json!({ "key": made["keys"][0] }))?;
    let token = made["root_token"].as_str().filter(|_| state["sealed"] == false);
    Ok(token.ok_or_else(|| format!("{NAME} stays sealed"))?.to_owned())
}

fn told(address: SocketAddr, target: &str, what: &Value) -> Result<Value> {
    let request = post(target, "", &what.to_string()).replacen("POST", "PUT", 1);
    let answer = ask(address, &request)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(|_| format!("{NAME} answered to {target}: {answer}").into())
}
