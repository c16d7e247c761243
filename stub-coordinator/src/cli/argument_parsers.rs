//! Values as they are typed, read into what they mean.

use std::net::{IpAddr, SocketAddr};

use stub_coordinator::{PolicyStatement, Scope, SignedDuration, TokenGrant};

use super::token_file::GrantFile;

/// A length of time over 0.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    SignedDuration::parse(text)
        .filter(|span| span.millis() > 0)
        .ok_or_else(|| "write a length of time such as 500ms, 90s, 15m or 1h30m".to_owned())
}

/// `TOKEN` for all that there is, or `TOKEN:scope,scope`.
pub(super) fn token(text: &str) -> Result<TokenGrant, String> {
    let (token, scopes) = match text.rsplit_once(':') {
        Some((token, names)) => (token, names.split(',').map(scope).collect::<Result<Vec<_>, _>>()?),
        None => (text, vec![Scope::Admin]),
    };
    if token.is_empty() {
        return Err("the token is empty; write TOKEN or TOKEN:scope,scope".to_owned());
    }
    Ok(TokenGrant {
        token: token.to_owned(),
        scopes,
    })
}

/// `FILE` with a token for all that there is, or `FILE:scope,scope`.
pub(super) fn grant_file(text: &str) -> Result<GrantFile, String> {
    let scoped = text.rsplit_once(':').and_then(|(path, names)| {
        let scopes: Result<Vec<_>, _> = names.split(',').map(scope).collect();
        Some((path, scopes.ok()?))
    });
    match scoped.unwrap_or_else(|| (text, vec![Scope::Admin])) {
        ("", _) => Err("write FILE or FILE:scope,scope".to_owned()),
        (path, scopes) => Ok(GrantFile {
            path: path.into(),
            scopes,
        }),
    }
}

fn scope(name: &str) -> Result<Scope, String> {
    let scopes = [Scope::Shadow, Scope::Work, Scope::Submit, Scope::Admin];
    let named = scopes.into_iter().find(|scope| scope.name() == name);
    named.ok_or_else(|| format!("no scope is called {name:?}; use shadow, work, submit or admin"))
}

/// `NAME` or `NAME@VERSION`.
pub(super) fn policy(text: &str) -> Result<PolicyStatement, String> {
    PolicyStatement::parse(text).map_err(|error| error.to_string())
}

/// An address, with a port or without.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)))
        .map_err(|_| "write an address such as 0.0.0.0 or 192.0.2.7:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_typed_with_its_scopes_or_for_everything() {
        let scopes = |text| token(text).expect("a token").scopes;
        assert_eq!(scopes("secret"), [Scope::Admin]);
        assert_eq!(scopes("secret:shadow,submit"), [Scope::Shadow, Scope::Submit]);
        assert!(token("secret:shaddow").is_err());
        let file = |text| grant_file(text).map(|file| (file.path, file.scopes));
        assert_eq!(file("a:b"), Ok(("a:b".into(), vec![Scope::Admin])));
        assert_eq!(file("a:b:work"), Ok(("a:b".into(), vec![Scope::Work])));
        assert!(file(":work").is_err());
        assert!(token(":work").is_err());
    }
}
