//! Pages: the envelope, its bounds, and what is no page.

use crate::support::{Client, Request, Server, check_page};

fn filled(count: usize) -> Server {
    let server = Server::start();
    for index in 0..count {
        let definition = server.test().define_string(&format!("V{index:02}"), "org");
        server.test().set(&definition, "v");
    }
    server
}

fn lists(api: &Client) -> [Request; 2] {
    [api.get("/env/definitions"), api.get("/env/values/org")]
}

#[test]
fn every_page_of_a_list_adds_up_to_the_list() {
    let server = filled(23);
    for list in lists(&server.test()) {
        check_page(&list.clone().send().ok(), 1, 10, 23);
        for limit in [1, 5, 10, 22, 23, 24, 1000] {
            let mut seen = Vec::new();
            for page in 1..=23_u64.div_ceil(limit) {
                let body = list
                    .clone()
                    .query("page", &page.to_string())
                    .query("limit", &limit.to_string())
                    .send()
                    .ok();
                seen.extend(check_page(&body, page, limit, 23).iter().map(|doc| doc["_id"].to_string()));
            }
            assert_eq!(seen.len(), 23);
            let mut sorted = seen.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(seen, sorted, "each once, in the order of creation");
        }
    }
}

#[test]
fn a_page_past_the_end_has_no_docs_and_true_totals() {
    let server = filled(3);
    for list in lists(&server.test()) {
        for page in [2, 3, 1_000, 2_147_483_647] {
            let body = list.clone().query("page", &page.to_string()).send().ok();
            check_page(&body, page, 10, 3);
            assert_eq!(body["prevPage"], 1);
            assert_eq!(body["hasPrevPage"], true);
        }
        let body = list.clone().query("page", "2147483647").query("limit", "1000").send().ok();
        check_page(&body, 2_147_483_647, 1000, 3);
    }
}

#[test]
fn an_empty_list_has_one_page() {
    let server = filled(0);
    for list in lists(&server.test()) {
        let body = list.clone().send().ok();
        check_page(&body, 1, 10, 0);
        assert_eq!(body["totalPages"], 1);
        check_page(&list.query("page", "2").send().ok(), 2, 10, 0);
    }
}

#[test]
fn what_is_no_plain_positive_integer_in_range_is_refused() {
    let server = filled(1);
    for list in lists(&server.test()) {
        for parameter in ["page", "limit"] {
            for value in [
                "0",
                "-1",
                "+1",
                "01",
                "1.0",
                "1e1",
                " 1",
                "1 ",
                "x",
                "0x1",
                "\u{661}",
                "99999999999999999999",
                "1,2",
                "null",
            ] {
                let message = list.clone().query(parameter, value).send().error(400, "INVALID_REQUEST");
                assert!(message.contains(parameter), "{parameter}={value}: {message}");
            }
        }
        list.clone().query("page", "2147483648").send().error(400, "INVALID_REQUEST");
        list.clone().query("limit", "1001").send().error(400, "INVALID_REQUEST");
        check_page(&list.clone().query("limit", "1000").send().ok(), 1, 1000, 1);
    }
}
