//! Enrolment and heartbeats.

use serde::{Deserialize, Serialize};

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult, EnrolmentRequest};
use super::digest::Digest;
use crate::contract::ids::{Capability, FactoryId, JobId, LeaseId};
use crate::contract::scope::Scope;
use crate::contract::timestamp::UtcTimestamp;

/// The most factories that are known at a time.
const FACTORY_LIMIT: usize = 100_000;

/// A factory that enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Factory {
    pub(crate) caps: Vec<Capability>,
    pub(crate) version: String,
    pub(crate) token: String,
    pub(crate) scopes: Vec<Scope>,
    /// Hash of the credential it enrolled under; nobody takes its name under another.
    #[serde(with = "super::saved_state::hex")]
    pub(crate) credential: u128,
    pub(crate) last_seen: Option<UtcTimestamp>,
    pub(crate) running: Vec<(JobId, LeaseId)>,
}

/// What permits an enrolment.
enum EnrolmentPermit {
    /// A one-time token, with the scopes that its factory gets.
    OneTime(u128, Vec<Scope>),
    /// An open coordinator, or a bearer token with the scope `admin`.
    AdminOrOpen,
}

impl Coordinator {
    pub(super) fn enrol(&mut self, enrolment: EnrolmentRequest) -> CommandResult {
        let permit = self.permit(&enrolment)?;
        let credential = match &permit {
            EnrolmentPermit::OneTime(token, _) => *token,
            EnrolmentPermit::AdminOrOpen => self.access.hash(enrolment.bearer.as_deref().unwrap_or_default()),
        };
        let known = self.state.factory(&enrolment.factory);
        if known.is_some_and(|known| known.credential != credential) {
            return Err(CommandRefusal::FactoryExists(enrolment.factory));
        }
        if known.is_none() && self.state.factory_count() >= FACTORY_LIMIT {
            return Err(CommandRefusal::Full("factories"));
        }
        let (token, scopes) = match (known, &permit) {
            (Some(known), _) => (known.token.clone(), known.scopes.clone()),
            (None, EnrolmentPermit::OneTime(_, scopes)) => {
                (self.new_token(&enrolment.factory), scopes.clone())
            }
            (None, EnrolmentPermit::AdminOrOpen) => (
                self.new_token(&enrolment.factory),
                vec![Scope::Shadow, Scope::Work],
            ),
        };
        if let EnrolmentPermit::OneTime(used, _) = permit {
            self.enrol_tokens.remove(&used);
            self.used_enrol_tokens.push(used);
            self.state.note(Digest::of(&("enrol token used", used)));
        }
        let was_open = self.access.is_open();
        if !was_open {
            // An open coordinator stays open: a first enrolment must not shut everybody else out.
            self.access.grant(&token, &scopes);
        }
        let factory = enrolment.factory;
        let reply = CommandReply::Enrolled {
            factory: factory.clone(),
            token: token.clone(),
            scopes: scopes.clone(),
            heartbeat_ms: self.heartbeat_ms,
        };
        let record = Factory {
            caps: enrolment.caps,
            version: enrolment.version,
            token,
            scopes,
            credential,
            last_seen: None,
            running: Vec::new(),
        };
        self.state.put_factory(factory, record);
        Ok(reply)
    }

    pub(super) fn heartbeat(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        running: Vec<(JobId, LeaseId)>,
    ) -> CommandResult {
        let known = self
            .state
            .factory(factory)
            .ok_or_else(|| CommandRefusal::UnknownFactory(factory.clone()))?;
        let seen = Factory {
            last_seen: Some(now),
            running,
            ..known.clone()
        };
        self.state.put_factory(factory.clone(), seen);
        Ok(CommandReply::Noted { server_time: now })
    }

    fn permit(&self, enrolment: &EnrolmentRequest) -> Result<EnrolmentPermit, CommandRefusal> {
        if let Some(token) = &enrolment.enrol_token
            && (!self.enrol_tokens.is_empty() || self.enrol_token_wanted)
        {
            let hash = self.access.hash(token);
            let scopes = self
                .enrol_tokens
                .get(&hash)
                .ok_or(CommandRefusal::InvalidEnrolToken)?;
            return Ok(EnrolmentPermit::OneTime(hash, scopes.clone()));
        }
        let is_admin = enrolment
            .bearer
            .as_deref()
            .and_then(|token| self.access.scopes(token))
            .is_some_and(|scopes| scopes.contains(&Scope::Admin));
        if is_admin || (self.access.is_open() && !self.enrol_token_wanted) {
            Ok(EnrolmentPermit::AdminOrOpen)
        } else {
            Err(CommandRefusal::InvalidEnrolToken)
        }
    }

    fn new_token(&self, factory: &FactoryId) -> String {
        format!(
            "{:032x}",
            self.access
                .hash(&format!("token of {factory}, {}", self.state.writes()))
        )
    }
}
