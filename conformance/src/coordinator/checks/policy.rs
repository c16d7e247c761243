//! What a coordinator says of its policy and version: C-33.

use crate::coordinator::assertions::{ProbeResult, ensure, no_answer_error};
use crate::coordinator::probe::CoordinatorProbe;

pub fn each_answer_tells_the_same_policy(probe: &CoordinatorProbe) -> ProbeResult {
    let health = probe.get("/v1/health")?;
    health.must_be(200, "health")?;
    let unknown = format!("/v1/jobs/{}", probe.id("nobody-knows"));
    let claim = format!(
        "{{\"factoryId\":\"{}\",\"caps\":[],\"shadow\":1}}",
        probe.id("watching")
    );
    let asked = [
        ("GET", "/v1/jobs?limit=1", ""),
        ("GET", "/v1/openapi.json", ""),
        ("GET", unknown.as_str(), ""),
        ("POST", "/v1/shadow/claims", claim.as_str()),
        ("POST", "/v1/shadow/claims", "{"),
        ("POST", "/v1/shadow/claims", "{\"factoryId\":7}"),
        ("DELETE", "/v1/shadow/claims", ""),
    ];
    for (method, path, body) in asked {
        let answer = probe.client.send(method, path, None, body);
        let answer = answer.map_err(no_answer_error)?;
        ensure(answer.policy == health.policy, || {
            format!(
                "health tells the policy {:?}, and the answer {} to {method} {path} tells {:?}",
                health.policy, answer.status, answer.policy
            )
        })?;
    }
    let stranger = probe.client.with_token(Some("a-stranger"));
    let stranger = stranger.get("/v1/jobs").map_err(no_answer_error)?;
    ensure(stranger.policy == health.policy, || {
        format!(
            "a stranger is told the policy {:?}, others {:?}",
            stranger.policy, health.policy
        )
    })?;
    let in_body = |member: &str| health.body[member].as_str().map(ToOwned::to_owned);
    let told = (in_body("policy"), in_body("version"));
    let Some(header) = &health.policy else {
        return ensure(told == (None, None), || {
            format!("health tells the policy {told:?}, and no answer does")
        });
    };
    let read = policy_item(header);
    ensure(read.is_some(), || {
        format!("`Coordinator-Policy: {header}` is no item with a string `version`")
    })?;
    let read = read.map_or((None, None), |(policy, version)| (Some(policy), Some(version)));
    ensure(told == read, || {
        format!("health tells the policy {told:?}, and its header says {header}")
    })
}

/// The policy and the version of a header: an item of RFC 9651, a token or a string, with a string as its parameter
/// `version`. Other parameters are of no interest here.
fn policy_item(header: &str) -> Option<(String, String)> {
    let (policy, mut rest) = match header.starts_with('"') {
        true => quoted(header)?,
        false => {
            let end = header.find([';', ' ']).unwrap_or(header.len());
            (header[..end].to_owned(), &header[end..])
        }
    };
    let is_token = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte))
    };
    if !header.starts_with('"') && !is_token(&policy) {
        return None;
    }
    let mut version = None;
    while !rest.is_empty() {
        let parameter = rest.strip_prefix(';')?.trim_start_matches(' ');
        let end = parameter.find([';', '=']).unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(end);
        rest = match value.strip_prefix('=') {
            Some(value) if value.starts_with('"') => {
                let (text, after) = quoted(value)?;
                if name == "version" {
                    version = Some(text);
                }
                after
            }
            Some(value) => &value[value.find(';').unwrap_or(value.len())..],
            None => value,
        };
    }
    Some((policy, version?))
}

/// A string of RFC 9651 in front, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut read = String::new();
    let mut letters = text.strip_prefix('"')?.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((read, &text[at + 2..])),
            '\\' => read.push(
                letters
                    .next()
                    .map(|(_, escaped)| escaped)
                    .filter(|one| "\"\\".contains(*one))?,
            ),
            ' '..='~' => read.push(letter),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_token_or_a_string_with_a_version() {
        let read = |header| policy_item(header).map(|(policy, version)| format!("{policy} {version}"));
        assert_eq!(read("fifo;version=\"1.0\"").as_deref(), Some("fifo 1.0"));
        assert_eq!(
            read("\"fair share\"; build=7; version=\"1;\\\"x\"").as_deref(),
            Some("fair share 1;\"x")
        );
        assert_eq!(read("*a/b:c;old;version=\"\"").as_deref(), Some("*a/b:c "));
        for header in [
            "",
            "fifo",
            "fifo;version=1.0",
            "fifo;version",
            "1st;version=\"1\"",
            "a b;version=\"1\"",
            "fifo;version=\"1",
            "fifo;version=\"\\n\"",
            "fifo;version=\"1\" x",
            "a, b;version=\"1\"",
            "\"é\";version=\"1\"",
        ] {
            assert_eq!(policy_item(header), None, "{header}");
        }
    }
}
