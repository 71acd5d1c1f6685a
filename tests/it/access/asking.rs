//! The requests of the access table, each about something that is there.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::table::Row;
use crate::support::{Client, Request, check_id};

/// The account that requests are about.
pub(super) const ACCOUNT: &str = "ann@acme.com";
pub(super) const OTHER_ACCOUNT: &str = "bob";

/// What one request is about: made for it alone, so that a success is one and a refusal has something to spare.
pub(super) struct Target {
    /// Definitions with a value, of scope `linked_account`, `org`, and `org` and encrypted.
    linked: String,
    linked_name: String,
    org: String,
    secret: String,
    /// A definition without one.
    unused: String,
    linked_value: String,
    org_value: String,
    secret_value: String,
    account: String,
    key: String,
    refresh_token: String,
}

pub(super) fn fresh(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Target {
    /// `owner` has every permission in `test`.
    pub(super) fn new(owner: &Client) -> Target {
        let linked_name = fresh("LINKED");
        let linked = owner.define_string(&linked_name, "linked_account");
        let org = owner.define_string(&fresh("ORG"), "org");
        let secret = owner.define_encrypted(&fresh("SECRET"), "org");
        let secret_value = check_id(&owner.set(&secret, "hidden")["_id"]);
        let account = fresh("account/");
        owner.register(&account);
        let key = owner.post("/admin/keys", &json!({ "environment": "test" })).send().created();
        Target {
            linked_value: check_id(&owner.set_for(&linked, "linked_account_id", ACCOUNT, "v")["_id"]),
            org_value: check_id(&owner.set(&org, "v")["_id"]),
            key: check_id(&key["_id"]),
            refresh_token: owner.log_in(&account)["refresh_token"].as_str().unwrap().to_owned(),
            unused: owner.define_string(&fresh("UNUSED"), "org"),
            linked,
            linked_name,
            org,
            secret,
            secret_value,
            account,
        }
    }

    /// The request of `row`, on behalf of `api`.
    pub(super) fn request(&self, row: &Row, api: &Client) -> Request {
        let escaped = crate::support::percent(ACCOUNT);
        match (row.method, row.path, row.note) {
            ("POST", "/env/values", "own account") => api.post(
                "/env/values",
                &json!({ "variable_definition_id": self.linked, "value": "w", "linked_account_id": ACCOUNT }),
            ),
            ("POST", "/env/values", _) => api.setting(&self.org, "w"),
            ("GET", "/env/value/{definition_id}", "own account") => {
                api.resolve(&self.linked).query("linked_account_id", ACCOUNT)
            }
            ("GET", "/env/value/{definition_id}", "revealed") => {
                api.resolve(&self.secret).query("reveal", "true")
            }
            ("GET", "/env/value/{definition_id}", _) => api.resolve(&self.org),
            ("GET", "/env/values/{scope_or_value_id}", "own account") => api
                .get("/env/values/linked_account")
                .query("variable_definition_id", &self.linked)
                .header("linked_account_id", ACCOUNT),
            ("GET", "/env/values/{scope_or_value_id}", _) => {
                api.get("/env/values/org").query("variable_definition_id", &self.org)
            }
            ("DELETE", "/env/values/{scope_or_value_id}", "own account") => {
                api.delete(&format!("/env/values/{}", self.linked_value))
            }
            ("DELETE", "/env/values/{scope_or_value_id}", _) => {
                api.delete(&format!("/env/values/{}", self.org_value))
            }
            // Not those that other rows had other organizations make.
            ("GET", "/env/definitions", "org") => {
                api.get("/env/definitions").query("scope", "org").query("name", "^ORG")
            }
            ("GET", "/env/definitions", scope) => api.get("/env/definitions").query("scope", scope),
            ("POST", "/env/definitions", _) => {
                api.post("/env/definitions", &json!({ "name": fresh("MADE"), "scope": "org" }))
            }
            ("GET", "/env/definitions/{definition_id}", "linked_account") => {
                api.get(&format!("/env/definitions/{}", self.linked))
            }
            ("GET", "/env/definitions/{definition_id}", _) => {
                api.get(&format!("/env/definitions/{}", self.org))
            }
            ("PATCH", "/env/definitions/{definition_id}", _) => {
                api.patch(&format!("/env/definitions/{}", self.linked), &json!({ "description": "changed" }))
            }
            ("DELETE", "/env/definitions/{definition_id}", _) => {
                api.delete(&format!("/env/definitions/{}", self.unused))
            }
            _ => self.rest_of_request(row, api, &escaped),
        }
    }

    fn rest_of_request(&self, row: &Row, api: &Client, escaped: &str) -> Request {
        match (row.method, row.path) {
            ("GET", "/env/values/{value_id}/versions") if row.note == "revealed" => {
                api.get(&format!("/env/values/{}/versions", self.secret_value)).query("reveal", "true")
            }
            ("GET", "/env/values/{value_id}/versions") => {
                api.get(&format!("/env/values/{}/versions", self.value(row)))
            }
            ("POST", "/env/values/{value_id}/rollback") => {
                let path = format!("/env/values/{}/rollback", self.value(row));
                api.post(&path, &json!({ "version": 1 }))
            }
            ("GET", "/env/resolve") if row.note == "revealed" => {
                api.get("/env/resolve").query("reveal", "true")
            }
            ("GET", "/env/resolve") => api.get("/env/resolve").query("linked_account_id", ACCOUNT),
            // One that is let in would not end.
            ("GET", "/env/watch") => api.get("/env/watch").header("last-event-id", "x"),
            ("POST", "/env/render") => {
                api.post("/env/render", &json!({ "template": "text", "linked_account_id": ACCOUNT }))
            }
            ("POST", "/env/import") if row.note == "defining" => {
                let made = json!([{ "name": fresh("IMPORTED"), "value": "w" }]);
                api.post("/env/import", &json!({ "scope": "org", "create": true, "variables": made }))
            }
            ("POST", "/env/import") => {
                let variables = json!([{ "name": self.linked_name, "value": "w" }]);
                let body = json!({ "scope": "linked_account", "linked_account_id": ACCOUNT, "variables": variables });
                api.post("/env/import", &body)
            }
            ("GET", "/linked-account") => api.get("/linked-account").query("env_variable_name", "OF_ACCOUNT"),
            ("POST", "/linked-account") => {
                api.post("/linked-account", &json!({ "account_id": fresh("made-") }))
            }
            ("PUT", "/linked-account") => {
                api.put("/linked-account", &json!({ "account_id": ACCOUNT, "name": fresh("Ann ") }))
            }
            ("GET", "/linked-account/{linked_account_id}") => api.get(&format!("/linked-account/{escaped}")),
            ("DELETE", "/linked-account/{linked_account_id}") => {
                api.delete(&format!("/linked-account/{}", crate::support::percent(&self.account)))
            }
            ("GET", "/session/active-linked-account") => api.get("/session/active-linked-account"),
            ("POST", "/session-token") => {
                api.post("/session-token", &json!({ "linked_account_id": self.account }))
            }
            ("POST", "/session-token/refresh") => {
                api.post("/session-token/refresh", &json!({ "refresh_token": self.refresh_token }))
            }
            ("POST", "/session-token/revoke") => api.at("POST", "/api/v2/public/session-token/revoke"),
            ("GET", "/audit/audit-trails") => api.get("/audit/audit-trails"),
            ("GET", "/admin/keys") => api.get("/admin/keys"),
            ("POST", "/admin/keys") => {
                api.post("/admin/keys", &json!({ "environment": "test", "permissions": ["admin"] }))
            }
            ("DELETE", "/admin/keys/{key_id}") => api.delete(&format!("/admin/keys/{}", self.key)),
            ("GET", path) => api.at("GET", path),
            _ => panic!("no request for {row:?}"),
        }
    }

    fn value(&self, row: &Row) -> &str {
        if row.note == "own account" { &self.linked_value } else { &self.org_value }
    }

    /// What `owner` sees of all that requests are about: the same before and after one that is refused.
    pub(super) fn state(&self, owner: &Client) -> Vec<Value> {
        let escaped = crate::support::percent(&self.account);
        [
            owner.get("/env/definitions").query("limit", "1"),
            owner.get("/linked-account").query("limit", "1"),
            owner.get("/admin/keys").query("limit", "1"),
            owner.get("/env/values/org").query("limit", "1"),
            owner.get("/env/values/org").query("variable_definition_id", &self.org),
            owner.resolve(&self.linked).query("linked_account_id", ACCOUNT),
            owner.get(&format!("/env/definitions/{}", self.linked)),
            owner.get(&format!("/linked-account/{}", crate::support::percent(ACCOUNT))),
            owner.get(&format!("/linked-account/{escaped}")),
        ]
        .map(|request| request.send().ok())
        .to_vec()
    }
}
