//! All of the routed mode that the run loop holds: one claimer, one keeper a job, one stream of events.
//!
//! The loop decides and moves files; what it says here is sent on, and what comes back is one of [`FleetEvent`].

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::keeper::{deliver, settlement};
use super::{Claimer, Closing, EVENTS_MAX, FleetEvent, Granted, Keeper, Settlement, Terms};
use crate::fleet::client::{Client, ClientError, LeaseProof, StageNews, fresh_key};
use crate::fleet::lease::BootInstant;
use crate::fleet::wire;
use crate::ids::{Capability, JobId};
use crate::queue::Letter;
use crate::settings::Settings;
use crate::stage::Stage;

/// How long a final report is tried while the process goes on; as long as an outage that ends a `--drain`.
const CLOSING: Duration = Duration::from_secs(60);

pub(crate) struct Office {
    client: Client,
    /// Taken when the office is shut.
    claimer: Option<Claimer>,
    keepers: BTreeMap<JobId, Keeper>,
    /// Closed, and not settled yet.
    closing: usize,
    terms: Terms,
    sender: mpsc::Sender<FleetEvent>,
    events: mpsc::Receiver<FleetEvent>,
    /// For messages: where the token comes from.
    credential: String,
}

impl Office {
    /// Inside a runtime.
    ///
    /// # Errors
    /// No client can be made of the settings.
    pub(crate) fn open(settings: &Settings) -> Result<Office, ClientError> {
        let client = Client::new(settings)?;
        let timeout = settings.fleet.timeout.value;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        // Factories that were started together, or lost the coordinator together, differ in both.
        let seed = u64::from(std::process::id()) ^ BootInstant::now().nanos();
        Ok(Office {
            claimer: Some(Claimer::start(client.clone(), timeout, seed, sender.clone())),
            terms: Terms {
                timeout,
                grace: settings.grace,
                closing: CLOSING,
            },
            keepers: BTreeMap::new(),
            closing: 0,
            credential: credential(settings),
            client,
            sender,
            events,
        })
    }

    /// The next event; may be dropped while it waits.
    pub(crate) async fn next(&mut self) -> FleetEvent {
        loop {
            match self.events.recv().await {
                Some(FleetEvent::Settled { job, outcome }) => {
                    self.closing = self.closing.saturating_sub(1);
                    self.keepers.remove(&job);
                    return FleetEvent::Settled { job, outcome };
                }
                Some(FleetEvent::CredentialRefused { problem }) => {
                    let problem = format!("the coordinator refuses {}: {problem}", self.credential);
                    return FleetEvent::CredentialRefused { problem };
                }
                Some(event) => return event,
                // This office holds a sender itself.
                None => std::future::pending().await,
            }
        }
    }

    /// Wants one job; answered by `Claimed` or `Nothing`.
    pub(crate) fn ask(&self, caps: impl IntoIterator<Item = Capability>, wait: Option<Duration>) {
        if let Some(claimer) = &self.claimer {
            claimer.ask(caps.into_iter().collect(), wait);
        }
    }

    /// No more claims. One that is out is waited for in the background, and what it brings is given back; `held`: how
    /// long the coordinator may hold it.
    pub(crate) fn stop_asking(&mut self, held: Duration) {
        if let Some(claimer) = self.claimer.take() {
            tokio::spawn(claimer.stop(held + self.terms.timeout));
        }
    }

    /// Asks again, with the client of an office that was opened since; the leases stay with theirs.
    pub(crate) fn ask_like(&mut self, fresh: Office) {
        let seed = u64::from(std::process::id()) ^ BootInstant::now().nanos();
        let sender = self.sender.clone();
        self.claimer = Some(Claimer::start(
            fresh.client.clone(),
            fresh.terms.timeout,
            seed,
            sender,
        ));
        self.client = fresh.client.clone();
        self.terms = fresh.terms.clone();
        self.credential = fresh.credential.clone();
    }

    /// Whether a lease of this job is in its care.
    pub(crate) fn keeps(&self, job: &JobId) -> bool {
        self.keepers.contains_key(job)
    }

    /// Renews the lease from now on.
    pub(crate) fn keep(&mut self, granted: &Granted) {
        let keeper = Keeper::start(
            granted,
            self.client.clone(),
            self.terms.clone(),
            self.sender.clone(),
        );
        self.keepers.insert(granted.id.clone(), keeper);
    }

    /// Whether the lease of a job can be relied on now; asked before every effect.
    pub(crate) fn holds(&self, job: &JobId) -> bool {
        self.keepers.get(job).is_some_and(Keeper::holds)
    }

    /// Reports a stage that is not final.
    pub(crate) fn report(&self, job: &JobId, stage: Stage) {
        if let Some(keeper) = self.keepers.get(job) {
            keeper.report(news(stage, None));
        }
    }

    /// Asks for a fresh renewal before `ship`; answered by `Confirmed` or `LeaseLost`.
    pub(crate) fn confirm(&self, job: &JobId) {
        if let Some(keeper) = self.keepers.get(job) {
            keeper.confirm();
        }
    }

    /// The job reached a final stage; answered by `Settled`.
    pub(crate) fn finish(&mut self, job: &JobId, stage: Stage, detail: Option<&str>) {
        self.close(job, Closing::Final(news(stage, detail)));
    }

    /// The same for an end whose report is in the outbox.
    pub(crate) fn finish_posted(&mut self, job: &JobId, stage: Stage, letter: &Letter) {
        self.close(job, Closing::Final(posted_news(stage, letter)));
    }

    /// Sends what an earlier process, or an earlier try, could not deliver: one after the other, each answered by
    /// `Settled`.
    pub(crate) fn deliver(&mut self, letters: Vec<Letter>) {
        let letters = letters
            .into_iter()
            .filter_map(|letter| Some((letter.subject()?, letter)));
        let letters: Vec<_> = letters.collect();
        self.closing += letters.len();
        let (client, sender, limit) = (self.client.clone(), self.sender.clone(), self.terms.closing);
        tokio::spawn(async move {
            for ((job, proof, stage), letter) in letters {
                let news = posted_news(stage, &letter);
                let outcome = deliver(client.clone(), job.clone(), proof, &news, limit).await;
                let _ = sender.send(FleetEvent::Settled { job, outcome }).await;
            }
        });
    }

    /// Another factory may have it; answered by `Settled`.
    pub(crate) fn release(&mut self, job: &JobId) {
        self.close(job, Closing::Release);
    }

    /// Its lease was lost and it lies in `quarantine/`; answered by `Settled`.
    pub(crate) fn quarantine(&mut self, job: &JobId, reason: &str) {
        self.close(job, Closing::Quarantine(reason.to_owned()));
    }

    /// Ends the lease that an earlier process had on a job, if it still answers: asked once. Answered by `Settled`.
    pub(crate) fn settle_orphan(&mut self, job: &JobId, proof: LeaseProof, closing: Closing) {
        self.closing += 1;
        let (client, sender, job) = (self.client.clone(), self.sender.clone(), job.clone());
        tokio::spawn(async move {
            let sent = match &closing {
                Closing::Quarantine(reason) => {
                    let key = fresh_key("quarantine");
                    client.quarantine(&job, Some(&proof), reason, &key).await
                }
                Closing::Release | Closing::Final(_) => client.release(&proof, &fresh_key("release")).await,
            };
            let outcome = settlement(sent);
            let _ = sender.send(FleetEvent::Settled { job, outcome }).await;
        });
    }

    /// Whether the end of every lease that was closed is settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.closing == 0
    }

    /// Releases what is still held and waits for all that is under way, at most `limit`. What is not settled by
    /// then ends by itself at the coordinator's.
    /// Says what was settled.
    pub(crate) async fn shut(mut self, limit: Duration) -> Vec<(JobId, Settlement)> {
        let held: Vec<JobId> = self.keepers.keys().cloned().collect();
        for job in &held {
            self.release(job);
        }
        let ends = tokio::time::Instant::now() + limit;
        let claimer = self.claimer.take();
        let stop = async {
            if let Some(claimer) = claimer {
                claimer.stop(limit).await;
            }
        };
        let mut settled = Vec::new();
        let _ = tokio::time::timeout_at(ends, async { tokio::join!(stop, self.settle(&mut settled)) }).await;
        // A job may have been on its way when the claimer was told to stop.
        let _ = tokio::time::timeout_at(ends, self.return_unopened(&mut settled)).await;
        settled
    }

    async fn settle(&mut self, settled: &mut Vec<(JobId, Settlement)>) {
        while self.closing > 0 {
            match self.next().await {
                FleetEvent::Settled { job, outcome } => settled.push((job, outcome)),
                event => self.give_back(event),
            }
        }
    }

    async fn return_unopened(&mut self, settled: &mut Vec<(JobId, Settlement)>) {
        while let Ok(event) = self.events.try_recv() {
            self.give_back(event);
        }
        self.settle(settled).await;
    }

    /// A job that came too late to be started.
    fn give_back(&mut self, event: FleetEvent) {
        if let FleetEvent::Claimed(granted) = event {
            self.keep(&granted);
            self.release(&granted.id);
        }
    }

    fn close(&mut self, job: &JobId, closing: Closing) {
        if let Some(keeper) = self.keepers.remove(job) {
            self.closing += 1;
            keeper.close(closing);
        }
    }
}

fn news(stage: Stage, detail: Option<&str>) -> StageNews {
    let at = wire::instant(jiff::Timestamp::now());
    StageNews {
        stage,
        at,
        detail: detail.map(str::to_owned),
        key: fresh_key("report"),
    }
}

fn posted_news(stage: Stage, letter: &Letter) -> StageNews {
    StageNews {
        stage,
        at: letter.at.clone(),
        detail: letter.detail.clone(),
        key: letter.key.as_str().into(),
    }
}

fn credential(settings: &Settings) -> String {
    match &settings.fleet.token {
        Some(token) => format!("the token from {}", token.origin),
        None => String::from("a call without a token (set AQ_FLEET_TOKEN or AQ_FLEET_TOKEN_FILE)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::rig::{Coordinator, Seen, id, settings};

    fn answer(seen: &Seen) -> Option<(u16, String)> {
        let stage = seen.body["stage"].as_str().unwrap_or("queued");
        match seen.path.rsplit('/').next() {
            Some("claims") => Some((
                200,
                String::from(
                    r#"{"job":{"id":"a","engine":"sh","body":"true"},
                    "lease":{"id":"lease-9","jobId":"a","fencingToken":4,"ttlMs":60000}}"#,
                ),
            )),
            Some("reports") => Some((202, format!(r#"{{"stage":"{stage}"}}"#))),
            _ => Some((200, format!(r#"{{"stage":"{stage}"}}"#))),
        }
    }

    fn with_office<F: Future<Output = ()>>(coordinator: &Coordinator, work: impl FnOnce(Office) -> F) {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), &coordinator.url);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { work(Office::open(&settings).unwrap()).await });
    }

    async fn claimed(office: &mut Office) -> Box<Granted> {
        office.ask([], None);
        match office.next().await {
            FleetEvent::Claimed(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    fn paths(coordinator: &Coordinator) -> Vec<String> {
        coordinator.seen().into_iter().map(|seen| seen.path).collect()
    }

    #[test]
    fn a_job_goes_from_claim_to_its_final_report() {
        let coordinator = Coordinator::start(answer);
        with_office(&coordinator, |mut office| async move {
            let granted = claimed(&mut office).await;
            assert!(!office.holds(&granted.id));
            office.keep(&granted);
            assert!(office.holds(&granted.id));
            office.report(&granted.id, Stage::Testing);
            office.finish(&granted.id, Stage::Shipped, None);
            assert!(!office.is_settled());
            match office.next().await {
                FleetEvent::Settled { job, outcome } => {
                    assert_eq!((job, outcome), (id("a"), Settlement::Delivered));
                }
                other => panic!("{other:?}"),
            }
            assert!(office.is_settled());
        });
        assert_eq!(
            paths(&coordinator),
            ["/v1/claims", "/v1/jobs/a/reports", "/v1/jobs/a/reports"]
        );
    }

    #[test]
    fn shutting_releases_what_is_held() {
        let coordinator = Coordinator::start(answer);
        with_office(&coordinator, |mut office| async move {
            let granted = claimed(&mut office).await;
            office.keep(&granted);
            office.shut(Duration::from_secs(30)).await;
        });
        assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
    }

    #[test]
    fn shutting_gives_back_a_job_that_nobody_took_any_more() {
        let coordinator = Coordinator::start(answer);
        let theirs = coordinator.clone();
        with_office(&coordinator, |office| async move {
            office.ask([], None);
            while theirs.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            office.shut(Duration::from_secs(30)).await;
        });
        assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
    }

    #[test]
    fn a_refused_credential_is_named_by_where_it_comes_from() {
        let coordinator = Coordinator::start(|_| Some((403, String::from("{}"))));
        with_office(&coordinator, |mut office| async move {
            office.ask([], None);
            match office.next().await {
                FleetEvent::CredentialRefused { problem } => {
                    assert!(
                        problem.contains("AQ_FLEET_TOKEN") && problem.contains("status-403"),
                        "{problem}"
                    );
                }
                other => panic!("{other:?}"),
            }
        });
    }
}
