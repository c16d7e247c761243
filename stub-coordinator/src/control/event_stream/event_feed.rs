//! What one subscriber has been told, and so what is news to it.
//!
//! Exchanges are told by their numbers, everything else by comparing it with what was told last. The id of an event
//! is the number up to which everything has been told to its end, so whoever resumes there may hear some of it twice,
//! and misses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::exchange_summary::ExchangeSummary;
use super::stub_snapshot::{self, SnapshotReader};
use crate::journal::exchange::{Exchange, ExchangeOutcome};
use crate::shared_stub::{SharedStub, StubAddresses};

/// The most exchanges that are told at one look.
const BATCH: usize = 256;
/// How far behind a subscriber may be before it is given a snapshot instead.
const LAG: u64 = 1_000;
/// How many exchanges a snapshot shows.
pub(super) const SNAPSHOT_ROWS: u64 = 200;

pub(super) struct EventFeed {
    /// The stub that is looked at.
    shared: Arc<SharedStub>,
    /// Changes with every reset: what was told before it no longer holds.
    epoch: u64,
    /// Everything up to this number has been told.
    told: u64,
    /// Told as arrived, not yet as completed.
    open: BTreeSet<u64>,
    /// Looks at what is no exchange: rules, gates, clock, jobs.
    parts: SnapshotReader,
    /// What was told last, by event.
    last_sent: BTreeMap<&'static str, String>,
    /// Whether a first snapshot was told.
    begun: bool,
}

impl EventFeed {
    /// A feed from now on, or from where the one with this last event id broke off.
    pub(super) fn new(shared: Arc<SharedStub>, last_event_id: Option<&str>) -> EventFeed {
        let epoch = *shared.epoch.borrow();
        let mut feed = EventFeed {
            epoch,
            told: 0,
            open: BTreeSet::new(),
            parts: SnapshotReader::default(),
            last_sent: BTreeMap::new(),
            begun: false,
            shared,
        };
        // An earlier stub on the same port numbered other exchanges.
        let prefix = format!("{}-{epoch}-", feed.shared.instance);
        let resumed = last_event_id
            .and_then(|id| id.strip_prefix(&prefix)?.parse::<u64>().ok())
            .filter(|told| *told <= feed.shared.journal.reach().last);
        if let Some(told) = resumed {
            feed.told = told;
            feed.begun = true;
        }
        feed
    }

    /// All that is new, as events ready to send; empty where nothing is.
    pub(super) fn look(&mut self) -> String {
        let epoch = *self.shared.epoch.borrow();
        let reach = self.shared.journal.reach();
        let mut news = String::new();
        if !self.begun || epoch != self.epoch {
            self.epoch = epoch;
            self.snapshot(&mut news);
            return news;
        }
        let kept = reach.first.max(reach.last.saturating_sub(LAG) + 1);
        if kept > self.told + 1 {
            let lost = kept - self.told - 1;
            self.event(&mut news, "lost", &json!({"exchanges": lost}));
            self.snapshot(&mut news);
            return news;
        }
        self.send_completions(&mut news);
        for exchange in self.shared.journal.after(self.told, BATCH) {
            self.tell(&mut news, &exchange);
        }
        self.send_snapshot_parts(&mut news);
        news
    }

    /// Says that all is well, and what time it is on the stub's clock.
    pub(super) fn heartbeat(&self) -> String {
        let mut news = String::new();
        write(
            &mut news,
            "clock",
            None,
            &stub_snapshot::clock(&self.shared).to_string(),
        );
        news
    }

    /// Everything at once, for who knows nothing.
    fn snapshot(&mut self, news: &mut String) {
        let last = self.shared.journal.reach().last;
        self.open.clear();
        self.begun = true;
        let shown = self
            .shared
            .journal
            .after(last.saturating_sub(SNAPSHOT_ROWS), BATCH);
        self.told = shown.last().map_or(last, |exchange| exchange.seq);
        self.open.extend(
            shown
                .iter()
                .filter(|exchange| exchange.outcome == ExchangeOutcome::InFlight)
                .map(|exchange| exchange.seq),
        );
        let rows: Vec<ExchangeSummary> = shown.iter().map(ExchangeSummary::of).collect();
        let places = self.shared.places.get();
        let mut whole = json!({"stub": self.shared.instance, "seed": self.shared.seed, "rows": rows,
                               "controlUrl": places.and_then(StubAddresses::control_url),
                               "vocabulary": stub_snapshot::vocabulary(), "clock": stub_snapshot::clock(&self.shared)});
        self.last_sent.clear();
        for (name, part) in self.parts.look(&self.shared) {
            self.last_sent.insert(name, part.compared);
            whole[name] = part.told;
        }
        self.event(news, "snapshot", &whole);
    }

    fn send_completions(&mut self, news: &mut String) {
        for seq in self.open.clone() {
            match self.shared.journal.one(seq) {
                Some(exchange) if exchange.outcome == ExchangeOutcome::InFlight => {}
                Some(exchange) => self.tell(news, &exchange),
                // The journal forgot it while it was under way; its end will not be known here.
                None => drop(self.open.remove(&seq)),
            }
        }
    }

    fn tell(&mut self, news: &mut String, exchange: &Exchange) {
        self.told = self.told.max(exchange.seq);
        let name = if exchange.outcome == ExchangeOutcome::InFlight {
            self.open.insert(exchange.seq);
            "arrived"
        } else {
            self.open.remove(&exchange.seq);
            "completed"
        };
        self.event(news, name, &json!(ExchangeSummary::of(exchange)));
    }

    fn send_snapshot_parts(&mut self, news: &mut String) {
        for (name, part) in self.parts.look(&self.shared) {
            if self.last_sent.get(name) != Some(&part.compared) {
                write(news, name, None, &part.told.to_string());
                self.last_sent.insert(name, part.compared);
            }
        }
    }

    fn event(&self, news: &mut String, name: &str, data: &Value) {
        let settled = self.open.first().map_or(self.told, |open| open - 1);
        let id = format!("{}-{}-{settled}", self.shared.instance, self.epoch);
        write(news, name, Some(&id), &data.to_string());
    }
}

/// JSON has no line breaks of its own, so an event is always one `data` line.
fn write(news: &mut String, name: &str, id: Option<&str>, data: &str) {
    news.push_str("event: ");
    news.push_str(name);
    if let Some(id) = id {
        news.push_str("\nid: ");
        news.push_str(id);
    }
    news.push_str("\ndata: ");
    news.push_str(data);
    news.push_str("\n\n");
}
