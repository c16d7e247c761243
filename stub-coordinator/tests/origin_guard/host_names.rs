//! By which names a stub is known, and to whom any other name says nothing.

use super::*;

#[test]
fn a_name_that_was_made_to_point_here_reaches_nothing_without_a_token_that_is_known() {
    let stub = prepared(with_tokens());
    let digest = stub.digest();
    let control = control_of(&stub);
    let mut count = 0;
    for host in FOREIGN {
        let host = format!("host: {host}");
        for token in [
            None,
            Some("authorization: Bearer wrong"),
            Some("authorization: Basic root"),
        ] {
            let headers: Vec<&str> = [Some(&*host), token].into_iter().flatten().collect();
            for path in [
                "/v1/jobs",
                "/v1/health",
                "/v1/openapi.json",
                "/_stub/identity",
                "/_stub/events",
                "/metrics",
                "/",
            ] {
                for address in [stub.address(), control] {
                    let refused = say_to(address, &format!("GET {path} HTTP/1.1"), &headers, "");
                    assert_eq!(
                        (refused.status, &*refused.code()),
                        (403, "foreign_host"),
                        "{headers:?} {path}"
                    );
                    count += 1;
                }
            }
        }
    }
    untouched(&stub, &digest, count);
}

#[test]
fn where_nobody_has_a_token_none_opens_a_foreign_name() {
    let stub = prepared(StubConfig::default());
    let digest = stub.digest();
    for token in ["x", "", "root"] {
        let token = format!("authorization: Bearer {token}");
        let headers = ["host: evil.example", &token, JSON];
        for line in ["POST /v1/jobs HTTP/1.1", "POST /_stub/reset HTTP/1.1"] {
            assert_eq!(say(&stub, line, &headers, JOB).code(), "foreign_host");
        }
    }
    untouched(&stub, &digest, 6);
}

#[rstest]
#[case("watcher", "GET /v1/jobs")]
#[case("root", "GET /_stub/counters")]
#[case("key", "GET /_stub/counters")]
#[case("root", "GET /v1/health")]
fn a_token_that_is_known_opens_any_name(#[case] token: &str, #[case] line: &str) {
    let stub = start_with(&["a"], with_tokens());
    let token = format!("authorization: Bearer {token}");
    let headers = ["host: coordinator.lab:7700", &token];
    assert_eq!(say(&stub, &format!("{line} HTTP/1.1"), &headers, "").status, 200);
    let from_a_page = [&headers[..], &[EVIL]].concat();
    assert_eq!(
        say(&stub, &format!("{line} HTTP/1.1"), &from_a_page, "").code(),
        "foreign_origin"
    );
}

#[test]
fn the_names_of_this_host_need_no_token() {
    let stub = start(&[]);
    for host in [
        "127.0.0.1",
        "127.0.0.1:7700",
        "127.0.0.1:",
        "127.9.9.9",
        "localhost",
        "LocalHost:80",
        "localhost.",
        "[::1]",
        "[::1]:7700",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
    ] {
        let host = format!("host: {host}");
        let reply = say(
            &stub,
            "POST /v1/shadow/claims HTTP/1.1",
            &[&host, JSON],
            r#"{"factoryId":"f","caps":[],"shadow":1}"#,
        );
        assert_eq!(reply.status, 204, "{host}: {reply:?}");
    }
}

#[test]
fn a_request_that_names_no_host_or_several_or_no_true_one_is_refused() {
    let stub = prepared(with_tokens());
    let digest = stub.digest();
    let lines: [(&str, &[&str]); 12] = [
        ("GET /v1/jobs HTTP/1.1", &[]),
        ("GET /v1/jobs HTTP/1.0", &[]),
        ("GET /v1/jobs HTTP/1.1", &["host:"]),
        ("GET /v1/jobs HTTP/1.1", &["host: 127.0.0.1", "host: 127.0.0.1"]),
        (
            "GET /v1/jobs HTTP/1.1",
            &["host: evil.example", "host: 127.0.0.1"],
        ),
        ("GET /v1/jobs HTTP/1.1", &["host: user@127.0.0.1"]),
        ("GET /v1/jobs HTTP/1.1", &["host: 127.0.0.1@evil.example"]),
        ("GET /v1/jobs HTTP/1.1", &["host: 127.0.0.1:77:00"]),
        ("GET /v1/jobs HTTP/1.1", &["host: ::1"]),
        ("GET /v1/jobs HTTP/1.1", &["host: [::1"]),
        ("GET /v1/jobs HTTP/1.1", &["host: 127.0.0.1/evil"]),
        ("GET http://root@127.0.0.1/v1/jobs HTTP/1.1", &["host: 127.0.0.1"]),
    ];
    for (line, headers) in lines {
        let headers = [headers, &["authorization: Bearer root"]].concat();
        let refused = say(&stub, line, &headers, "");
        assert_eq!(
            (refused.status, &*refused.code()),
            (400, "bad_request"),
            "{line} {headers:?}"
        );
    }
    untouched(&stub, &digest, 12);
}

#[test]
fn what_a_request_is_for_counts_beside_what_its_host_says() {
    let stub = prepared(StubConfig::default());
    let digest = stub.digest();
    for (target, host) in [("evil.example", "127.0.0.1"), ("127.0.0.1", "evil.example")] {
        let line = format!("GET http://{target}/v1/jobs HTTP/1.1");
        assert_eq!(
            say(&stub, &line, &[&format!("host: {host}")], "").code(),
            "foreign_host"
        );
    }
    untouched(&stub, &digest, 2);
    let line = "GET http://127.0.0.1:7700/_stub/counters HTTP/1.1";
    assert_eq!(say(&stub, line, &["host: 127.0.0.1:7700"], "").status, 200);
}
