//! The console: pages for people who would rather look than type. Drawn here and sent whole, so that everything but
//! comfort works without JavaScript and nothing is loaded from elsewhere.
//!
//! `visit` says who is looking, and has a type for what the page needs, as the API's handlers have: what a key may
//! is found by the same rules in the same place. `sessions` has who is signed in, `frame` what every page has
//! around it, `refusal` how a failure looks, `place` which subject a page is about; `assets` what pages load. Then
//! a file for each kind of page, and `templates` beside them.

mod accounts;
mod assets;
mod audit;
mod definition_lists;
mod definitions;
mod difference;
mod form;
mod frame;
mod health;
mod history;
mod keys;
mod place;
mod refusal;
mod sessions;
mod show;
mod sign_in;
mod value;
mod value_changes;
mod variable;
mod variables;
mod visit;

pub use sessions::Lifetimes;

pub(super) use refusal::{Asked, typed};
pub(super) use sessions::Sessions;

use crate::http::routes::{Endpoint, endpoints};

/// Every path of the console.
pub(super) fn endpoints() -> Vec<Endpoint> {
    endpoints! {
        "/console": "GET, HEAD" => { GET => sign_in::entrance }
        "/console/": "GET, HEAD" => { GET => sign_in::entrance }
        "/console/account": "GET, HEAD, POST" => { GET => accounts::page, POST => accounts::rename }
        "/console/account/delete": "GET, HEAD, POST" => {
            GET => accounts::confirm_deletion,
            POST => accounts::delete,
        }
        "/console/accounts": "GET, HEAD, POST" => { GET => accounts::list, POST => accounts::register }
        "/console/audit": "GET, HEAD" => { GET => audit::page }
        "/console/assets/{name}": "GET, HEAD" => { GET => assets::get }
        "/console/definitions": "GET, HEAD" => { GET => definition_lists::page }
        "/console/definitions/new": "GET, HEAD, POST" => {
            GET => definitions::new,
            POST => definitions::create,
        }
        "/console/definitions/{definition_id}": "GET, HEAD, POST" => {
            GET => definitions::edit,
            POST => definitions::change,
        }
        "/console/definitions/{definition_id}/delete": "GET, HEAD, POST" => {
            GET => definitions::confirm_deletion,
            POST => definitions::delete,
        }
        "/console/health": "GET, HEAD" => { GET => health::page }
        "/console/keys": "GET, HEAD, POST" => { GET => keys::page, POST => keys::create }
        "/console/keys/{key_id}/revoke": "GET, HEAD, POST" => {
            GET => keys::confirm_revocation,
            POST => keys::revoke,
        }
        "/console/look": "POST" => { POST => frame::choose_look }
        "/console/sign-in": "GET, HEAD, POST" => { GET => sign_in::page, POST => sign_in::sign_in }
        "/console/sign-out": "POST" => { POST => sign_in::sign_out }
        "/console/sign-out-everywhere": "POST" => { POST => sign_in::sign_out_everywhere }
        "/console/variables": "GET, HEAD" => { GET => variables::page }
        "/console/variables/{definition_id}": "GET, HEAD" => { GET => variable::page }
        "/console/values/{definition_id}": "GET, HEAD, POST" => {
            GET => value::page,
            POST => value_changes::set,
        }
        "/console/values/{definition_id}/reveal": "POST" => { POST => value_changes::reveal }
        "/console/values/{definition_id}/rollback": "POST" => { POST => history::roll_back }
        "/console/values/{definition_id}/delete": "GET, HEAD, POST" => {
            GET => value_changes::confirm_deletion,
            POST => value_changes::delete,
        }
    }
}
