//! What the token may do at the coordinator, and what it lacks: for what a run does now, and for the way back (clause
//! F-22). Pure.

use serde::Serialize;

use crate::mode::Mode;

/// Said wherever decisions would be compared.
pub(crate) const NO_COMPARISON: &str = "no comparison is possible: the token lacks scope `shadow`";
const SHADOW: &str = "shadow";
const WORK: &str = "work";
/// May do everything.
const ADMIN: &str = "admin";

/// The scopes that a token lacks in a mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeGaps {
    /// For what the mode does.
    pub(crate) now: Vec<&'static str>,
    /// For the mode that ROUTE off leads to.
    pub(crate) way_back: Vec<&'static str>,
}

impl ScopeGaps {
    /// `scopes`: as the coordinator tells them.
    pub(crate) fn of(mode: Mode, scopes: &[String]) -> ScopeGaps {
        let (now, way_back): (&[&'static str], &[&'static str]) = match mode {
            Mode::Offline | Mode::Local => (&[], &[]),
            Mode::Shadow => (&[SHADOW], &[]),
            // From routing one goes back to observing.
            Mode::Route => (&[WORK], &[SHADOW]),
        };
        let lacks = |scope: &&&'static str| !scopes.iter().any(|given| given == **scope || given == ADMIN);
        ScopeGaps {
            now: now.iter().filter(lacks).copied().collect(),
            way_back: way_back.iter().filter(lacks).copied().collect(),
        }
    }

    /// What a person has to know of the lack of what the mode needs, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.now.as_slice() {
            [] => None,
            [SHADOW] => Some(NO_COMPARISON.to_owned()),
            scopes => Some(format!(
                "no claim is possible: the token lacks scope `{}`",
                scopes.join("`, `")
            )),
        }
    }

    /// The same of the way back.
    pub(crate) fn way_back_problem(&self) -> Option<String> {
        (!self.way_back.is_empty()).then(|| {
            format!(
                "the token lacks scope `{}` for the way back: once ROUTE is off, no comparison is possible",
                self.way_back.join("`, `")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_lacks_depends_on_the_mode() {
        for (mode, scopes, now, way_back) in [
            (Mode::Offline, &[][..], &[][..], &[][..]),
            (Mode::Local, &["submit"], &[], &[]),
            (Mode::Shadow, &["shadow"], &[], &[]),
            (Mode::Shadow, &["work"], &["shadow"], &[]),
            (Mode::Shadow, &["admin"], &[], &[]),
            (Mode::Route, &["work"], &[], &["shadow"]),
            (Mode::Route, &["shadow"], &["work"], &[]),
            (Mode::Route, &["shadow", "work"], &[], &[]),
            (Mode::Route, &["submit"], &["work"], &["shadow"]),
            (Mode::Route, &["admin"], &[], &[]),
        ] {
            let told: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let gaps = ScopeGaps::of(mode, &told);
            assert_eq!(
                (gaps.now.as_slice(), gaps.way_back.as_slice()),
                (now, way_back),
                "{mode} {scopes:?}"
            );
            assert_eq!(gaps.problem().is_some(), !now.is_empty());
            assert_eq!(gaps.way_back_problem().is_some(), !way_back.is_empty());
        }
    }
}
