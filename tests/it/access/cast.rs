//! Everybody who asks in the access table: one server, and every kind of credential for it.

use std::time::Duration;

use serde_json::json;

use super::asking::{ACCOUNT, OTHER_ACCOUNT};
use super::table::{Column, PERMISSIONS};
use crate::support::{Client, Config, Server, Store};

const EVERYTHING: &str = "read,write,manage,reveal,admin";

pub(super) struct Cast {
    server: Server,
    /// How many have asked: each comes from an address of its own, since one that shows many wrong
    /// credentials is slowed down.
    asked: u32,
    /// By column, what a client shows: credentials that differ only in why they are refused share one.
    credentials: Vec<(Column, Vec<Shown>)>,
    owner: String,
    stranger: String,
}

#[derive(Clone)]
enum Shown {
    Nothing,
    Key(String),
    Token(String),
    /// A token of this account, issued when it is needed: a row may have revoked the last one.
    TokenOf(&'static str),
}

impl Cast {
    pub(super) fn new() -> Cast {
        let short = Config::new().text("sessions", "ttl", "1s");
        let store = Store::with(&short);
        let create = |environment: &str, org: &str, permissions: &str| {
            store.create_key(&["--environment", environment, "--org", org, "--permissions", permissions])
        };
        let org = store.org.as_str();
        let owner = create("test", org, EVERYTHING);
        let expired_key = store.create_key(&["--environment", "test", "--org", org, "--expires", "1s"]);
        let server = store.serve();
        let api = server.anonymous().key(&owner);
        api.register(ACCOUNT);
        api.register(OTHER_ACCOUNT);
        let expired_token = api.token(ACCOUNT);
        std::thread::sleep(Duration::from_millis(1_100));
        server.stop();

        store.configure(&Config::new().set("server", "trusted_proxies", "['127.0.0.1']"));
        let another = store.create_org("another");
        let server = store.serve();
        let api = server.anonymous().key(&owner);
        let of_account = api.define_string("OF_ACCOUNT", "linked_account");
        api.set_for(&of_account, "linked_account_id", ACCOUNT, "v");
        let revoked_token = api.token(ACCOUNT);
        let revoke = server.anonymous().bearer(&revoked_token).post("/session-token/revoke", &json!({}));
        revoke.send().ok();
        let made = store.coffer(["keys", "create", "--environment", "test", "--org", org, "--json"]).json();
        store.coffer(["keys", "revoke", made["_id"].as_str().unwrap()]).ok();
        let revoked_key = made["key"].as_str().unwrap().to_owned();
        let elsewhere = Server::start();
        elsewhere.test().register(ACCOUNT);
        let foreign_token = elsewhere.test().token(ACCOUNT);

        let stranger = create("test", &another, EVERYTHING);
        let key = |key: String| vec![Shown::Key(key)];
        let mut credentials = vec![
            (
                Column::NoKey,
                vec![
                    Shown::Nothing,
                    Shown::Key("tk_malformed".into()),
                    Shown::Key(expired_key),
                    Shown::Key(revoked_key),
                ],
            ),
            (
                Column::NoToken,
                vec![
                    Shown::Token("malformed".into()),
                    Shown::Token(expired_token),
                    Shown::Token(revoked_token),
                    Shown::Token(foreign_token),
                ],
            ),
            (Column::All, key(owner.clone())),
            (Column::Org, key(stranger.clone())),
            (Column::Env, key(create("production", org, EVERYTHING))),
            (Column::Every, key(create("all", org, EVERYTHING))),
            (Column::Token, vec![Shown::TokenOf(ACCOUNT)]),
            (Column::Other, vec![Shown::TokenOf(OTHER_ACCOUNT)]),
        ];
        for permission in PERMISSIONS {
            credentials.push((Column::Only(permission), key(create("test", org, permission))));
        }
        Cast { server, asked: 0, credentials, owner, stranger }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A client that may do everything in `test`.
    pub(super) fn owner(&self) -> Client {
        self.server().anonymous().key(&self.owner)
    }

    /// A client with every permission in `test` but one.
    pub(super) fn all_but(&self, missing: &str) -> Client {
        let others: Vec<&str> = PERMISSIONS.into_iter().filter(|one| *one != missing).collect();
        self.server().permitted(&others.join(","))
    }

    /// How many clients ask under `column`.
    pub(super) fn many(&self, column: Column) -> usize {
        self.shown(column).len()
    }

    /// The client that asks as number `index` under `column`.
    pub(super) fn client(&mut self, column: Column, index: usize) -> Client {
        self.asked += 1;
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + self.asked);
        let anonymous = self.server().anonymous().with("x-forwarded-for", address.to_string());
        match &self.shown(column)[index] {
            Shown::Nothing => anonymous,
            Shown::Key(key) => anonymous.key(key),
            Shown::Token(token) => anonymous.bearer(token),
            Shown::TokenOf(account) => anonymous.bearer(&self.owner().token(account)),
        }
    }

    /// Takes the account away from where earlier requests may have registered it.
    pub(super) fn forget_account_elsewhere(&self) {
        let path = format!("/linked-account/{}", crate::support::percent(ACCOUNT));
        for api in [self.server().production(), self.server().anonymous().key(&self.stranger)] {
            let response = api.delete(&path).send();
            assert!(matches!(response.status, 200 | 404), "{}", response.text());
        }
    }

    fn shown(&self, column: Column) -> &[Shown] {
        &self.credentials.iter().find(|(one, _)| *one == column).unwrap().1
    }
}
