"""Drives a server through the client that was generated from its description: what it answers, and how it is typed."""

import datetime
import os
import threading

import httpx

from coffer_client import AuthenticatedClient
from coffer_client.api.api_keys import create_api_key, list_api_keys
from coffer_client.api.audit import list_audit_trail
from coffer_client.api.contexts import import_variables, render_template, resolve_context
from coffer_client.api.definitions import change_definition, create_definition, list_definitions
from coffer_client.api.linked_accounts import get_active_linked_account, upsert_linked_account
from coffer_client.api.service import get_readiness
from coffer_client.api.session_tokens import issue_session_token
from coffer_client.api.values import (
    delete_value,
    list_values,
    list_versions,
    resolve_value,
    roll_back_value,
    set_value,
)
from coffer_client.models import (
    AuditEvent,
    DefinitionPatch,
    Error,
    ErrorCode,
    Format,
    Import,
    ImportedVariable,
    NewApiKey,
    NewDefinition,
    NewLinkedAccount,
    Permission,
    Rollback,
    Scope,
    SessionTokenRequest,
    SetValue,
    Template,
    UserDefinedFields,
)

URL = os.environ["COFFER_URL"]
ACCOUNT = "user+1@example.com"


def key(text):
    return AuthenticatedClient(URL, text, prefix="", auth_header_name="x-api-key", raise_on_unexpected_status=True)


def good(answer):
    assert answer is not None and not isinstance(answer, Error), answer
    return answer


def failed(answer, code, status):
    assert isinstance(answer, Error), answer
    assert (answer.error_code, answer.error, answer.status_code) == (code, code, status), answer
    assert answer.request_id


coffer = key(os.environ["COFFER_API_KEY"])
assert get_readiness.sync(client=coffer).status == "ready"

# Definitions.
secret = good(
    create_definition.sync(
        client=coffer, body=NewDefinition("TOKEN", Scope.LINKED_ACCOUNT, encrypted=True, description="à propos")
    )
).definition
plain = good(
    create_definition.sync(client=coffer, body=NewDefinition("BASE_URL", Scope.ORG, var_format=Format.URL))
).definition
assert (secret.scope, secret.encrypted, secret.required) == (Scope.LINKED_ACCOUNT, True, False)
assert (plain.var_format, plain.encrypted) == (Format.URL, False)
assert isinstance(plain.created_at, datetime.datetime) and plain.created_at.tzinfo is not None
changed = good(change_definition.sync(plain.field_id, client=coffer, body=DefinitionPatch(required=True)))
assert changed.definition.required and changed.definition.name == "BASE_URL"
page = good(list_definitions.sync(client=coffer, scope=Scope.ORG, names="BASE_URL,NOTHING"))
assert ([one.name for one in page.docs], page.total_docs, page.next_page) == (["BASE_URL"], 1, None)

# Values: encrypted and plain, with versions.
stored = good(set_value.sync(client=coffer, body=SetValue(plain.field_id, "https://example.com/a")))
assert (stored.value, stored.version) == ("https://example.com/a", 1)
again = set_value.sync_detailed(
    client=coffer, body=SetValue(plain.field_id, "https://example.com/b"), if_match='"1"'
)
assert (again.parsed.version, again.headers["etag"]) == (2, '"2"')
failed(
    set_value.sync(client=coffer, body=SetValue(plain.field_id, "https://example.com/c"), if_match='"1"'),
    ErrorCode.VERSION_CONFLICT,
    412,
)
sealed = good(set_value.sync(client=coffer, body=SetValue(secret.field_id, "s3cr3t", linked_account_id=ACCOUNT)))
assert sealed.value != "s3cr3t" and sealed.linked_account_id == ACCOUNT
versions = good(list_versions.sync(stored.field_id, client=coffer))
assert [one.version for one in versions.docs] == [2, 1]
back = good(roll_back_value.sync(stored.field_id, client=coffer, body=Rollback(1)))
assert (back.value, back.version) == ("https://example.com/a", 3)

# Resolved, alone and in a context; the id of an account goes through the query as it is.
hidden = good(resolve_value.sync(secret.field_id, client=coffer, linked_account_id=ACCOUNT))
assert hidden.value == "[REDACTED]"
shown = good(resolve_value.sync(secret.field_id, client=coffer, linked_account_id=ACCOUNT, reveal=True))
assert (shown.value, shown.environment) == ("s3cr3t", "test")
context = good(resolve_context.sync(client=coffer, linked_account_id=ACCOUNT, reveal=True))
variables = {one.name: one.value for one in context.variables}
assert (variables["TOKEN"], variables["BASE_URL"]) == ("s3cr3t", "https://example.com/a")
listed = good(list_values.sync(Scope.LINKED_ACCOUNT, client=coffer, linked_account_id=ACCOUNT))
assert [(one.variable_definition_id.name, one.value) for one in listed.docs] == [("TOKEN", "[REDACTED]")]
rendered = good(
    render_template.sync(
        client=coffer,
        body=Template(
            "{{env.org.BASE_URL}}?t={{env.linked_account.TOKEN}}", linked_account_id=ACCOUNT, reveal=True
        ),
    )
)
assert rendered.rendered == "https://example.com/a?t=s3cr3t"
assert [one.scope for one in rendered.references] == [Scope.ORG, Scope.LINKED_ACCOUNT]
imported = good(
    import_variables.sync(
        client=coffer,
        body=Import(Scope.WORKSPACE, [ImportedVariable("A", "1"), ImportedVariable("B", "")], create=True),
    )
)
assert (imported.added, imported.created, imported.dry_run) == (["A", "B"], ["A", "B"], False)

# What changes is told, in a stream that the generated function would wait for.
told = threading.Event()


def watch():
    headers = {"x-api-key": os.environ["COFFER_API_KEY"]}
    with httpx.stream("GET", f"{URL}/api/v2/public/env/watch", headers=headers, timeout=30) as events:
        begun.set()
        for line in events.iter_lines():
            if line == "event: value.deleted":
                told.set()
                return


begun = threading.Event()
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
assert begun.wait(30)
done = good(delete_value.sync(stored.field_id, client=coffer))
assert done.status == "success" and "BASE_URL" in done.message
assert told.wait(30), "the deletion was not told"

# Accounts and their tokens: the other credential.
account = good(
    upsert_linked_account.sync(
        client=coffer,
        body=NewLinkedAccount(
            account_id=ACCOUNT, name="Mark", udf=UserDefinedFields.from_dict({"plan": "pro", "gone": None})
        ),
    )
)
assert (account.new_account, [(one.key_name, one.key_value) for one in account.udf]) == (False, [("plan", "pro")])
tokens = good(issue_session_token.sync(client=coffer, body=SessionTokenRequest(linked_account_id=ACCOUNT)))
theirs = AuthenticatedClient(URL, tokens.token, raise_on_unexpected_status=True)
mine = good(get_active_linked_account.sync(client=theirs))
assert (mine.account_id, mine.integrations) == (ACCOUNT, [])
assert good(resolve_value.sync(secret.field_id, client=theirs)).value == "[REDACTED]"
failed(resolve_value.sync(secret.field_id, client=theirs, reveal=True), ErrorCode.FORBIDDEN, 403)

# Keys: what may be null is.
made = good(create_api_key.sync(client=coffer, body=NewApiKey("test", permissions=[Permission.READ], name="ci")))
assert made.key.startswith("tk_") and made.expires_at is None
keys = good(list_api_keys.sync(client=coffer))
assert all(isinstance(one.created_at, datetime.datetime) for one in keys.docs)
used = next(one for one in keys.docs if one.permissions != [Permission.READ])
assert used.last_used_at is None or isinstance(used.last_used_at, datetime.datetime)
reader = key(made.key)
failed(
    set_value.sync(client=reader, body=SetValue(plain.field_id, "https://example.com")), ErrorCode.FORBIDDEN, 403
)

# Failures: of every kind the same type.
failed(list_values.sync(Scope.ORG, client=key("tk_none")), ErrorCode.INVALID_CREDENTIALS, 401)
failed(resolve_value.sync(plain.field_id, client=coffer), ErrorCode.RESOURCE_NOT_FOUND, 404)
failed(
    set_value.sync(client=coffer, body=SetValue(plain.field_id, "nowhere")), ErrorCode.VALUE_FORMAT_MISMATCH, 400
)
failed(
    create_definition.sync(client=coffer, body=NewDefinition("BASE_URL", Scope.ORG)),
    ErrorCode.DUPLICATE_DEFINITION,
    409,
)

# And the trail of it all.
trail = good(list_audit_trail.sync(client=coffer, event=AuditEvent.VARIABLE_VALUE_DELETED))
assert [one.entity.name for one in trail.docs] == ["BASE_URL"]
assert trail.docs[0].actor.type_ == "api_key"
print("driven")
