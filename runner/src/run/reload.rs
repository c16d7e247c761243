//! Flags that change while a run is under way (clauses F-8 and T-11): each decision is made in the mode that counts then.
//!
//! What runs goes on as it began. A routed job ends under its lease, whatever the next decision is; a local one ends
//! as a local one.

use super::RunError;
use super::event_loop::EventLoop;
use super::progress;
use super::routed_source::RoutedSource;
use crate::mode::Mode;
use crate::queue::FolderChanges;
use crate::settings::{ReloadOutcome, Settings};
use crate::shadow::{ShadowLane, SkipReason};
use crate::stage::Stage;

impl EventLoop {
    /// Looks at `aq.toml`, and turns to another mode if it says so.
    pub(super) fn reload_settings(&mut self) {
        self.settings_unsettled = false;
        match self.reload.read() {
            ReloadOutcome::Unchanged => {}
            ReloadOutcome::BeingWritten => self.settings_unsettled = true,
            ReloadOutcome::Invalid(problem) => {
                progress::warn(&format!("{problem}; until then all stays as it was"));
            }
            ReloadOutcome::Changed {
                settings,
                without_effect,
            } => {
                without_effect.iter().for_each(|what| progress::warn(what));
                let warnings = settings.warnings();
                warnings.iter().for_each(|warning| self.warn_once(warning));
                if settings.mode != self.mode {
                    self.switch_to(&settings);
                }
            }
        }
    }

    /// Looks whether a person paused the queue, or resumed it.
    pub(super) fn reload_pause(&mut self) -> Result<(), RunError> {
        let pause = self.queue.paused()?;
        match (&self.pause, &pause) {
            (None, Some(_)) => {
                progress::waiting("paused: no job is started, what runs goes on; `aq resume` ends it");
            }
            (Some(_), None) => {
                progress::waiting("resumed");
                self.wait_reported = false;
            }
            _ => {}
        }
        self.pause = pause;
        Ok(())
    }

    /// Whether the pause kept this run from work that waits.
    pub(super) fn is_paused(&self) -> Result<bool, RunError> {
        let held_up = self.pause.is_some()
            && self.stop.is_none()
            && (self.routes() || !self.queue.ids(Stage::Inbox)?.is_empty());
        if held_up {
            progress::warn("the queue is paused, what waits stays where it is: `aq resume`, then run again");
        }
        Ok(held_up)
    }

    /// Whether the next decision is the coordinator's.
    pub(super) fn routes(&self) -> bool {
        self.mode == Mode::Route
    }

    fn switch_to(&mut self, settings: &Settings) {
        if settings.mode == Mode::Route
            && let Err(error) = self.start_routing(settings)
        {
            progress::warn(&format!(
                "can't turn to route: {error}; the mode stays {}",
                self.mode
            ));
            return;
        }
        progress::waiting(&format!("mode: {} instead of {}", settings.mode, self.mode));
        self.mode = settings.mode;
        self.presence.turned_to(settings);
        match self.mode {
            Mode::Route => {
                self.routed.iter().for_each(RoutedSource::report_permissions);
                self.stop_lane(SkipReason::Route);
            }
            Mode::Offline | Mode::Local => self.stop_lane(SkipReason::Stopped),
            Mode::Shadow if self.lane.is_none() => {
                self.lane = Some(ShadowLane::start(settings, &self.presence.health));
            }
            Mode::Shadow => {}
        }
        if let Some(routed) = self.routed.as_mut().filter(|_| self.mode != Mode::Route) {
            routed.rest();
        }
        // What happened in the inbox meanwhile was not looked at.
        self.changes = FolderChanges::everything();
        self.idle_since_decision = None;
        self.wait_reported = false;
    }

    fn start_routing(&mut self, settings: &Settings) -> Result<(), RunError> {
        let fresh = RoutedSource::new(
            settings,
            &self.engines,
            self.execution_context.folder(),
            &self.presence.health,
        )?;
        match &mut self.routed {
            // It still keeps the leases of what runs.
            Some(routed) => routed.resume(fresh),
            None => self.routed = Some(fresh),
        }
        Ok(())
    }

    fn stop_lane(&mut self, skip: SkipReason) {
        if let Some(lane) = self.lane.take() {
            lane.give_up(skip);
            self.stopped_lanes.push(lane);
        }
    }
}
