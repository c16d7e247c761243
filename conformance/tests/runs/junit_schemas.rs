//! JUnit as those read it who hold it against a schema.

use crate::test_bench::{PASS, TestBench};

/// Jenkins and GitLab hold the file against schemas of their own, which have neither of the two.
#[test]
fn junit_has_no_skipped_of_all_suites_and_no_properties_of_a_case() {
    let bench = TestBench::new(
        "exit 0",
        &[("a/pass", PASS), ("a/skipped", PASS)],
        "unsupported = [\"F-2\"]\n",
    );
    bench.scenario("a/skipped", "F-2", PASS);
    let (code, output, errors) = bench.run(&["run", "--junit", "report"]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let text = bench.text("report");
    let root = text
        .lines()
        .find(|line| line.contains("<testsuites"))
        .expect("a root");
    assert!(
        !root.contains("skipped=") && root.contains("tests=\"2\""),
        "{root}"
    );
    assert!(
        text.contains("<skipped") && text.contains("skipped=\"1\""),
        "{text}"
    );
    for case in text.split("<testcase").skip(1) {
        let case = case.split("</testcase>").next().unwrap_or_default();
        assert!(!case.contains("<propert"), "{case}");
        assert!(case.contains("clauses: F-"), "{case}");
    }
}
