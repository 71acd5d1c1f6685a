//! What every route answers to every kind of credential.

/// A credential, by the name of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// No API key: none at all, a malformed one, one that has expired, one that was revoked.
    NoKey,
    /// No token: a malformed one, one that has expired, one that was revoked, another server's.
    NoToken,
    /// A key with this permission alone.
    Only(&'static str),
    /// A key with every permission.
    All,
    /// Another organization's key, with every permission.
    Org,
    /// Another environment's key, with every permission.
    Env,
    /// A key for all environments with every permission, which names no environment.
    Every,
    /// A token of the linked account that the request is about, if it is about one.
    Token,
    /// A token of another linked account.
    Other,
}

pub(super) const PERMISSIONS: [&str; 5] = ["read", "write", "manage", "reveal", "admin"];

pub(super) const COLUMNS: [Column; 13] = [
    Column::NoKey,
    Column::NoToken,
    Column::Only("read"),
    Column::Only("write"),
    Column::Only("manage"),
    Column::Only("reveal"),
    Column::Only("admin"),
    Column::All,
    Column::Org,
    Column::Env,
    Column::Every,
    Column::Token,
    Column::Other,
];

/// An answer, as the table abbreviates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `ok`: 200, or 201 where something is made; a list has what the row is about.
    Success,
    /// `[]`: 200 with an empty list.
    Empty,
    /// A failure with this status and code.
    Failure(u16, &'static str),
}

const WORDS: [(&str, Answer); 8] = [
    ("ok", Answer::Success),
    ("[]", Answer::Empty),
    ("key", Answer::Failure(401, "INVALID_CREDENTIALS")),
    ("tok", Answer::Failure(401, "INVALID_TOKEN")),
    ("no", Answer::Failure(403, "FORBIDDEN")),
    ("404", Answer::Failure(404, "RESOURCE_NOT_FOUND")),
    ("400", Answer::Failure(400, "INVALID_REQUEST")),
    ("acc", Answer::Failure(400, "INVALID_LINKED_ACCOUNT_ID")),
];

/// A route where it answers differently by what is asked of it, each with a note. Columns are those of [`COLUMNS`].
const TABLE: &str = "
                                           no  no  only                     other     no        other
                                           key tok read writ mana reve admi all  org  env  env  tok  tok
POST   /env/values (own account)         | key tok no   ok   no   no   no   ok   404  ok   400  ok   no
POST   /env/values (organization)        | key tok no   ok   no   no   no   ok   404  ok   400  no   no
GET    /env/value/{definition_id} (own account)
                                         | key tok ok   no   no   no   no   ok   404  404  400  ok   no
GET    /env/value/{definition_id} (organization)
                                         | key tok ok   no   no   no   no   ok   404  404  400  no   no
GET    /env/value/{definition_id} (revealed)
                                         | key tok no   no   no   no   no   ok   404  404  400  no   no
GET    /env/values/{scope_or_value_id} (own account)
                                         | key tok ok   no   no   no   no   ok   []   []   400  ok   no
GET    /env/values/{scope_or_value_id} (organization)
                                         | key tok ok   no   no   no   no   ok   []   []   400  no   no
DELETE /env/values/{scope_or_value_id} (own account)
                                         | key tok no   ok   no   no   no   ok   404  404  400  ok   404
DELETE /env/values/{scope_or_value_id} (organization)
                                         | key tok no   ok   no   no   no   ok   404  404  400  404  404
GET    /env/values/{value_id}/versions (own account)
                                         | key tok ok   no   no   no   no   ok   404  404  400  ok   404
GET    /env/values/{value_id}/versions (organization)
                                         | key tok ok   no   no   no   no   ok   404  404  400  404  404
GET    /env/values/{value_id}/versions (revealed)
                                         | key tok no   no   no   no   no   ok   404  404  400  404  404
POST   /env/values/{value_id}/rollback (own account)
                                         | key tok no   ok   no   no   no   ok   404  404  400  ok   404
POST   /env/values/{value_id}/rollback (organization)
                                         | key tok no   ok   no   no   no   ok   404  404  400  404  404
GET    /env/resolve (own account)        | key tok ok   no   no   no   no   ok   ok   ok   400  ok   no
GET    /env/resolve (revealed)           | key tok no   no   no   no   no   ok   ok   ok   400  ok   ok
GET    /env/watch (from no event)        | key tok 400  no   no   no   no   400  400  400  400  400  400
POST   /env/render                       | key tok ok   no   no   no   no   ok   ok   ok   400  ok   no
POST   /env/import (an account)          | key tok no   ok   no   no   no   ok   404  ok   400  no   no
POST   /env/import (defining)            | key tok no   no   no   no   no   ok   ok   ok   400  no   no
GET    /env/definitions (linked_account) | key tok ok   no   no   no   no   ok   []   ok   ok   ok   ok
GET    /env/definitions (org)            | key tok ok   no   no   no   no   ok   []   ok   ok   []   []
POST   /env/definitions                  | key tok no   no   ok   no   no   ok   ok   ok   ok   no   no
GET    /env/definitions/{definition_id} (linked_account)
                                         | key tok ok   no   no   no   no   ok   404  ok   ok   ok   ok
GET    /env/definitions/{definition_id} (org)
                                         | key tok ok   no   no   no   no   ok   404  ok   ok   no   no
PATCH  /env/definitions/{definition_id}  | key tok no   no   ok   no   no   ok   404  ok   ok   no   no
DELETE /env/definitions/{definition_id}  | key tok no   no   ok   no   no   ok   404  ok   ok   no   no
GET    /linked-account                   | key tok ok   no   no   no   no   ok   []   []   400  no   no
POST   /linked-account                   | key tok no   no   ok   no   no   ok   ok   ok   400  no   no
PUT    /linked-account                   | key tok no   no   ok   no   no   ok   ok   ok   400  ok   no
GET    /linked-account/{linked_account_id}
                                         | key tok ok   no   no   no   no   ok   404  404  400  ok   no
DELETE /linked-account/{linked_account_id}
                                         | key tok no   no   ok   no   no   ok   404  404  400  no   no
GET    /session/active-linked-account    | tok tok tok  tok  tok  tok  tok  tok  tok  tok  tok  ok   ok
POST   /session-token                    | key tok no   no   ok   no   no   ok   acc  acc  400  no   no
POST   /session-token/refresh            | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
POST   /session-token/revoke             | tok tok tok  tok  tok  tok  tok  tok  tok  tok  tok  ok   ok
GET    /admin/keys                       | key tok no   no   no   no   ok   ok   ok   ok   ok   no   no
POST   /admin/keys                       | key tok no   no   no   no   ok   ok   ok   no   ok   no   no
DELETE /admin/keys/{key_id}              | key tok no   no   no   no   ok   ok   404  404  ok   no   no
GET    /audit/audit-trails               | key tok no   no   no   no   ok   ok   ok   ok   ok   ok   ok
GET    /healthz                          | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /readyz                           | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /metrics                          | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /openapi.json                     | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
GET    /docs                             | ok  ok  ok   ok   ok   ok   ok   ok   ok   ok   ok   ok   ok
";

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: &'static str,
    /// The path's pattern, without the API's base.
    pub(super) path: &'static str,
    /// What is asked of the route, where it answers differently.
    pub(super) note: &'static str,
    answers: Vec<Answer>,
}

impl Row {
    pub(super) fn answer(&self, column: Column) -> Answer {
        self.answers[COLUMNS.iter().position(|one| *one == column).unwrap()]
    }

    /// The permission that alone opens the route, where one does.
    pub(super) fn permission(&self) -> Option<&'static str> {
        let opens = |name: &&'static str| self.answer(Column::Only(name)) == Answer::Success;
        let mut opening = PERMISSIONS.into_iter().filter(opens);
        opening.next().filter(|_| opening.next().is_none())
    }
}

pub(super) fn rows() -> Vec<Row> {
    // The two lines of headings have no bar, nor has a route too long for its line, which the next one ends.
    let body = TABLE.trim_start_matches('\n').splitn(3, '\n').nth(2).unwrap();
    let joined = body.replace("\n    ", "    ");
    joined.lines().filter(|line| !line.is_empty()).map(row).collect::<Vec<_>>()
}

fn row(line: &str) -> Row {
    // Parsed from a constant, so it may as well live as long.
    let line: &'static str = Box::leak(line.to_owned().into_boxed_str());
    let (route, answers) = line.split_once('|').unwrap_or_else(|| panic!("no answers: {line}"));
    let (method, rest) = route.trim().split_once(' ').unwrap();
    let (path, note) = rest.trim().split_once(" (").unwrap_or((rest.trim(), ""));
    let word = |word: &str| {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        known.unwrap_or_else(|| panic!("no answer `{word}`: {line}")).1
    };
    let answers: Vec<Answer> = answers.split_whitespace().map(word).collect();
    assert_eq!(answers.len(), COLUMNS.len(), "{line}");
    Row { method, path, note: note.trim_end_matches(')'), answers }
}
